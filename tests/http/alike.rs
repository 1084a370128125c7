//! An accepted head as other readers see it: httparse, and our own strict one. The property test and the fuzz target
//! ask it.

use httparse::{EMPTY_HEADER, Status};
use rgun::http::{HttpEvent, RequestHead};

use crate::reader::{self, Fields};
use crate::support::{fed, said};

/// `bytes` begin with the head. Under the default policy nothing but what it drops or replaces may differ, and
/// written again from what the app sees, the request is read alike.
pub fn assert_read_alike(head: &RequestHead, bytes: &[u8]) {
    let raw = &bytes[..head.size()];
    let line = raw
        .windows(2)
        .position(|two| two == b"\r\n")
        .expect("a request line")
        + 2;
    let (fields, rest) = reader::fields(&raw[line..]);
    assert!(rest.is_empty());
    let absolute = !head.target().starts_with(b"/") && head.target() != b"*";
    let hidden = |name: &str| name.contains('_') || absolute && name == "host";
    let mut lengths = 0;
    let theirs: Fields = fields
        .into_iter()
        .filter(|(name, _)| {
            lengths += usize::from(name == "content-length");
            !hidden(name) && (name != "content-length" || lengths == 1)
        })
        .collect();
    let ours: Fields = head
        .headers()
        .map(|field| {
            (
                String::from_utf8(field.name.to_vec()).expect("a token"),
                field.value.to_vec(),
            )
        })
        .filter(|(name, _)| !hidden(name))
        .collect();
    assert_eq!(ours, theirs);
    assert_written_alike(head);
}

fn assert_written_alike(head: &RequestHead) {
    let mut again = [head.method().as_bytes(), b" ", head.target_path()].concat();
    if !head.query().is_empty() {
        again.push(b'?');
        again.extend_from_slice(head.query());
    }
    again.extend_from_slice(format!(" HTTP/{}\r\n", head.version().as_str()).as_bytes());
    for field in head.headers() {
        again.extend_from_slice(&[field.name, b": ", field.value, b"\r\n"].concat());
    }
    again.extend_from_slice(b"\r\n");
    let mut slots = [EMPTY_HEADER; 101];
    let mut second = httparse::Request::new(&mut slots);
    assert_eq!(second.parse(&again), Ok(Status::Complete(again.len())));
    assert_eq!(second.method, Some(head.method()));
    let theirs = second
        .headers
        .iter()
        .map(|header| (header.name.as_bytes(), header.value));
    assert!(theirs.eq(head.headers().map(|field| (field.name, field.value))));
    match fed(&again).poll_event() {
        HttpEvent::Request(second) => {
            assert_eq!(said(&second), said(head));
            assert_eq!(second.body_framing(), head.body_framing());
        }
        // The authority and the fields together may pass a limit that neither passed.
        other => assert!(again.len() > 8000, "{other:?}"),
    }
}
