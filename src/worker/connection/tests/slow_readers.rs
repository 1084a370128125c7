//! Clients that read slowly, and what their connections wait for meanwhile: a client that takes bytes is alive, and nothing that the
//! kernel still holds for it may be lost.

use bytes::Bytes;

use super::floods::open_websocket;
use super::reading::responses;
use super::stories::{GET, everything};
use super::world::{Client, World, answer};
use crate::websocket::MessageKind;
use crate::worker::connection::ConnectionMode;
use crate::worker::transport::ClientView;

/// A kernel that takes the whole response at once.
const ROOM: usize = 2_000_000;
const BODY: usize = 1_000_000;

/// Reads 50 kB a second, until `bytes` have come or nothing does any more.
fn read_slowly(world: &mut World, client: &Client, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        let piece = client.far.take(50_000);
        if piece.is_empty() {
            break;
        }
        read.extend(piece);
        world.pass(1_000);
    }
    read
}

#[test]
fn a_closed_connection_waits_until_its_client_has_read_everything() {
    let mut world = World::new();
    let client = world.connect(ROOM);
    // It uploads, and the app does not read it.
    client.far.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10000000\r\n\r\n",
    );
    world.settle();
    answer(&world.request(), &vec![b'x'; BODY]).expect("a client");
    world.pass(500);
    client.far.send(&[b'y'; 1000]);
    let read = read_slowly(&mut world, &client, BODY);
    let found = responses(&[read, everything(&client.far)].concat());
    assert!(found[0].is_whole(), "{} bytes", found[0].body.len());
    client.far.send(&[b'y'; 1000]);
    world.settle();
    assert_eq!(client.far.seen(), ClientView::Ended, "not reset");
    assert!(!client.far.is_closed());
    world.pass(5_000);
    assert!(
        client.far.is_closed(),
        "it has everything, and does not end"
    );
}

#[test]
fn the_rest_of_a_body_is_discarded_while_the_client_reads_the_response() {
    let mut world = World::new();
    let client = world.connect(ROOM);
    client
        .far
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
    world.settle();
    answer(&world.request(), &vec![b'x'; BODY]).expect("a client");
    let read = read_slowly(&mut world, &client, BODY);
    let found = responses(&[read, everything(&client.far)].concat());
    assert!(found[0].is_whole(), "{} bytes", found[0].body.len());
    assert!(matches!(client.mode(), ConnectionMode::Discard(_)));
    client.far.send(&vec![b'y'; 50_000]);
    client.far.send(GET);
    world.settle();
    answer(&world.request(), b"next").expect("the connection goes on");
}

#[test]
fn a_client_that_never_reads_does_not_hold_a_closed_connection() {
    let mut world = World::with(&[("write_timeout", "5")]);
    let client = world.connect(ROOM);
    client.far.send(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10000000\r\n\r\n",
    );
    world.settle();
    answer(&world.request(), &vec![b'x'; BODY]).expect("a client");
    world.pass(4_000);
    assert!(!client.far.is_closed());
    world.pass(4_000);
    assert!(client.far.is_closed());
}

#[test]
fn the_keep_alive_time_begins_when_the_client_has_read_the_response() {
    let mut world = World::with(&[("keepalive", "15")]);
    let client = world.connect(ROOM);
    client.far.send(GET);
    world.settle();
    answer(&world.request(), &vec![b'x'; BODY]).expect("a client");
    // Twenty seconds.
    let read = read_slowly(&mut world, &client, BODY);
    assert!(read.len() >= BODY);
    everything(&client.far);
    world.pass(13_000);
    assert_eq!(client.mode(), ConnectionMode::Head, "13 s of 15");
    world.pass(4_000);
    assert_ne!(client.mode(), ConnectionMode::Head);
}

#[test]
fn a_websocket_whose_client_takes_its_messages_is_alive() {
    let mut world = World::with(&[("ws_ping_interval", "2"), ("ws_ping_timeout", "2")]);
    let (client, socket) = open_websocket(&mut world, "", 200_000);
    for _ in 0..60 {
        // More than it reads: something is always unsent.
        let message = vec![b'x'; 100_000];
        drop(socket.send(MessageKind::Binary, &message, || {
            Bytes::from(message.clone())
        }));
        client.far.take(50_000);
        world.pass(500);
        assert_eq!(
            client.mode(),
            ConnectionMode::WebSocket,
            "it reads all the time"
        );
    }
}
