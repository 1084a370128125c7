//! The life of a connection: order, keep-alive, expectations, unread bodies, half-close, refusals.

use std::sync::Arc;

use rgun::http::{
    BodyEnd, Connection, DISCARD_LIMIT, HttpEvent, KeepAlive, Policy, Refusal, ResponseError,
    ResponseState,
};

use crate::asking::*;
use crate::reader;
use crate::support::*;

fn post(length: usize) -> Vec<u8> {
    with_fields(&format!("Content-Length: {length}\r\n"))
}

#[test]
fn pipelined_requests_come_one_at_a_time_in_order() {
    let mut connection = fed(&[
        get("/1", ""),
        b"\r\n".to_vec(),
        get("/2", ""),
        get("/3", ""),
    ]
    .concat());
    for path in ["/1", "/2", "/3"] {
        assert_eq!(target(&mut connection), path);
        assert!(matches!(connection.poll_event(), HttpEvent::Paused));
        assert_eq!(answer_ok(&mut connection), "");
    }
    assert!(!connection.is_idle());
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    assert!(connection.is_idle());
    connection.release_buffers();
    connection.receive(GET);
    assert_eq!(target(&mut connection), "/");
}

#[test]
fn who_keeps_the_connection() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "close",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: TE,\tClOsE ,x\r\n\r\n",
            "close",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
            "close",
        ),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n",
            "",
        ),
        ("GET / HTTP/1.7\r\nHost: a\r\n\r\n", ""),
        ("GET / HTTP/1.0\r\n\r\n", "close"),
        (
            "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            "keep-alive",
        ),
        (
            "GET / HTTP/1.0\r\nConnection: x\r\nConnection: y, keep-alive\r\n\r\n",
            "keep-alive",
        ),
        (
            "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
            "close",
        ),
    ] {
        let mut connection = fed(&[head.as_bytes(), GET].concat());
        target(&mut connection);
        assert_eq!(answer_ok(&mut connection), expected, "{head}");
        assert_eq!(
            matches!(connection.poll_event(), HttpEvent::Request(_)),
            expected != "close",
            "{head}"
        );
    }
    let off = Policy {
        keep_alive: KeepAlive::Off,
        ..Policy::default()
    };
    let mut connection = Connection::new(Arc::new(off));
    connection.receive(GET);
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "close");
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));
}

#[test]
fn draining() {
    // The pending response announces it, and nothing is read after it.
    let mut connection = fed(&[GET, GET].concat());
    target(&mut connection);
    connection.set_close();
    assert_eq!(answer_ok(&mut connection), "close");
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));
    // An idle connection answers one more.
    let mut connection = fed(GET);
    target(&mut connection);
    answer_ok(&mut connection);
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    connection.set_close();
    connection.receive(GET);
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "close");
    // A head that was already sent promised to keep the connection: the next response announces the close.
    let mut connection = fed(&[GET, GET].concat());
    target(&mut connection);
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"x", BodyEnd::More).unwrap();
    connection.set_close();
    connection.body(b"", BodyEnd::Last).unwrap();
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "close");
}

#[test]
fn expectations() {
    let expecting = with_fields("Content-Length: 5\r\nExpect: 100-Continue\r\n");
    let mut connection = fed(&expecting);
    target(&mut connection);
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    assert_eq!(
        connection.continue_100(),
        Some(&b"HTTP/1.1 100 Continue\r\n\r\n"[..])
    );
    assert_eq!(connection.continue_100(), None);
    connection.receive(b"hello");
    assert!(matches!(connection.poll_event(), HttpEvent::Body(_)));
    assert!(matches!(connection.poll_event(), HttpEvent::EndOfBody));
    assert_eq!(answer_ok(&mut connection), "");

    // The body came without waiting.
    let mut connection = fed(&[&expecting[..], b"hello", GET].concat());
    target(&mut connection);
    assert_eq!(connection.continue_100(), None);
    assert!(matches!(connection.poll_event(), HttpEvent::Body(_)));

    let mut connection = fed(&[&expecting[..], b"hello"].concat());
    target(&mut connection);
    assert!(matches!(connection.poll_event(), HttpEvent::Body(_)));
    assert_eq!(answer_ok(&mut connection), "", "the body is there");

    // No 100 Continue was sent: the next bytes could be the body or a request.
    let mut connection = fed(&expecting);
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "close");
    assert_eq!(connection.continue_100(), None);
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));

    // No body, or a client that does not know 100 Continue.
    for head in [
        &with_fields("Expect: 100-continue\r\n")[..],
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/1.0\r\nExpect: whatever\r\nContent-Length: 5\r\n\r\n",
    ] {
        let mut connection = fed(head);
        target(&mut connection);
        assert_eq!(connection.continue_100(), None);
    }
}

#[test]
fn a_short_unread_body_is_read_over() {
    let mut connection = fed(&[&post(1000)[..], &[b'x'; 400]].concat());
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "");
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    assert_eq!(connection.buffered(), 0);
    connection.receive(&[b'x'; 600]);
    connection.receive(GET);
    assert!(matches!(connection.poll_event(), HttpEvent::EndOfBody));
    assert_eq!(target(&mut connection), "/");

    let mut connection = fed(&[
        &with_fields("Transfer-Encoding: chunked\r\n")[..],
        b"5\r\nhello\r\n0\r\n\r\n",
        GET,
    ]
    .concat());
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "");
    assert!(matches!(connection.poll_event(), HttpEvent::EndOfBody));
    assert_eq!(target(&mut connection), "/");
}

/// The bound is each body's own.
#[test]
fn many_unread_bodies() {
    let length = usize::try_from(DISCARD_LIMIT).unwrap() / 2;
    let mut connection = connection();
    for _ in 0..10 {
        connection.receive(&post(length));
        target(&mut connection);
        assert_eq!(answer_ok(&mut connection), "");
        assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
        connection.receive(&vec![b'x'; length / 2]);
        assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
        assert!(!connection.is_idle());
        connection.receive(&vec![b'x'; length / 2]);
        assert!(matches!(connection.poll_event(), HttpEvent::EndOfBody));
        assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
        assert!(connection.is_idle());
    }
}

#[test]
fn a_long_unread_body_closes() {
    let limit = usize::try_from(DISCARD_LIMIT).unwrap();
    let mut connection = fed(&post(limit + 1));
    target(&mut connection);
    assert_eq!(
        answer_ok(&mut connection),
        "close",
        "known before the answer"
    );
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));

    let mut connection = fed(&with_fields("Transfer-Encoding: chunked\r\n"));
    target(&mut connection);
    assert_eq!(answer_ok(&mut connection), "", "not known yet");
    let mut closed = false;
    for _ in 0..limit / 1000 + 2 {
        connection.receive(b"3e8\r\n");
        connection.receive(&[b'x'; 1000]);
        connection.receive(b"\r\n");
        match connection.poll_event() {
            HttpEvent::NeedInput => assert!(!closed),
            HttpEvent::Closed => closed = true,
            other => panic!("{other:?}"),
        }
    }
    assert!(closed && !connection.is_keep_alive());
}

/// A wrong body behind a complete answer closes without a second answer, which the client would take for the next one.
#[test]
fn a_malformed_unread_body_is_not_answered_again() {
    let mut connection = fed(&[
        &with_fields("Transfer-Encoding: chunked\r\n")[..],
        b"zz\r\n",
    ]
    .concat());
    target(&mut connection);
    answer_ok(&mut connection);
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));
    assert_eq!(connection.refuse(Refusal::BadChunk, &date()), b"");

    let mut connection = fed(&post(1000));
    target(&mut connection);
    answer_ok(&mut connection);
    connection.input_ended();
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let mut connection = fed(&[get("/1", ""), get("/2", "")].concat());
    connection.input_ended();
    assert_eq!(target(&mut connection), "/1");
    assert_eq!(answer_ok(&mut connection), "");
    assert_eq!(target(&mut connection), "/2");
    assert_eq!(answer_ok(&mut connection), "close", "nothing can follow");
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));

    let mut connection = fed(&[&post(5)[..], b"hello"].concat());
    connection.input_ended();
    target(&mut connection);
    assert!(matches!(connection.poll_event(), HttpEvent::Body(_)));
    assert!(matches!(connection.poll_event(), HttpEvent::EndOfBody));
    assert!(matches!(connection.poll_event(), HttpEvent::Paused));
    assert_eq!(answer_ok(&mut connection), "close");
}

#[test]
fn an_end_at_the_wrong_place() {
    for bytes in [&b""[..], b"\r", b"\r\n"] {
        let mut connection = fed(bytes);
        connection.input_ended();
        assert!(matches!(connection.poll_event(), HttpEvent::Closed));
    }
    let mut connection = fed(b"GET / HT");
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    connection.input_ended();
    assert!(matches!(
        connection.poll_event(),
        HttpEvent::Refused(Refusal::TruncatedHead)
    ));
    for body in [
        &b""[..],
        b"5\r\nhe",
        b"5\r\nhello\r\n",
        b"5\r\nhello\r\n0\r\n",
        b"5\r\nhello\r\n0\r\nA: b\r\n",
    ] {
        let mut connection =
            fed(&[&with_fields("Transfer-Encoding: chunked\r\n")[..], body].concat());
        target(&mut connection);
        connection.input_ended();
        loop {
            match connection.poll_event() {
                HttpEvent::Body(_) => {}
                HttpEvent::Refused(refusal) => {
                    assert_eq!(refusal, Refusal::TruncatedBody);
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(connection.poll_event(), HttpEvent::Closed));
    }
}

#[test]
fn refusals_are_answered() {
    for refusal in [
        Refusal::BadTarget,
        Refusal::HeadTimeout,
        Refusal::Overloaded,
        Refusal::AppFailed,
    ] {
        let mut connection = connection();
        let wire = connection.refuse(refusal, &date()).to_vec();
        let (response, rest) = reader::response(&wire, false);
        assert_eq!((response.status, rest.len()), (refusal.status(), 0));
        assert_eq!(response.values("connection"), ["close"]);
        assert_eq!(response.values("server"), ["rgun"]);
        assert_eq!(response.values("date").len(), 1);
        assert_eq!(
            !response.values("retry-after").is_empty(),
            refusal == Refusal::Overloaded
        );
        assert_eq!(connection.response_status(), refusal.status());
        assert_eq!(connection.response_body_len(), response.body.len() as u64);
        let body = String::from_utf8(response.body).unwrap();
        assert_eq!(
            body.contains(refusal.reason()),
            refusal != Refusal::AppFailed,
            "{body}"
        );
        assert!(matches!(connection.poll_event(), HttpEvent::Closed));
        assert_eq!(connection.refuse(refusal, &date()), b"", "once");
    }
}

#[test]
fn a_refused_head_request_has_no_body() {
    for bytes in [
        &b"HEAD / HTTP/1.1\r\n\r\n"[..],
        b"HEAD /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut connection = fed(bytes);
        let HttpEvent::Refused(refusal) = connection.poll_event() else {
            panic!()
        };
        let wire = connection.refuse(refusal, &date());
        assert!(wire.ends_with(b"\r\n\r\n"), "{}", wire.escape_ascii());
    }
    let mut connection = fed(b"HEAD / HTTP/1.1\r\n");
    assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    assert!(
        connection
            .refuse(Refusal::HeadTimeout, &date())
            .ends_with(b"\r\n\r\n")
    );
}

#[test]
fn a_refusal_takes_the_place_of_what_has_not_left() {
    let mut connection = fed(&with_fields("Transfer-Encoding: chunked\r\n"));
    target(&mut connection);
    connection
        .start_response(200, None, [(&b"x"[..], &b"y"[..])], &date())
        .unwrap();
    connection.receive(b"bad\n");
    assert!(matches!(
        connection.poll_event(),
        HttpEvent::Refused(Refusal::BareLineFeed)
    ));
    let wire = connection.refuse(Refusal::BareLineFeed, &date()).to_vec();
    let (response, _) = reader::response(&wire, false);
    assert_eq!((response.status, response.values("x").len()), (400, 0));

    let mut connection = fed(&with_fields("Transfer-Encoding: chunked\r\n"));
    target(&mut connection);
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"part", BodyEnd::More).unwrap();
    connection.receive(b"bad\n");
    assert!(matches!(
        connection.poll_event(),
        HttpEvent::Refused(Refusal::BareLineFeed)
    ));
    assert_eq!(connection.refuse(Refusal::BareLineFeed, &date()), b"");
    assert_eq!(connection.response_state(), ResponseState::Aborted);
    assert_eq!(
        connection.body(b"", BodyEnd::Last),
        Err(ResponseError::Aborted)
    );
}

#[test]
fn an_aborted_response_closes() {
    let mut connection = fed(&[GET, GET].concat());
    target(&mut connection);
    connection.start_response(200, None, [], &date()).unwrap();
    connection.body(b"part", BodyEnd::More).unwrap();
    connection.abort();
    assert!(!connection.is_keep_alive());
    assert!(matches!(connection.poll_event(), HttpEvent::Closed));
}

#[test]
fn reading_in_place() {
    let mut connection = connection();
    for _ in 0..100 {
        let input = connection.input();
        assert!(input.capacity() > input.len());
        input.extend_from_slice(GET);
        let HttpEvent::Request(head) = connection.poll_event() else {
            panic!()
        };
        assert_eq!(head.size(), GET.len());
        connection.recycle(head);
        assert_eq!(answer_ok(&mut connection), "");
        assert!(matches!(connection.poll_event(), HttpEvent::NeedInput));
    }
}
