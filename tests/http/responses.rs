//! What an app may answer, and how it is framed.

use rgun::http::{BodyEnd, ResponseError, ResponseState};

use crate::asking::*;
use crate::reader::{self, EndedBy};
use crate::support::*;

#[test]
fn a_whole_body_gets_its_length() {
    let response = answer(H11, 200, &[("content-type", "text/plain")], &[b"hello"]);
    assert_eq!(
        (response.body.as_slice(), response.ended_by),
        (&b"hello"[..], EndedBy::Length)
    );
    assert_eq!(
        response.names(),
        ["content-type", "date", "server", "content-length"]
    );
    assert_eq!(response.values("server"), ["rgun"]);
    assert_eq!(response.values("date"), ["Sun, 06 Nov 1994 08:49:37 GMT"]);
    assert_eq!(response.reason, "OK");
    assert_eq!(
        answer(H11, 200, &[], &[b""]).values("content-length"),
        ["0"]
    );
    let large = vec![b'x'; 100_000];
    assert_eq!(answer(H11, 200, &[], &[&large]).body, large);
}

#[test]
fn pieces_are_chunks() {
    let response = answer(H11, 200, &[], &[b"one", b"", b"two", b""]);
    assert_eq!(
        (response.body.as_slice(), response.ended_by),
        (&b"onetwo"[..], EndedBy::LastChunk)
    );
    let response = answer(H11, 200, &[], &[b"", b"last"]);
    assert_eq!(
        (response.body.as_slice(), response.ended_by),
        (&b"last"[..], EndedBy::LastChunk)
    );
    let large = vec![b'x'; 70_000];
    assert_eq!(answer(H11, 200, &[], &[&large, &large]).body.len(), 140_000);
}

#[test]
fn a_head_leaves_with_an_empty_first_piece() {
    let mut connection = asked(H11);
    connection.start_response(200, None, [], &date()).unwrap();
    let sent = connection.body(b"", BodyEnd::More).unwrap();
    assert!(sent.head.ends_with(b"transfer-encoding: chunked\r\n\r\n"));
    assert!(connection.body(b"", BodyEnd::More).unwrap().is_empty());
}

#[test]
fn a_declared_length_is_kept_in_its_place() {
    let response = answer(
        H11,
        200,
        &[("Content-Length", "6"), ("x", "y")],
        &[b"one", b"two"],
    );
    assert_eq!(response.names(), ["content-length", "x", "date", "server"]);
    assert_eq!(
        (response.body.as_slice(), response.ended_by),
        (&b"onetwo"[..], EndedBy::Length)
    );
    let twice = answer(
        H11,
        200,
        &[("content-length", "3"), ("content-length", "3")],
        &[b"one"],
    );
    assert_eq!(twice.values("content-length"), ["3"]);
}

#[test]
fn http_1_0() {
    let response = answer(H10, 200, &[], &[b"one", b"two"]);
    assert_eq!(
        (response.body.as_slice(), response.ended_by),
        (&b"onetwo"[..], EndedBy::Close)
    );
    assert_eq!(response.values("connection"), ["close"]);
    assert_eq!(answer(H10, 200, &[], &[b"one"]).ended_by, EndedBy::Length);
    assert_eq!(
        answer(H10_KEEP, 200, &[], &[b"one"]).values("connection"),
        ["keep-alive"]
    );
    // Without a length the connection cannot be kept, even if the client requested it.
    assert_eq!(
        answer(H10_KEEP, 200, &[], &[b"one", b"two"]).values("connection"),
        ["close"]
    );
}

#[test]
fn head_requests() {
    let own = answer(HEAD, 200, &[("content-length", "1000")], &[b""]);
    assert_eq!(
        (own.values("content-length"), own.body.len()),
        (vec!["1000"], 0)
    );
    assert_eq!(
        answer(HEAD, 200, &[("content-length", "3")], &[b"one"]).values("content-length"),
        ["3"]
    );
    assert_eq!(
        answer(HEAD, 200, &[], &[b"hello"]).values("content-length"),
        ["5"]
    );
    assert!(
        answer(HEAD, 200, &[], &[b""])
            .values("content-length")
            .is_empty()
    );
    assert!(
        answer(HEAD, 200, &[], &[b"one", b"two"])
            .values("content-length")
            .is_empty()
    );
    assert_eq!(
        answer(HEAD, 304, &[("content-length", "9")], &[b"x"]).values("content-length"),
        ["9"]
    );
    assert_eq!(
        answer("HEAD / HTTP/1.0\r\n", 200, &[], &[b"one", b"two"]).body,
        b""
    );
}

#[test]
fn statuses_without_a_body() {
    let none = answer(H11, 204, &[("content-length", "5")], &[b"hello"]);
    assert_eq!((none.names(), none.body.len()), (vec!["date", "server"], 0));
    assert_eq!(
        answer(H11, 304, &[("content-length", "5"), ("etag", "x")], &[b""])
            .values("content-length"),
        ["5"]
    );
    assert!(
        answer(H11, 304, &[], &[b"hello"])
            .values("content-length")
            .is_empty()
    );
    assert_eq!(
        answer(H11, 205, &[("content-length", "5")], &[b"hello"]).values("content-length"),
        ["0"]
    );
    assert!(
        answer(H11, 204, &[], &[b"a", b"b"])
            .values("transfer-encoding")
            .is_empty()
    );
}

#[test]
fn fields_of_ours() {
    let response = answer(
        H11,
        200,
        &[
            ("Set-Cookie", "a=1"),
            ("Transfer-Encoding", "gzip, chunked"),
            ("X-A", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Connection", "Keep-Alive, Upgrade"),
            ("Upgrade", "h2c"),
            ("Proxy-Connection", "keep-alive"),
            ("Date", "now"),
            ("Set-Cookie", "b=2"),
            ("Server", "mine"),
        ],
        &[b"one", b"two"],
    );
    assert_eq!(
        response.names(),
        [
            "set-cookie",
            "x-a",
            "date",
            "set-cookie",
            "server",
            "transfer-encoding"
        ]
    );
    assert_eq!(
        (response.values("date"), response.values("server")),
        (vec!["now"], vec!["mine"])
    );
    let only_server = answer(H11, 200, &[("SERVER", "mine")], &[b""]);
    assert_eq!(only_server.names(), ["server", "date", "content-length"]);
    let only_date = answer(H11, 200, &[("DATE", "now")], &[b""]);
    assert_eq!(only_date.names(), ["date", "server", "content-length"]);
}

#[test]
fn the_app_can_close() {
    for value in ["close", "Close", "x, CLOSE", "keep-alive, close"] {
        assert_eq!(
            answer(H11, 200, &[("connection", value)], &[b""]).values("connection"),
            ["close"]
        );
    }
    assert_eq!(
        answer(H10_KEEP, 200, &[("connection", "close")], &[b""]).values("connection"),
        ["close"]
    );
}

#[test]
fn upgrade_required() {
    let response = answer(H11, 426, &[("upgrade", "websocket")], &[b""]);
    assert_eq!(response.values("upgrade"), ["websocket"]);
    assert_eq!(response.values("connection"), ["upgrade"]);
    let mut connection = asked(H11);
    connection.set_close();
    let wire = wire(&mut connection, 426, &[], &[b""]);
    assert_eq!(
        reader::response(&wire, false).0.values("connection"),
        ["close, upgrade"]
    );
}

#[test]
fn reasons_and_unregistered_statuses() {
    let mut connection = asked(H11);
    connection
        .start_response(299, Some(b"Fine \xe9"), [], &date())
        .unwrap();
    assert!(
        connection
            .body(b"", BodyEnd::Last)
            .unwrap()
            .head
            .starts_with(b"HTTP/1.1 299 Fine \xe9\r\n")
    );
    assert_eq!(answer(H11, 599, &[], &[b""]).reason, "");
    assert_eq!(answer(H11, 999, &[], &[b"x"]).body, b"x");
}

#[test]
fn what_is_refused_in_a_head() {
    type E = ResponseError;
    let name = |name: &str| E::InvalidName(name.as_bytes().into());
    let value = |name: &str| E::InvalidValue(name.as_bytes().into());
    let length = |value: &str| E::InvalidContentLength(value.as_bytes().into());
    let cases: Vec<(u16, Fields<'_>, ResponseError)> = vec![
        (0, &[], E::InvalidStatus(0)),
        (99, &[], E::InvalidStatus(99)),
        (1000, &[], E::InvalidStatus(1000)),
        (100, &[], E::InformationalStatus(100)),
        (101, &[], E::InformationalStatus(101)),
        (103, &[], E::InformationalStatus(103)),
        (200, &[("", "x")], name("")),
        (200, &[(":status", "200")], name(":status")),
        (200, &[("a b", "x")], name("a b")),
        (200, &[("a\r\nb", "x")], name("a\r\nb")),
        (200, &[("a:", "x")], name("a:")),
        (200, &[("é", "x")], name("é")),
        (200, &[("a", "x\r\ny: z")], value("a")),
        (200, &[("a", "x\ny")], value("a")),
        (200, &[("a", "x\ry")], value("a")),
        (200, &[("a", "x\0")], value("a")),
        (
            200,
            &[("transfer-encoding", "x\r\n")],
            value("transfer-encoding"),
        ),
        (200, &[("content-length", "")], length("")),
        (200, &[("content-length", "-1")], length("-1")),
        (200, &[("content-length", "+1")], length("+1")),
        (200, &[("content-length", "1 1")], length("1 1")),
        (200, &[("content-length", "1, 1")], length("1, 1")),
        (
            200,
            &[("content-length", "99999999999999999999")],
            length("99999999999999999999"),
        ),
        (
            200,
            &[("content-length", "1"), ("content-length", "2")],
            length("2"),
        ),
        (204, &[("content-length", "x")], length("x")),
    ];
    for (status, fields, error) in cases {
        let mut connection = asked(H11);
        let got = connection.start_response(status, None, pairs(fields), &date());
        assert_eq!(got, Err(error.clone()), "{fields:?}");
        assert!(!error.to_string().is_empty());
        // Nothing is left of it: another response can take its place.
        assert_eq!(connection.response_state(), ResponseState::NotStarted);
        let wire = wire(&mut connection, 500, &[("x", "y")], &[b"sorry"]);
        let (response, rest) = reader::response(&wire, false);
        assert_eq!(
            (response.status, response.body.as_slice(), rest.len()),
            (500, &b"sorry"[..], 0)
        );
        assert_eq!(response.names(), ["x", "date", "server", "content-length"]);
    }
    for bad in [&b"a\r\nb"[..], b"a\0", b"\x7f"] {
        assert_eq!(
            asked(H11).start_response(200, Some(bad), [], &date()),
            Err(E::InvalidReason)
        );
    }
}

#[test]
fn an_unfinished_head_leaves_no_trace() {
    let mut connection = asked(H11);
    let date = date();
    let mut head = connection.begin_response(201, None, &date).unwrap();
    head.header(b"content-length", b"77").unwrap();
    drop(head);
    assert_eq!(
        (connection.response_state(), connection.response_status()),
        (ResponseState::NotStarted, 0)
    );
    let wire = wire(&mut connection, 200, &[], &[b"ok"]);
    assert_eq!(reader::response(&wire, false).0.body, b"ok");
}

#[test]
fn a_pending_head_can_be_replaced() {
    let mut connection = asked(H11);
    connection
        .start_response(
            200,
            None,
            pairs(&[("content-length", "9"), ("x", "y")]),
            &date(),
        )
        .unwrap();
    assert_eq!(connection.response_state(), ResponseState::HeadPending);
    assert_eq!(
        connection.start_response(500, None, [], &date()),
        Err(ResponseError::AlreadyStarted)
    );
    connection.reset_response().unwrap();
    let wire = wire(&mut connection, 500, &[], &[b"sorry"]);
    let (response, _) = reader::response(&wire, false);
    assert_eq!(
        (response.status, response.names()),
        (500, vec!["date", "server", "content-length"])
    );
    assert_eq!(connection.reset_response(), Err(ResponseError::HeadSent));
}
