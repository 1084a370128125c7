//! HTTP/2 on memory: the bytes of a connection in, requests and bytes out. Frames, HPACK and flow control are the h2 crate's.
//!
//! A request is handed on in the form of HTTP/1.1, so that it passes the same policy as every other one, and an answer is taken
//! in that form.

mod frames;
mod pipe;
mod preface;
mod request;
mod response;
mod session;
#[cfg(test)]
mod tests;

pub use preface::{Preface, preface};
pub use response::{ResponseHead, response_head, trailers};
pub use session::{Arrived, Limits, Next, Session};
