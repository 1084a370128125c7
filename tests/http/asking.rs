//! Requests that arrive, and their responses as an app gives them and as a client reads them.

use rgun::http::{BodyEnd, Connection, HttpEvent, ResponseState, Transmit};

use crate::reader::{self, Response};
use crate::support::*;

pub type Fields<'f> = &'f [(&'f str, &'f str)];

pub fn pairs<'f>(fields: Fields<'f>) -> impl Iterator<Item = (&'f [u8], &'f [u8])> {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

pub fn collect(wire: &mut Vec<u8>, sent: Transmit<'_>) {
    assert_eq!(
        sent.len(),
        sent.head.len() + sent.data.len() + sent.tail.len()
    );
    for part in [sent.head, sent.data, sent.tail] {
        wire.extend_from_slice(part);
    }
}

/// The connection after its request was read.
pub fn asked(request: &str) -> Connection {
    let mut connection = fed(format!("{request}\r\n").as_bytes());
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    connection
}

/// All that is sent for these pieces; the last one ends the body.
pub fn wire(
    connection: &mut Connection,
    status: u16,
    fields: Fields<'_>,
    pieces: &[&[u8]],
) -> Vec<u8> {
    connection
        .start_response(status, None, pairs(fields), &date())
        .expect("a valid head");
    let mut wire = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let end = if index + 1 == pieces.len() {
            BodyEnd::Last
        } else {
            BodyEnd::More
        };
        let sent = connection.body(piece, end).expect("a valid body");
        assert_eq!(sent.excess, 0);
        collect(&mut wire, sent);
    }
    assert_eq!(connection.response_state(), ResponseState::Complete);
    wire
}

pub fn answer(request: &str, status: u16, fields: Fields<'_>, pieces: &[&[u8]]) -> Response {
    let mut connection = asked(request);
    let wire = wire(&mut connection, status, fields, pieces);
    let (response, rest) = reader::response(&wire, request.starts_with("HEAD"));
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    let says_close = response.values("connection").contains(&"close");
    assert_eq!(connection.is_keep_alive(), !says_close);
    assert_eq!(connection.response_status(), status);
    assert_eq!(connection.response_body_len(), response.body.len() as u64);
    response
}

pub const H11: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
pub const H10: &str = "GET / HTTP/1.0\r\n";
pub const H10_KEEP: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n";
pub const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: a\r\n";

/// The target of the request that is next.
pub fn target(connection: &mut Connection) -> String {
    match connection.poll_event() {
        HttpEvent::Request(head) => String::from_utf8(head.target_path().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Answers with `ok`; the value of the Connection field.
pub fn answer_ok(connection: &mut Connection) -> String {
    connection.start_response(200, None, [], &date()).unwrap();
    let wire = connection.body(b"ok", BodyEnd::Last).unwrap().head.to_vec();
    let (response, rest) = reader::response(&wire, false);
    assert!(rest.is_empty());
    response.values("connection").join(",")
}

pub fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}
