//! Stories of what blocks streams of HTTP/2: their client, other streams, the server.

use super::http2_client::{
    DATA, END_STREAM, PING, SETTINGS, WINDOW_UPDATE, connect, frame, frames, request, world,
};
use super::world::{Client, World, body};
use crate::http::BodyEnd;
use crate::worker::exchange::{Backpressure, Exchange, Received};

/// A client on whose stream 1 the app has sent more than the client reads: its window of the connection is wide open.
fn blocked_client(world: &mut World) -> (Client, Exchange) {
    let client = world.connect(1_000);
    let first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0x10, 0, 0, 0]);
    let update = frame(WINDOW_UPDATE, 0, 0, &[0x10, 0, 0, 0]);
    let get = request(END_STREAM, 1, "GET");
    client
        .far
        .send(&[first, &window[..], &update, &get].concat());
    world.settle();
    let exchange = world.request();
    exchange.start(200, None, []).expect("a client");
    while exchange
        .send(&b"x".repeat(50_000), BodyEnd::More)
        .expect("a client")
        == Backpressure::Free
    {
        world.settle();
    }
    (client, exchange)
}

#[test]
fn a_client_that_does_not_read_can_send() {
    let mut world = world(&[]);
    let (client, _download) = blocked_client(&mut world);
    client.far.send(&request(0, 3, "POST"));
    for _ in 0..3 {
        client.far.send(&frame(PING, 0, 0, &[7; 8]));
        client.far.send(&frame(DATA, 0, 3, b"piece"));
    }
    client.far.send(&frame(DATA, END_STREAM, 3, b"end"));
    world.settle();
    let upload = world.request();
    assert_eq!(body(&upload), (b"piecepiecepieceend".to_vec(), true));
    // The answers arrive once it reads.
    let mut bytes = Vec::new();
    for _ in 0..1_000 {
        bytes.extend(client.far.take(usize::MAX));
        world.settle();
    }
    let pings = frames(&bytes)
        .iter()
        .filter(|frame| frame.0 == PING)
        .count();
    assert_eq!(pings, 3);
}

#[test]
fn a_client_that_does_not_read_and_wants_answers_fills_no_memory() {
    let mut world = world(&[]);
    let (client, _download) = blocked_client(&mut world);
    for _ in 0..400 {
        client.far.send(&frame(PING, 0, 0, &[7; 8]));
        world.settle();
    }
    assert!(client.kept().0 <= 5 * 64 * 1024, "{:?}", client.kept());
}

#[test]
fn an_upload_is_not_timed_out_while_the_server_grants_nothing() {
    let mut world = world(&[("body_timeout", "3s")]);
    let (client, _download) = blocked_client(&mut world);
    client.far.send(&request(0, 3, "POST"));
    world.settle();
    let upload = world.request();
    assert!(matches!(upload.receive(), Received::Wait));
    for _ in 0..20 {
        client.far.take(500);
        world.pass(500);
    }
    assert!(matches!(upload.receive(), Received::Wait));
    client.far.take(usize::MAX);
    while client.kept().0 > 0 {
        client.far.take(usize::MAX);
        world.settle();
    }
    client.far.take(usize::MAX);
    world.pass(3_500);
    assert!(matches!(upload.receive(), Received::Disconnect));
}

#[test]
fn requests_that_are_not_read_leave_the_window_to_others() {
    let mut world = world(&[]);
    let client = connect(&mut world);
    for stream in (1..=61).step_by(2) {
        client.far.send(&request(0, stream, "POST"));
        world.settle();
        for _ in 0..4 {
            client.far.send(&frame(DATA, 0, stream, &[b'x'; 16_384]));
            world.settle();
        }
    }
    let unread = world.requests();
    assert_eq!(unread.len(), 31);
    client.far.send(&request(0, 63, "POST"));
    client.far.send(&frame(DATA, END_STREAM, 63, b"read"));
    world.settle();
    assert_eq!(body(&world.request()), (b"read".to_vec(), true));
}

/// Sends more on it than the client lets through.
fn fill(world: &mut World, exchange: &Exchange) {
    exchange.start(200, None, []).expect("a client");
    while exchange
        .send(&b"x".repeat(50_000), BodyEnd::More)
        .expect("a client")
        == Backpressure::Free
    {
        world.settle();
    }
}

#[test]
fn a_client_that_reads_the_connection_steadily_keeps_its_streams() {
    let mut world = world(&[("write_timeout", "3s")]);
    let client = connect(&mut world);
    let window = frame(SETTINGS, 0, 0, &[0, 4, 0x10, 0, 0, 0]);
    client
        .far
        .send(&[window, frame(WINDOW_UPDATE, 0, 0, &[0x10, 0, 0, 0])].concat());
    client.far.send(&request(END_STREAM, 1, "GET"));
    world.settle();
    let download = world.request();
    fill(&mut world, &download);
    // The kernel has taken a megabyte, and takes nothing for a long time.
    for _ in 0..20 {
        client.far.take(10_000);
        world.pass(1_000);
        assert!(download.check(&download.conn.lock()).is_ok());
    }
    world.pass(4_000);
    assert!(
        download.check(&download.conn.lock()).is_err(),
        "it does not read any more"
    );
}

#[test]
fn a_stream_whose_window_stays_closed_is_reset_while_others_are_read() {
    let mut world = world(&[
        ("write_timeout", "3s"),
        ("http2_max_concurrent_streams", "2"),
    ]);
    let client = connect(&mut world);
    client
        .far
        .send(&frame(WINDOW_UPDATE, 0, 0, &[0x10, 0, 0, 0]));
    client.far.send(&request(END_STREAM, 1, "GET"));
    client.far.send(&request(END_STREAM, 3, "GET"));
    world.settle();
    let requests = world.requests();
    let [(closed, _), (read, _)] = &requests[..] else {
        panic!("two requests");
    };
    client
        .far
        .send(&frame(WINDOW_UPDATE, 0, 3, &[0x10, 0, 0, 0]));
    world.settle();
    fill(&mut world, closed);
    read.start(200, None, []).expect("a client");
    let is_open = |exchange: &Exchange| exchange.check(&exchange.conn.lock()).is_ok();
    let mut rounds = 0;
    while is_open(closed) {
        rounds += 1;
        assert!(rounds < 100, "it is never reset");
        read.send(&b"x".repeat(500_000), BodyEnd::More)
            .expect("a client");
        client.far.take(500_000);
        world.pass(500);
    }
    assert!(rounds > 10 && is_open(read));
}

#[test]
fn answers_to_pings_do_not_keep_a_stream_whose_window_stays_closed() {
    let mut world = world(&[("write_timeout", "3s")]);
    let client = connect(&mut world);
    client.far.send(&request(END_STREAM, 1, "GET"));
    world.settle();
    let closed = world.request();
    fill(&mut world, &closed);
    client.far.take(usize::MAX);
    for _ in 0..8 {
        client.far.send(&frame(PING, 0, 0, &[7; 8]));
        world.pass(250);
        client.far.take(usize::MAX);
        world.pass(250);
    }
    assert!(closed.check(&closed.conn.lock()).is_err());
}
