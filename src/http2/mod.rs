//! HTTP/2 on memory: the bytes of a connection in, requests and bytes out. The h2 crate does frames, HPACK and flow control.
//!
//! A request is passed on in the form of HTTP/1.1, so that it passes the same policy as every other one, and a response is
//! accepted in that form.

mod frame_headers;
mod frames;
mod pipe;
mod preface;
mod request;
mod resets;
mod response;
mod session;
#[cfg(test)]
mod tests;

pub use preface::{Preface, preface};
pub use request::may_be_trailers;
pub use resets::Resets;
pub use response::{Http2ResponseHead, response_head, trailers};
pub use session::{Arrived, Http2Limits, SEND_BUFFER, Session, SessionStep};
