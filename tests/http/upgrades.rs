//! Upgrades: what is handed over, what is denied, and what is none.

use rgun::http::{BodyEnd, HttpEvent, ResponseError, Upgrade};

use crate::asking::*;
use crate::reader;
use crate::support::*;

const WEBSOCKET: &str =
    "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n";

#[test]
fn an_upgrade_hands_over_what_was_read() {
    let mut connection = fed(&[&get("/ws", WEBSOCKET)[..], b"\x81\x05frame"].concat());
    let HttpEvent::Request(head) = connection.poll_event() else {
        panic!()
    };
    assert_eq!(head.upgrade(), Upgrade::WebSocket);
    assert!(matches!(connection.poll_event(), HttpEvent::Paused));
    let fields: [(&[u8], &[u8]); 3] = [
        (b"sec-websocket-accept", b"y"),
        (b"connection", b"close"),
        (b"content-length", b"5"),
    ];
    let wire = connection
        .switch_protocols(fields, &date())
        .unwrap()
        .to_vec();
    let (response, rest) = reader::response(&wire, false);
    assert_eq!((response.status, rest.len()), (101, 0));
    assert_eq!(
        response.names(),
        [
            "upgrade",
            "connection",
            "sec-websocket-accept",
            "date",
            "server"
        ]
    );
    assert_eq!(response.values("connection"), ["Upgrade"]);
    drop(head);
    assert_eq!(&connection.into_upgraded()[..], b"\x81\x05frame");
}

#[test]
fn an_upgrade_can_be_denied() {
    let mut connection = fed(&[&get("/ws", WEBSOCKET)[..], GET].concat());
    target(&mut connection);
    connection.start_response(403, None, [], &date()).unwrap();
    connection.body(b"", BodyEnd::Last).unwrap();
    assert_eq!(target(&mut connection), "/");
    assert_eq!(
        connection.switch_protocols([], &date()),
        Err(ResponseError::NoUpgrade)
    );
}

#[test]
fn what_is_no_upgrade() {
    for head in [
        get("/", "Upgrade: websocket\r\n"),
        get("/", "Connection: upgrade\r\n"),
        get("/", "Connection: upgrade\r\nUpgrade: h2c\r\n"),
        get("/", &format!("{WEBSOCKET}Content-Length: 5\r\n")),
        with_fields(WEBSOCKET),
        format!("GET / HTTP/1.0\r\n{WEBSOCKET}\r\n").into_bytes(),
    ] {
        let head = crate::support::head(&head);
        assert_eq!(head.upgrade(), Upgrade::None, "{head:?}");
    }
}
