//! Heads that are accepted, and what they say.

use rgun::http::{Event, KnownName, Method, Upgrade, Version};

use crate::support::*;

#[test]
fn a_request_is_read() {
    let head = head(b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: example.com:80\r\nX-Thing:  one \r\nAccept: */*\r\nx-thing:\ttwo\t\r\nEmpty:\r\n\r\n");
    assert_eq!((head.method(), head.known_method()), ("GET", Method::Get));
    assert_eq!(
        (head.target_path(), head.query()),
        (&b"/a%20b"[..], &b"x=1&y"[..])
    );
    assert_eq!(head.target(), b"/a%20b?x=1&y");
    assert_eq!(head.version(), Version::Http11);
    let fields: Vec<_> = head
        .headers()
        .map(|field| (field.name, field.value))
        .collect();
    assert_eq!(
        fields,
        [
            (&b"host"[..], &b"example.com:80"[..]),
            (b"x-thing", b"one"),
            (b"accept", b"*/*"),
            (b"x-thing", b"two"),
            (b"empty", b""),
        ]
    );
    assert_eq!(head.headers().next().unwrap().known, Some(KnownName::Host));
    assert_eq!(head.header(KnownName::Accept), Some(&b"*/*"[..]));
    assert_eq!(head.header(KnownName::Cookie), None);
    assert!(!head.has_body() && head.keep_alive() && head.upgrade() == Upgrade::None);
}

#[test]
fn a_connection_pauses_until_the_answer() {
    let mut connection = fed(&[GET, GET].concat());
    assert!(matches!(connection.poll_event(), Event::Request(_)));
    assert!(matches!(connection.poll_event(), Event::Paused));
    assert_eq!(connection.buffered(), GET.len());
    connection
        .start_response(200, None, [(&b"x"[..], &b"y"[..])], &date())
        .unwrap();
    let sent = connection.body(b"hi", rgun::http::BodyEnd::Last).unwrap();
    assert_eq!(
        std::str::from_utf8(sent.head).unwrap(),
        "HTTP/1.1 200 OK\r\nx: y\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: rgun\r\ncontent-length: 2\r\n\r\nhi"
    );
    assert!(matches!(connection.poll_event(), Event::Request(_)));
}
