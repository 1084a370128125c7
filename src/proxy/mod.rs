//! What proxies report about a client: in header fields, and before the first request (PROXY protocol). Pure: bytes in,
//! facts out. Only proxies that the operator trusts count.

mod chain;
mod forwarded;
mod forwarded_request;
mod protocol;
mod rfc7239;
mod scheme;
mod trust;
mod x_forwarded;

pub use forwarded::{Disagreement, Forwarded};
pub use forwarded_request::{ForwardedClient, ForwardedRequest, Scheme};
pub use protocol::{Header, Malformed, parse};
pub use trust::trusts;
