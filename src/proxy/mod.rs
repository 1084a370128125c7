//! What proxies in front say about a client: in header fields, and before the first request (PROXY protocol). Pure: bytes in,
//! facts out. It does not know connections, and believes only whom the operator trusts.

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
