//! The `http` module from outside: bytes in, events out, responses as bytes.

mod support;

mod alike;
mod asking;
mod bodies;
mod dates;
mod exchanges;
mod limits;
mod properties;
mod reader;
mod requests;
mod response_bodies;
mod responses;
mod smuggling;
mod upgrades;
