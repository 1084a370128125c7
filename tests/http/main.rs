//! The `http` module from outside: bytes in, events out, responses as bytes.

mod support;

mod requests;
