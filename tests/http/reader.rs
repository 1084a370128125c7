//! A strict reader of requests and responses, written from RFC 9112 alone and without any code of the module: what it
//! cannot read is a failure.

/// Names, lower-cased, and values, in order.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A response as a client reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub reason: String,
    pub fields: Fields,
    pub body: Vec<u8>,
    pub trailers: Fields,
    pub ended_by: EndedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// There can be no body.
    Head,
    Length,
    LastChunk,
    /// The end of the bytes.
    Close,
}

impl Response {
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.fields
            .iter()
            .filter(|(field, _)| field == name)
            .map(|(_, value)| std::str::from_utf8(value).expect("UTF-8"))
            .collect()
    }

    pub fn names(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// The first line without its CRLF, and what follows it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a line ends in CRLF");
    let line = &bytes[..end];
    assert!(
        !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
        "{}",
        line.escape_ascii()
    );
    (line, &bytes[end + 2..])
}

/// Field lines up to the empty one; names lower-cased.
pub fn fields(mut bytes: &[u8]) -> (Fields, &[u8]) {
    let mut fields = Vec::new();
    loop {
        let (content, rest) = line(bytes);
        bytes = rest;
        if content.is_empty() {
            return (fields, bytes);
        }
        let colon = content
            .iter()
            .position(|&byte| byte == b':')
            .expect("a field has a colon");
        let (name, value) = (&content[..colon], &content[colon + 1..]);
        assert!(
            !name.is_empty()
                && name
                    .iter()
                    .all(|byte| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte)),
            "{}",
            content.escape_ascii()
        );
        let name = String::from_utf8(name.to_ascii_lowercase()).expect("graphic ASCII");
        fields.push((name, value.trim_ascii().to_vec()));
    }
}

/// A chunked body and its trailers.
pub fn chunked(mut bytes: &[u8]) -> (Vec<u8>, Fields, &[u8]) {
    let mut body = Vec::new();
    loop {
        let (size, rest) = line(bytes);
        let size = usize::from_str_radix(std::str::from_utf8(size).expect("ASCII"), 16)
            .expect("a chunk size");
        if size == 0 {
            let (trailers, rest) = fields(rest);
            return (body, trailers, rest);
        }
        body.extend_from_slice(&rest[..size]);
        let (end, rest) = line(&rest[size..]);
        assert!(end.is_empty(), "chunk data is followed by CRLF");
        bytes = rest;
    }
}

fn only<'f>(fields: &'f [(String, Vec<u8>)], name: &str) -> Option<&'f [u8]> {
    let mut values = fields.iter().filter(|(field, _)| field == name);
    let value = values.next().map(|(_, value)| &value[..]);
    assert!(values.next().is_none(), "{name} once");
    value
}

/// The response to a HEAD, or to another method, and what follows it.
pub fn response(bytes: &[u8], is_head: bool) -> (Response, &[u8]) {
    let (status_line, rest) = line(bytes);
    let status_line = std::str::from_utf8(status_line).expect("ASCII");
    let after = status_line.strip_prefix("HTTP/1.1 ").expect("version");
    let (status, reason) = after.split_once(' ').expect("a space follows the status");
    assert_eq!(status.len(), 3);
    let status: u16 = status.parse().expect("digits");
    let (fields, rest) = fields(rest);
    let encoding = only(&fields, "transfer-encoding");
    let length = only(&fields, "content-length").map(|value| {
        std::str::from_utf8(value)
            .unwrap()
            .parse::<usize>()
            .expect("digits")
    });
    assert!(encoding.is_none() || length.is_none(), "one framing");
    let mut trailers = Vec::new();
    let (body, ended_by, rest) = if is_head || matches!(status, 100..=199 | 204 | 304) {
        assert!(encoding.is_none(), "no framing without a body");
        assert!(length.is_none() || matches!(status, 200.. if status != 204));
        (Vec::new(), EndedBy::Head, rest)
    } else if let Some(encoding) = encoding {
        assert_eq!(encoding, b"chunked");
        let (body, found, rest) = chunked(rest);
        trailers = found;
        (body, EndedBy::LastChunk, rest)
    } else if let Some(length) = length {
        assert!(
            rest.len() >= length,
            "{} of {length} bytes came",
            rest.len()
        );
        (rest[..length].to_vec(), EndedBy::Length, &rest[length..])
    } else {
        (rest.to_vec(), EndedBy::Close, &[][..])
    };
    (
        Response {
            status,
            reason: reason.to_owned(),
            fields,
            body,
            trailers,
            ended_by,
        },
        rest,
    )
}
