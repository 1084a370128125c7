//! Request bodies: framing, pieces, sizes.

use std::sync::Arc;

use rgun::http::{BodyEnd, BodyFraming, Connection, HttpEvent, Policy, Refusal};

use crate::support::*;

/// The body, and how its end was reported.
fn body(fields: &str, bytes: &[u8]) -> (Vec<u8>, Option<Said>) {
    let log = converse(Policy::default(), [&with_fields(fields)[..], bytes]);
    let mut body = Vec::new();
    let mut end = None;
    for said in log {
        match said {
            Said::Body(data) => body.extend_from_slice(&data),
            said @ (Said::EndOfBody | Said::Refused(_)) => end = Some(said),
            Said::Request { .. } | Said::Closed => {}
        }
    }
    (body, end)
}

#[test]
fn framings() {
    for (fields, framing) in [
        ("", BodyFraming::None),
        ("Content-Length: 0\r\n", BodyFraming::None),
        ("Content-Length: 000\r\n", BodyFraming::None),
        ("Content-Length: 5\r\n", BodyFraming::Length(5)),
        ("Content-Length: 005\r\n", BodyFraming::Length(5)),
        ("Content-Length:\t5 \r\n", BodyFraming::Length(5)),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            BodyFraming::Length(5),
        ),
        (
            "Content-Length: 9223372036854775807\r\n",
            BodyFraming::Length(i64::MAX as u64),
        ),
        ("Transfer-Encoding: chunked\r\n", BodyFraming::Chunked),
        ("Transfer-Encoding:  CHUNKED\t\r\n", BodyFraming::Chunked),
        ("transfer-encoding:chunked\r\n", BodyFraming::Chunked),
    ] {
        let head = head(&with_fields(fields));
        assert_eq!(head.body_framing(), framing, "{fields}");
        assert_eq!(head.has_body(), framing != BodyFraming::None);
        assert_eq!(head.has_open_length(), framing == BodyFraming::Chunked);
    }
    assert_eq!(
        head(&with_fields("Content-Length: 5\r\nContent-Length: 5\r\n"))
            .headers()
            .len(),
        2
    );
}

#[test]
fn a_request_without_a_body_has_no_end_of_body() {
    let log = converse(
        Policy::default(),
        [&with_fields("Content-Length: 0\r\n")[..]],
    );
    assert!(matches!(log[..], [Said::Request { .. }, Said::Closed]));
}

#[test]
fn lengths() {
    let end = Some(Said::EndOfBody);
    assert_eq!(
        body("Content-Length: 5\r\n", b"hello"),
        (b"hello".to_vec(), end.clone())
    );
    let large = vec![b'x'; 300_000];
    assert_eq!(body("Content-Length: 300000\r\n", &large), (large, end));
    let cut = Some(Said::Refused(Refusal::TruncatedBody));
    assert_eq!(
        body("Content-Length: 6\r\n", b"hello"),
        (b"hello".to_vec(), cut)
    );
}

#[test]
fn chunks() {
    for bytes in [
        &b"5\r\nhello\r\n0\r\n\r\n"[..],
        b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n",
        b"5;name\r\nhello\r\n0;last\r\n\r\n",
        b"5;a=b;c=\"d;\\\"e\xff\" ; f\r\nhello\r\n0\r\n\r\n",
        b"5;a = b\r\nhello\r\n0\r\n\r\n",
        b"5 \t; a ;b\r\nhello\r\n0 ;c\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nEmpty:\r\n\r\n",
    ] {
        let got = body("Transfer-Encoding: chunked\r\n", bytes);
        assert_eq!(
            got,
            (b"hello".to_vec(), Some(Said::EndOfBody)),
            "{}",
            bytes.escape_ascii()
        );
    }
    assert_eq!(
        body(
            "Transfer-Encoding: chunked\r\n",
            b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"
        )
        .0
        .len(),
        20
    );
}

#[test]
fn a_piece_is_there_as_soon_as_its_bytes() {
    let mut connection = fed(&with_fields("Transfer-Encoding: chunked\r\n"));
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    for (bytes, piece) in [(&b"100\r\nab"[..], &b"ab"[..]), (b"cde", b"cde")] {
        connection.receive(bytes);
        let HttpEvent::Body(data) = connection.poll_event() else {
            panic!()
        };
        assert_eq!(data, piece);
        assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    }
}

#[test]
fn what_is_not_polled_stays_buffered() {
    let mut connection = fed(&[&with_fields("Content-Length: 5\r\n")[..], b"hello"].concat());
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    assert_eq!(connection.buffered(), 5);
}

fn limited(limit: u64, fields: &str, bytes: &[u8]) -> Vec<Said> {
    let policy = Policy {
        limit_request_body: Some(limit),
        ..Policy::default()
    };
    let bytes = [&with_fields(fields)[..], bytes].concat();
    let log = converse(policy.clone(), [&bytes[..]]);
    assert_eq!(log, converse(policy, bytes.chunks(1)));
    log
}

#[test]
fn body_limit() {
    let over = Said::Refused(Refusal::BodyTooLarge);
    assert!(limited(5, "Content-Length: 5\r\n", b"hello").contains(&Said::EndOfBody));
    assert_eq!(
        limited(5, "Content-Length: 6\r\n", b"hello!")[0],
        over,
        "the app is not called"
    );
    assert!(
        limited(
            5,
            "Transfer-Encoding: chunked\r\n",
            b"5\r\nhello\r\n0\r\n\r\n"
        )
        .contains(&Said::EndOfBody)
    );
    assert!(limited(5, "Transfer-Encoding: chunked\r\n", b"6\r\n").contains(&over));
    assert!(limited(5, "Transfer-Encoding: chunked\r\n", b"3\r\nhel\r\n3\r\n").contains(&over));
    let sizes = b"7fffffffffffffff\r\n";
    assert!(limited(5, "Transfer-Encoding: chunked\r\n", sizes).contains(&over));
}

#[test]
fn the_input_grows_for_a_large_body_and_shrinks_again() {
    let mut connection = Connection::new(Arc::new(Policy::default()));
    connection.receive(&with_fields("Content-Length: 1000000\r\n"));
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    let mut left = 1_000_000;
    let mut largest = 0;
    while left > 0 {
        let input = connection.input();
        let room = input.capacity() - input.len();
        largest = largest.max(room);
        let len = room.min(left);
        input.resize(input.len() + len, b'x');
        left -= len;
        while let HttpEvent::Body(_) = connection.poll_event() {}
    }
    assert!((60_000..200_000).contains(&largest), "{largest}");
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"", BodyEnd::Last).unwrap();
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    assert!(connection.input().capacity() < 20_000);
}
