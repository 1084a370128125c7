//! HTTP/1.1 as a pure state machine: bytes in, events out. No socket, no clock.
//!
//! The owner reads into [`Connection::input`], polls [`Connection::poll_event`] and writes what the response
//! calls return. One request at a time, in order; sources are RFC 9110 and RFC 9112.

mod authority;
mod body;
mod chars;
mod connection;
mod date;
mod error;
mod event;
mod examine;
mod head;
mod head_reader;
mod names;
mod path;
mod policy;
mod refusal;
mod respond;
mod responder;
mod response;
mod status;
mod target;

pub use authority::is_host;
pub use body::is_forbidden_trailer;
pub use connection::{Connection, DISCARD_LIMIT, InputFault};
pub use date::{Date, imf_fixdate};
pub use error::ResponseError;
pub use event::{BodyEnd, HttpEvent, RawTransmit, ResponseState, Transmit};
pub use head::{BodyFraming, BodyPresence, Carrier, Field, Method, RequestHead, Upgrade, Version};
pub use names::{KNOWN_NAMES, KnownName};
pub use path::decode_path;
pub use policy::{KeepAlive, Policy, UnderscorePolicy};
pub use refusal::Refusal;
pub use respond::check_trailer;
pub use response::ResponseHead;
pub use status::reason_phrase;
