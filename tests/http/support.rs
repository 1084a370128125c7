//! A connection driven by a script, and its events. Nothing blocks.

use std::sync::Arc;

use rgun::http::{BodyEnd, Connection, Date, HttpEvent, Policy, Refusal, RequestHead};

pub const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub fn date() -> Date {
    Date::at(784_111_777)
}

pub fn connection() -> Connection {
    Connection::new(Arc::new(Policy::default()))
}

pub fn fed(bytes: &[u8]) -> Connection {
    let mut connection = connection();
    connection.receive(bytes);
    connection
}

/// The first event of a new connection that receives `bytes`.
pub fn first(bytes: &[u8]) -> HttpEvent {
    fed(bytes).poll_event()
}

pub fn head(bytes: &[u8]) -> RequestHead {
    match first(bytes) {
        HttpEvent::Request(head) => head,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

pub fn refusal(bytes: &[u8]) -> Refusal {
    match first(bytes) {
        HttpEvent::Refused(refusal) => refusal,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

/// A head with these fields after a Host.
pub fn with_fields(fields: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

/// The events of a connection, in a form that can be compared: adjacent pieces of a body are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Request {
        method: String,
        path: Vec<u8>,
        query: Vec<u8>,
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        keep_alive: bool,
    },
    Body(Vec<u8>),
    EndOfBody,
    Refused(Refusal),
    Closed,
}

pub fn said(head: &RequestHead) -> Said {
    Said::Request {
        method: head.method().to_owned(),
        path: head.target_path().to_vec(),
        query: head.query().to_vec(),
        fields: head
            .headers()
            .map(|field| (field.name.to_vec(), field.value.to_vec()))
            .collect(),
        keep_alive: head.keep_alive(),
    }
}

/// Feeds the pieces, answers every complete request with an empty 200, ends the input, and returns all events.
pub fn converse<'p>(policy: Policy, pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<Said> {
    let mut connection = Connection::new(Arc::new(policy));
    let mut log = Vec::new();
    let mut pieces = pieces.into_iter();
    loop {
        match connection.poll_event() {
            HttpEvent::NeedInput => match pieces.next() {
                Some(piece) => connection.receive(piece),
                None => connection.input_ended(),
            },
            HttpEvent::Request(head) => log.push(said(&head)),
            HttpEvent::Body(data) => match log.last_mut() {
                Some(Said::Body(body)) => body.extend_from_slice(&data),
                _ => log.push(Said::Body(data.to_vec())),
            },
            HttpEvent::EndOfBody => log.push(Said::EndOfBody),
            HttpEvent::Paused => {
                connection
                    .start_response(200, None, [], &date())
                    .expect("nothing is wrong with it");
                connection
                    .body(b"", BodyEnd::Last)
                    .expect("nothing is wrong with it");
            }
            HttpEvent::Refused(refusal) => {
                log.push(Said::Refused(refusal));
                assert!(
                    connection
                        .refuse(refusal, &date())
                        .starts_with(b"HTTP/1.1 ")
                );
            }
            HttpEvent::Closed => {
                log.push(Said::Closed);
                return log;
            }
        }
    }
}
