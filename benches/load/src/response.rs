//! One HTTP/1.1 response, read from pieces of any size and compared with what was expected as it arrives.
//! Strict on purpose: a wrong byte is an error, not a warning. No sockets here.

use crate::chunked::{Chunked, Step};

#[derive(Debug, PartialEq)]
pub enum Progress {
    More,
    /// Complete; `close` when the server says that it closes the connection, or that is how the body ends.
    Done {
        close: bool,
    },
}

enum Body {
    Head,
    Length(usize),
    Chunked(Chunked),
    UntilClose,
}

pub struct Response {
    body: Body,
    /// The head so far, when it did not come in one piece.
    partial: Vec<u8>,
    /// How many bytes of the body have been seen.
    at: usize,
    close: bool,
}

impl Response {
    pub fn new() -> Response {
        Response {
            body: Body::Head,
            partial: Vec::new(),
            at: 0,
            close: false,
        }
    }

    pub fn feed(&mut self, bytes: &[u8], expect: &[u8]) -> Result<Progress, String> {
        let Body::Head = self.body else {
            return self.feed_body(bytes, expect);
        };
        if self.partial.is_empty() {
            return match self.head(bytes)? {
                Some(length) => self.feed_body(&bytes[length..], expect),
                None => {
                    self.partial.extend_from_slice(bytes);
                    Ok(Progress::More)
                }
            };
        }
        self.partial.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.partial);
        match self.head(&whole)? {
            Some(length) => self.feed_body(&whole[length..], expect),
            None => {
                self.partial = whole;
                Ok(Progress::More)
            }
        }
    }

    /// The server closed. That is right only where closing is what ends the body.
    pub fn end(&mut self, expect: &[u8]) -> Result<Progress, String> {
        match self.body {
            Body::UntilClose => self.done(0, expect),
            Body::Head if self.partial.is_empty() => Err("closed without a response".into()),
            _ => Err(format!(
                "closed in the middle of a response, {} bytes into the body",
                self.at
            )),
        }
    }

    fn head(&mut self, bytes: &[u8]) -> Result<Option<usize>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let length = match head.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(e) => return Err(format!("response head: {e}")),
        };
        if head.code != Some(200) {
            return Err(format!("status {}", head.code.unwrap_or(0)));
        }
        self.close = head.version == Some(0);
        self.body = Body::UntilClose;
        for header in head.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|v| v.trim().parse().ok());
                self.body = Body::Length(length.ok_or("content-length is not a number")?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                self.body = Body::Chunked(Chunked::new());
            } else if header.name.eq_ignore_ascii_case("connection") {
                self.close = header.value.eq_ignore_ascii_case(b"close");
            }
        }
        Ok(Some(length))
    }

    fn feed_body(&mut self, mut bytes: &[u8], expect: &[u8]) -> Result<Progress, String> {
        match &mut self.body {
            Body::Head => unreachable!("a body follows a head"),
            Body::UntilClose => {
                self.close = true;
                compare(&mut self.at, bytes, expect)?;
                Ok(Progress::More)
            }
            Body::Length(left) => {
                let taken = bytes.len().min(*left);
                *left -= taken;
                let done = *left == 0;
                compare(&mut self.at, &bytes[..taken], expect)?;
                if done {
                    self.done(bytes.len() - taken, expect)
                } else {
                    Ok(Progress::More)
                }
            }
            Body::Chunked(chunked) => loop {
                match chunked.step(&mut bytes)? {
                    Step::Data(data) => compare(&mut self.at, data, expect)?,
                    Step::More => return Ok(Progress::More),
                    Step::End => return self.done(bytes.len(), expect),
                }
            },
        }
    }

    fn done(&mut self, surplus: usize, expect: &[u8]) -> Result<Progress, String> {
        if surplus > 0 {
            return Err(format!("{surplus} bytes after the end of the response"));
        }
        if self.at != expect.len() {
            return Err(format!(
                "a body of {} bytes instead of {}",
                self.at,
                expect.len()
            ));
        }
        Ok(Progress::Done { close: self.close })
    }
}

fn compare(at: &mut usize, data: &[u8], expect: &[u8]) -> Result<(), String> {
    let end = *at + data.len();
    if expect.get(*at..end) != Some(data) {
        return Err(format!("a wrong body between bytes {at} and {end}"));
    }
    *at = end;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]], expect: &[u8]) -> Result<Progress, String> {
        let mut response = Response::new();
        let mut progress = Progress::More;
        for piece in pieces {
            assert_eq!(progress, Progress::More, "more bytes after the end");
            progress = response.feed(piece, expect)?;
        }
        Ok(progress)
    }

    const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n2;x=1\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n";

    #[test]
    fn any_split_reads_alike() {
        for (whole, close) in [(LENGTH, false), (CHUNKED, true)] {
            for split in 1..whole.len() {
                let (first, second) = whole.split_at(split);
                assert_eq!(
                    read(&[first, second], b"hello"),
                    Ok(Progress::Done { close }),
                    "{split}"
                );
            }
            let bytes: Vec<&[u8]> = whole.chunks(1).collect();
            assert_eq!(read(&bytes, b"hello"), Ok(Progress::Done { close }));
        }
    }

    #[test]
    fn a_wrong_answer_is_an_error() {
        assert!(read(&[LENGTH], b"hallo").is_err());
        assert!(read(&[LENGTH], b"hello!").is_err());
        assert!(read(&[LENGTH], b"hell").is_err());
        assert!(read(&[CHUNKED], b"hell").is_err());
        assert!(read(&[&[LENGTH, b"H"].concat()], b"hello").is_err());
        assert!(
            read(
                &[b"HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nhello"],
                b"hello"
            )
            .is_err()
        );
        assert!(
            read(
                &[b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhel"],
                b"hello"
            )
            .is_err()
        );
    }

    #[test]
    fn closing_ends_only_a_body_without_a_length() {
        let mut response = Response::new();
        response
            .feed(b"HTTP/1.0 200 OK\r\n\r\nhel", b"hello")
            .unwrap();
        response.feed(b"lo", b"hello").unwrap();
        assert_eq!(response.end(b"hello"), Ok(Progress::Done { close: true }));
        let mut response = Response::new();
        response
            .feed(&LENGTH[..LENGTH.len() - 1], b"hello")
            .unwrap();
        assert!(response.end(b"hello").is_err());
    }
}
