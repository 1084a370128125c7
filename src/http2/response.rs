//! Heads of responses, parsed from the form of HTTP/1.1 in which they were serialised and checked.

use bytes::Bytes;
use http_types::header::{CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT};
use http_types::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use memchr::memmem;

/// RFC 9113 §8.2.2: fields of a connection, which a stream does not have. `te` may be in requests alone.
const OF_A_CONNECTION: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

const END: &[u8] = b"\r\n\r\n";

#[derive(Debug)]
pub struct Http2ResponseHead {
    pub response: Response<()>,
    /// The length of the head in bytes.
    pub size: usize,
    /// As declared.
    pub length: Option<u64>,
}

impl Http2ResponseHead {
    /// The final one follows.
    pub fn is_interim(&self) -> bool {
        self.response.status().is_informational()
    }

    /// Whether a response to `GET` with that status has no content.
    pub fn has_no_content(&self) -> bool {
        matches!(self.response.status().as_u16(), 204 | 304)
    }
}

/// `None`: it is not complete, or invalid or with too many fields, which is not possible for one of ours.
pub fn response_head(bytes: &[u8]) -> Option<Http2ResponseHead> {
    let size = memmem::find(bytes, END)? + END.len();
    let head = Bytes::copy_from_slice(&bytes[..size - 2]);
    let line_end = memchr::memchr(b'\n', &head)? + 1;
    // `HTTP/1.1 200 OK`
    let status = StatusCode::from_bytes(head.get(9..12)?).ok()?;
    let is_switch = status == StatusCode::SWITCHING_PROTOCOLS;
    let mut response = Response::new(());
    // RFC 8441 §5.1: a 2xx response replaces the 101.
    *response.status_mut() = if is_switch { StatusCode::OK } else { status };
    let mut fields = fields(&head.slice(line_end..))?;
    if is_switch {
        fields.remove(SEC_WEBSOCKET_ACCEPT);
    }
    let length = fields.get(CONTENT_LENGTH).and_then(decimal);
    *response.headers_mut() = fields;
    Some(Http2ResponseHead {
        response,
        size,
        length,
    })
}

/// Lines with fields, as they were serialised.
pub fn trailers(lines: &[u8]) -> HeaderMap {
    fields(&Bytes::copy_from_slice(lines)).unwrap_or_default()
}

/// `None`: they are too many.
fn fields(lines: &Bytes) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', lines) {
        let line = lines.slice(start..end.saturating_sub(1).max(start));
        start = end + 1;
        let Some((name, value)) = field(&line) else {
            continue;
        };
        if !OF_A_CONNECTION.contains(&name.as_str()) {
            fields.try_append(name, value).ok()?;
        }
    }
    Some(fields)
}

fn field(line: &Bytes) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr::memchr(b':', line)?;
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    let value = line[colon + 1..].trim_ascii();
    let value = HeaderValue::from_maybe_shared(line.slice_ref(value)).ok()?;
    Some((name, value))
}

fn decimal(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_and_what_it_declares() {
        let text =
            b"HTTP/1.1 404 Not Found\r\nX-Case: a:b \r\ncontent-length: 12\r\nset-cookie: a\r\n\
                     set-cookie: b\r\nconnection: close\r\n\r\nbody";
        let head = response_head(text).expect("complete");
        assert_eq!(head.response.status(), 404);
        assert_eq!((head.size, head.length), (text.len() - 4, Some(12)));
        let fields = head.response.headers();
        assert_eq!(fields["x-case"], "a:b");
        assert_eq!(fields.get_all("set-cookie").iter().count(), 2);
        assert!(!fields.contains_key("connection"));
        assert!(!head.is_interim() && !head.has_no_content());
        for length in 0..text.len() - 4 {
            assert!(response_head(&text[..length]).is_none());
        }
    }

    #[test]
    fn fields_of_a_connection_are_left_out() {
        let lines = "Connection: close\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\nTE: gzip\r\n\
                     Transfer-Encoding: chunked\r\nUpgrade: h2c\r\nx-a: b\r\n";
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let head = response_head(head.as_bytes()).expect("complete");
        for fields in [head.response.headers(), &trailers(lines.as_bytes())] {
            assert_eq!(fields.len(), 1);
            assert_eq!(fields["x-a"], "b");
        }
    }

    #[test]
    fn heads_without_content_and_before_the_final_one() {
        let head = |text: &str| response_head(text.as_bytes()).expect("complete");
        assert!(head("HTTP/1.1 204 No Content\r\n\r\n").has_no_content());
        assert!(head("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n").has_no_content());
        assert!(head("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").is_interim());
        let switched = head(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: x\r\nsec-websocket-protocol: chat\r\n\r\n",
        );
        assert_eq!(switched.response.status(), 200);
        assert_eq!(switched.response.headers().len(), 1);
    }

    #[test]
    fn more_fields_than_the_table_holds_are_no_head() {
        let lines =
            |count: u32| -> String { (0..count).map(|n| format!("x-{n}: v\r\n")).collect() };
        let head = |count| format!("HTTP/1.1 200 OK\r\n{}\r\n", lines(count));
        assert!(response_head(head(20_000).as_bytes()).is_some());
        assert!(response_head(head(40_000).as_bytes()).is_none());
        assert!(trailers(lines(40_000).as_bytes()).is_empty());
    }

    #[test]
    fn trailers_are_lines() {
        let fields = trailers(b"Grpc-Status: 0\r\nx: \r\n");
        assert_eq!(fields["grpc-status"], "0");
        assert_eq!(fields["x"], "");
        assert!(trailers(b"").is_empty());
    }
}
