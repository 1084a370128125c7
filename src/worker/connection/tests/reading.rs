//! A strict client's parser of the bytes that it received.

/// One response. `body` is shorter than `length` only in the last one of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub length: usize,
    pub body: Vec<u8>,
}

impl Response {
    pub fn is_whole(&self) -> bool {
        self.body.len() == self.length
    }
}

/// Responses with a length, one after another, without interim ones. Panics on anything else.
pub fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            assert!(
                b"HTTP/1.1 ".starts_with(&bytes[..bytes.len().min(9)]),
                "no response: {}",
                bytes.escape_ascii()
            );
            break;
        };
        let head = std::str::from_utf8(&bytes[..end]).expect("ASCII");
        bytes = &bytes[end + 4..];
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("no status line: {head:?}"));
        if status < 200 {
            continue;
        }
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        let (body, rest) = bytes.split_at(bytes.len().min(length));
        found.push(Response {
            status,
            length,
            body: body.to_vec(),
        });
        bytes = rest;
    }
    found
}
