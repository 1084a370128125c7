//! Heads that are accepted, and their meaning.

use rgun::http::{HttpEvent, KnownName, Method, Policy, Refusal, Upgrade, Version};

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
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    assert!(matches!(connection.poll_event(), HttpEvent::Paused));
    assert_eq!(connection.buffered(), GET.len());
    connection
        .start_response(200, None, [(&b"x"[..], &b"y"[..])], &date())
        .unwrap();
    let sent = connection.body(b"hi", rgun::http::BodyEnd::Last).unwrap();
    assert_eq!(
        std::str::from_utf8(sent.head).unwrap(),
        "HTTP/1.1 200 OK\r\nx: y\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: rgun\r\ncontent-length: 2\r\n\r\nhi"
    );
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
}

#[test]
fn methods() {
    for (text, method) in [
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("PATCH", Method::Patch),
        ("TRACE", Method::Trace),
        ("PROPFIND", Method::Other),
        ("M-SEARCH", Method::Other),
        ("GETS", Method::Other),
        ("X", Method::Other),
    ] {
        let head = head(format!("{text} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!((head.method(), head.known_method()), (text, method));
    }
}

#[test]
fn versions() {
    for (text, version) in [
        ("1.0", Version::Http10),
        ("1.1", Version::Http11),
        ("1.2", Version::Http11),
        ("1.9", Version::Http11),
    ] {
        let bytes = format!("GET / HTTP/{text}\r\nHost: a\r\n\r\n").into_bytes();
        assert_eq!(head(&bytes).version(), version);
        assert_eq!(
            converse(Policy::default(), [&bytes[..]]),
            converse(Policy::default(), bytes.chunks(1))
        );
    }
    // What is wrong behind a later version is still wrong.
    assert_eq!(
        refusal(b"GET / HTTP/1.2\r\nHost: a\r\nX y\r\n\r\n"),
        Refusal::BadField
    );
    assert_eq!(
        refusal(b"POST / HTTP/1.2\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n"),
        Refusal::BadTransferEncoding
    );
}

#[test]
fn http_1_0_needs_no_host() {
    let head = head(b"GET /x HTTP/1.0\r\n\r\n");
    assert_eq!((head.headers().len(), head.keep_alive()), (0, false));
}

#[test]
fn an_empty_line_in_front_is_tolerated() {
    assert_eq!(
        head(b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n").target_path(),
        b"/x"
    );
    let bytes = b"\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /y HTTP/1.1\r\nHost: a\r\n\r\n\r\n";
    let log = converse(Policy::default(), [&bytes[..]]);
    assert!(
        matches!(
            log[..],
            [Said::Request { .. }, Said::Request { .. }, Said::Closed]
        ),
        "{log:?}"
    );
    assert_eq!(log, converse(Policy::default(), bytes.chunks(1)));
}

#[test]
fn the_authority_of_a_target_takes_the_place_of_host() {
    let fields = |bytes: &[u8]| {
        let head = head(bytes);
        let fields: Vec<_> = head
            .headers()
            .map(|field| {
                format!(
                    "{}={}",
                    field.name.escape_ascii(),
                    field.value.escape_ascii()
                )
            })
            .collect();
        (
            head.target_path().to_vec(),
            head.query().to_vec(),
            fields.join(" "),
        )
    };
    assert_eq!(
        fields(b"GET http://real:81/p?q HTTP/1.1\r\nX: y\r\nHost: other\r\nZ: w\r\n\r\n"),
        (
            b"/p".to_vec(),
            b"q".to_vec(),
            "x=y host=real:81 z=w".to_owned()
        )
    );
    assert_eq!(
        fields(b"GET http://real HTTP/1.0\r\nX: y\r\n\r\n"),
        (b"/".to_vec(), b"".to_vec(), "host=real x=y".to_owned())
    );
    assert_eq!(
        fields(b"GET http://real?a HTTP/1.1\r\nHost:\r\n\r\n").2,
        "host=real"
    );
    assert_eq!(
        head(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target_path(),
        b"*"
    );
}

#[test]
fn values_are_bytes() {
    let head = head(b"GET / HTTP/1.1\r\nHost: a\r\nX: caf\xe9 \xc3\xa9\ta\"b,c;d\r\n\r\n");
    assert_eq!(
        head.headers().last().unwrap().value,
        b"caf\xe9 \xc3\xa9\ta\"b,c;d"
    );
}

#[test]
fn an_incomplete_head_waits() {
    let bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for end in 0..bytes.len() {
        assert!(
            matches!(first(&bytes[..end]), HttpEvent::NeedInput),
            "{end}"
        );
    }
}

/// A client of another protocol may send only one line and wait.
#[test]
fn a_wrong_request_line_is_refused_before_the_rest() {
    for (line, refused) in [
        (&b"GET /\r\n"[..], Refusal::BadRequestLine),
        (b"EHLO mail.example\r\n", Refusal::BadRequestLine),
        (b"GET / HTTP/9.1\r\n", Refusal::UnsupportedVersion),
        (b"G(T / HTTP/1.1\r\n", Refusal::BadMethod),
        (b"GET /\x01 HTTP/1.1\r\n", Refusal::BadTarget),
    ] {
        assert_eq!(refusal(line), refused, "{}", line.escape_ascii());
    }
    for line in [&b"GET / HTTP/1.1\r\n"[..], b"GET / HTTP/1.7\r\nA"] {
        assert!(matches!(first(line), HttpEvent::NeedInput));
    }
}

#[test]
fn trailers_are_welcome() {
    let te = |fields: &str| head(&with_fields(fields)).te_trailers();
    assert!(te("TE: trailers\r\n") && te("TE: deflate\r\nTE: gzip;q=0.5, TRAILERS\r\n"));
    assert!(!te("") && !te("TE: trailersx\r\n"));
}
