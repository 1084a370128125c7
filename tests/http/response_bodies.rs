//! How long a body may be, what follows it, and what comes before the response.

use rgun::http::{BodyEnd, ResponseError, ResponseState};

use crate::asking::*;
use crate::reader::{self, EndedBy};
use crate::support::*;

#[test]
fn more_than_declared_is_never_sent() {
    for pieces in [
        vec![(&b"hello world"[..], BodyEnd::Last)],
        vec![(b"hel", BodyEnd::More), (b"lo world", BodyEnd::More)],
    ] {
        let mut connection = asked(H11);
        connection
            .start_response(200, None, pairs(&[("content-length", "5")]), &date())
            .unwrap();
        let mut wire = Vec::new();
        let mut excess = 0;
        for (piece, end) in pieces {
            let sent = connection.body(piece, end).unwrap();
            excess = sent.excess;
            collect(&mut wire, sent);
        }
        assert_eq!(excess, 6);
        let (response, rest) = reader::response(&wire, false);
        assert_eq!((response.body.as_slice(), rest.len()), (&b"hello"[..], 0));
        assert_eq!(connection.response_state(), ResponseState::Complete);
        assert_eq!(
            connection.body(b"x", BodyEnd::Last),
            Err(ResponseError::AlreadyComplete)
        );
        assert!(connection.is_keep_alive());
    }
}

#[test]
fn less_than_declared_is_an_error() {
    let mut connection = asked(H11);
    connection
        .start_response(200, None, pairs(&[("content-length", "5")]), &date())
        .unwrap();
    let short = Err(ResponseError::TooShort { missing: 2 });
    assert_eq!(connection.body(b"abc", BodyEnd::Last), short);
    // Nothing has left: a 500 can still be sent.
    assert_eq!(connection.response_state(), ResponseState::HeadPending);
    connection.reset_response().unwrap();
    connection
        .start_response(200, None, pairs(&[("content-length", "5")]), &date())
        .unwrap();
    connection.body(b"ab", BodyEnd::More).unwrap();
    assert_eq!(connection.body(b"c", BodyEnd::Last), short);
    assert_eq!(connection.response_state(), ResponseState::Aborted);
    assert!(!connection.is_keep_alive());
    assert_eq!(
        connection.body(b"de", BodyEnd::Last),
        Err(ResponseError::Aborted)
    );
    assert!(matches!(
        connection.poll_event(),
        rgun::http::HttpEvent::Closed
    ));
}

#[test]
fn calls_out_of_order() {
    let mut connection = connection();
    assert_eq!(
        connection.start_response(200, None, [], &date()),
        Err(ResponseError::NoRequest)
    );
    assert_eq!(
        connection.body(b"x", BodyEnd::Last),
        Err(ResponseError::NotStarted)
    );
    let mut connection = asked(H11);
    assert_eq!(
        connection.body(b"x", BodyEnd::Last),
        Err(ResponseError::NotStarted)
    );
    assert_eq!(connection.trailers([]), Err(ResponseError::NotStarted));
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"x", BodyEnd::More).unwrap();
    assert_eq!(
        connection.start_response(200, None, [], &date()),
        Err(ResponseError::AlreadyStarted)
    );
    assert_eq!(
        connection.informational(103, []),
        Err(ResponseError::HeadSent)
    );
    connection.body(b"x", BodyEnd::Last).unwrap();
    assert_eq!(
        connection.body(b"x", BodyEnd::Last),
        Err(ResponseError::AlreadyComplete)
    );
    assert_eq!(
        connection.start_response(200, None, [], &date()),
        Err(ResponseError::AlreadyComplete)
    );
    assert_eq!(
        connection.informational(103, []),
        Err(ResponseError::AlreadyComplete)
    );
}

#[test]
fn raw_bodies() {
    let raw = |request: &str, fields: Fields<'_>, pieces: &[u64]| {
        let mut connection = asked(request);
        connection
            .start_response(200, None, pairs(fields), &date())
            .unwrap();
        let mut wire = Vec::new();
        for (index, &len) in pieces.iter().enumerate() {
            let end = if index + 1 == pieces.len() {
                BodyEnd::Last
            } else {
                BodyEnd::More
            };
            let sent = connection.raw_body(len, end).unwrap();
            wire.extend_from_slice(sent.prefix);
            wire.extend(std::iter::repeat_n(
                b'f',
                usize::try_from(sent.len).unwrap(),
            ));
            wire.extend_from_slice(sent.suffix);
            assert_eq!(
                sent.excess,
                if index == 0 {
                    len.saturating_sub(1000).min(len - sent.len)
                } else {
                    0
                }
            );
        }
        let (response, rest) = reader::response(&wire, request.starts_with("HEAD"));
        assert!(rest.is_empty());
        (
            response.body.len(),
            response.ended_by,
            response.values("content-length").join(","),
        )
    };
    assert_eq!(raw(H11, &[], &[300]), (300, EndedBy::Length, "300".into()));
    assert_eq!(
        raw(H11, &[], &[300, 0, 40]),
        (340, EndedBy::LastChunk, String::new())
    );
    assert_eq!(
        raw(H10, &[], &[300, 40]),
        (340, EndedBy::Close, String::new())
    );
    assert_eq!(
        raw(H11, &[("content-length", "1000")], &[1001]),
        (1000, EndedBy::Length, "1000".into())
    );
    assert_eq!(raw(HEAD, &[], &[300]), (0, EndedBy::Head, "300".into()));
}

#[test]
fn trailers() {
    let te = "GET / HTTP/1.1\r\nHost: a\r\nTE: deflate, Trailers\r\nConnection: TE\r\n";
    let run = |request: &str, fields: Fields<'_>, pieces: &[&[u8]]| {
        let mut connection = asked(request);
        connection
            .start_response(200, None, pairs(fields), &date())
            .unwrap();
        let mut wire = Vec::new();
        for (index, piece) in pieces.iter().enumerate() {
            let end = if index + 1 == pieces.len() {
                BodyEnd::Trailers
            } else {
                BodyEnd::More
            };
            collect(&mut wire, connection.body(piece, end).unwrap());
        }
        assert_eq!(
            connection.body(b"x", BodyEnd::Last),
            Err(ResponseError::AlreadyComplete)
        );
        collect(
            &mut wire,
            connection
                .trailers(pairs(&[("x-sum", "1"), ("x-more", "2")]))
                .unwrap(),
        );
        assert_eq!(connection.response_state(), ResponseState::Complete);
        let (response, rest) = reader::response(&wire, request.starts_with("HEAD"));
        assert!(rest.is_empty());
        (
            String::from_utf8(response.body).unwrap(),
            response.ended_by,
            response.trailers.len(),
        )
    };
    assert_eq!(
        run(te, &[], &[b"whole"]),
        ("whole".into(), EndedBy::LastChunk, 2)
    );
    assert_eq!(
        run(te, &[], &[b"a", b"b", b""]),
        ("ab".into(), EndedBy::LastChunk, 2)
    );
    assert_eq!(
        run(te, &[("content-length", "5")], &[b"whole"]),
        ("whole".into(), EndedBy::Length, 0)
    );
    assert_eq!(
        run(H11, &[], &[b"whole"]),
        ("whole".into(), EndedBy::Length, 0)
    );
    assert_eq!(
        run(H11, &[], &[b"a", b"b"]),
        ("ab".into(), EndedBy::LastChunk, 0)
    );
    assert_eq!(
        run(H10, &[], &[b"a", b"b"]),
        ("ab".into(), EndedBy::Close, 0)
    );
    assert_eq!(
        run(
            "HEAD / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n",
            &[],
            &[b"a"]
        ),
        (String::new(), EndedBy::Head, 0)
    );

    let mut connection = asked(te);
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"x", BodyEnd::Trailers).unwrap();
    for (bad, error) in [
        (
            ("Content-Length", "5"),
            ResponseError::ForbiddenTrailer(b"Content-Length"[..].into()),
        ),
        (("a b", "5"), ResponseError::InvalidName(b"a b"[..].into())),
        (("a", "5\n"), ResponseError::InvalidValue(b"a"[..].into())),
    ] {
        assert_eq!(connection.trailers(pairs(&[bad])), Err(error));
    }
    assert_eq!(connection.trailers([]).unwrap().head, b"0\r\n\r\n");
}

#[test]
fn informational_responses() {
    let mut connection = asked(H11);
    let links: Fields<'_> = &[
        ("link", "</a.css>; rel=preload"),
        ("content-length", "5"),
        ("Link", "</b.js>"),
    ];
    let before = connection
        .informational(103, pairs(links))
        .unwrap()
        .to_vec();
    assert_eq!(
        before,
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nLink: </b.js>\r\n\r\n"
    );
    // Also between the head and the first piece of the body, as ASGI's early hints come.
    connection.start_response(200, None, [], &date()).unwrap();
    assert_eq!(connection.informational(103, pairs(links)).unwrap(), before);
    assert!(
        connection
            .body(b"x", BodyEnd::Last)
            .unwrap()
            .head
            .starts_with(b"HTTP/1.1 200 OK\r\n")
    );

    let mut connection = asked(H11);
    assert_eq!(
        connection.informational(200, []),
        Err(ResponseError::InvalidStatus(200))
    );
    assert_eq!(
        connection.informational(101, []),
        Err(ResponseError::InvalidStatus(101))
    );
    let bad: Fields<'_> = &[("a", "b\r\n")];
    assert_eq!(
        connection.informational(103, pairs(bad)),
        Err(ResponseError::InvalidValue(b"a"[..].into()))
    );
    assert_eq!(asked(H10).informational(103, pairs(links)).unwrap(), b"");
}
