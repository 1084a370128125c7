//! What proxies report about a client: in header fields, and before the first request (PROXY protocol). Pure: bytes in,
//! facts out. Only proxies that the operator trusts count.

mod chain;
mod forwarded;
mod protocol;
mod rfc7239;
mod scheme;
mod told;
mod trust;
mod x_forwarded;

pub use forwarded::{Disagreement, Forwarded};
pub use protocol::{Header, Malformed, parse};
pub use told::{Client, Scheme, Told};
pub use trust::trusts;
