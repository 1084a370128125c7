//! Content codings of the app's responses: what is compressed for which client, how its head changes, and the encoders.
//! Heads and bytes in, decisions and bytes out.
//!
//! Sources are RFC 9110 (sections 8.4, 8.8.3, 12.5.3 and 15.4.5), RFC 9111 §5.2.2.6 (`no-transform`), RFC 1952 (gzip), RFC 8878 and
//! RFC 9659 (zstd and its window on the web).

mod codec;
mod encoder;
mod gzip;
mod head;
mod media_types;
mod offer;
mod plan;
mod rules;
mod zstd;

#[cfg(test)]
pub use gzip::tests::decoded as ungzip;

pub use codec::{Failed, Flush};
pub use encoder::Encoder;
pub use head::{FieldPair, coded, revalidated, varied};
pub use media_types::MediaTypes;
pub use offer::Offer;
pub use plan::CodingPlan;
pub use rules::Rules;

#[cfg(test)]
mod tests {
    use crate::http::{HttpEvent, KeepAlive, Policy, RequestHead, UnderscorePolicy};

    /// As a client sends it.
    pub fn request(method: &str, fields: &str) -> RequestHead {
        let policy = Policy {
            limit_request_line: 8190,
            limit_request_fields: 100,
            limit_request_field_size: 8190,
            limit_request_body: None,
            header_map: UnderscorePolicy::Drop,
            exempt_names: Vec::new(),
            keep_alive: KeepAlive::Allowed,
        };
        let mut connection = crate::http::Connection::new(std::sync::Arc::new(policy));
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        connection.receive(head.as_bytes());
        match connection.poll_event() {
            HttpEvent::Request(head) => head,
            other => panic!("{other:?}"),
        }
    }
}
