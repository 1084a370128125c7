//! Responses compressed on the fly, in each order of steps of app, client and pool thread.

use super::reading::{Response, responses};
use super::world::{Client, World};
use crate::compress::ungzip;
use crate::http::{BodyEnd, ResponseState};
use crate::worker::exchange::{Backpressure, Ending, Exchange, ResponseVerdict, SendError};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n";
const HTML: (&[u8], &[u8]) = (b"content-type", b"text/html");

fn begun(world: &mut World, room: usize) -> (Client, Exchange) {
    let client = world.connect(room);
    client.far.send(GET);
    world.settle();
    let exchange = world.request();
    (client, exchange)
}

fn world() -> World {
    World::with(&[("compress", "gzip"), ("write_timeout", "5")])
}

fn text(length: usize) -> Vec<u8> {
    b"again and again, ".repeat(length / 17 + 1)[..length].to_vec()
}

/// As an event loop sends it.
fn send(exchange: &Exchange, data: &[u8], end: BodyEnd) -> Result<Backpressure, SendError> {
    exchange.send_in_step(data, end, &|| Some(data.to_vec().into()))
}

/// Waits until the pool has made the condition true.
fn wait(world: &World, mut condition: impl FnMut() -> bool) {
    let begin = world.net.clock.now();
    while !condition() {
        std::thread::yield_now();
        let waited = crate::sys::monotonic_ms().saturating_sub(begin);
        assert!(waited < 60_000, "it never comes");
    }
}

fn only(client: &Client) -> Response {
    let mut found = responses(&client.far.take(usize::MAX));
    assert_eq!(found.len(), 1);
    found.remove(0)
}

#[test]
fn a_short_body_goes_out_as_it_is_and_a_long_one_compressed() {
    let mut world = world();
    for (length, is_coded) in [(1023, false), (1024, true)] {
        let (client, exchange) = begun(&mut world, 1 << 20);
        exchange.start(200, None, [HTML]).expect("a client");
        send(&exchange, &text(length), BodyEnd::Last).expect("a client");
        let found = only(&client);
        assert_eq!(found.body != text(length), is_coded);
        if is_coded {
            assert_eq!(ungzip(&found.body), text(length));
        }
    }
}

#[test]
fn a_head_that_has_left_before_its_body_is_kept_to() {
    let mut world = world();
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, [HTML]).expect("a client");
    world.pass(3_000);
    let head = client.far.take(usize::MAX);
    assert!(head.ends_with(b"\r\n\r\n"));
    let head = String::from_utf8(head).expect("text");
    assert!(head.contains("content-encoding: gzip") && head.contains("chunked"));
    send(&exchange, b"short", BodyEnd::Last).expect("a client");
    let rest = client.far.take(usize::MAX);
    assert!(!rest.windows(5).any(|five| five == b"short"));
}

#[test]
fn what_a_turn_has_no_room_for_is_compressed_by_the_pool() {
    let mut world = world();
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, [HTML]).expect("a client");
    let flow = send(&exchange, &text(200_000), BodyEnd::Last).expect("a client");
    assert_eq!(flow, Backpressure::Full);
    assert!(send(&exchange, b"more", BodyEnd::Last).is_err());
    // The app has finished its part.
    assert_eq!(exchange.response_state(), ResponseState::Complete);
    assert_eq!(exchange.ended(Ending::Returned), ResponseVerdict::Fine);
    wait(&world, || exchange.may_send());
    world.settle();
    assert_eq!(ungzip(&only(&client).body), text(200_000));
}

#[test]
fn pieces_keep_their_order_whoever_compresses_them() {
    let mut world = world();
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, [HTML]).expect("a client");
    let mut all = Vec::new();
    for length in [10, 200_000, 20, 150_000, 0, 30] {
        let piece = text(length);
        send(&exchange, &piece, BodyEnd::More).expect("a client");
        all.extend_from_slice(&piece);
    }
    send(&exchange, b"", BodyEnd::Last).expect("a client");
    wait(&world, || exchange.may_send());
    world.settle();
    let bytes = client.far.take(usize::MAX);
    let begin = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let body = unchunked(&bytes[begin.expect("a head") + 4..]);
    assert_eq!(ungzip(&body), all);
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n");
        let (size, rest) = bytes.split_at(end.expect("a size line"));
        let size = std::str::from_utf8(size).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[2..2 + size]);
        bytes = &rest[4 + size..];
    }
}

#[test]
fn an_app_that_ends_in_the_middle_or_whose_client_leaves() {
    let mut world = world();
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, [HTML]).expect("a client");
    send(&exchange, b"half", BodyEnd::More).expect("a client");
    assert_eq!(exchange.ended(Ending::Failed), ResponseVerdict::Cut);
    world.settle();
    assert!(!client.far.take(usize::MAX).ends_with(b"0\r\n\r\n"));
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, [HTML]).expect("a client");
    send(&exchange, &text(200_000), BodyEnd::More).expect("a client");
    client.far.reset();
    world.settle();
    wait(&world, || exchange.may_send());
    assert!(matches!(
        send(&exchange, b"more", BodyEnd::Last),
        Err(SendError::Gone)
    ));
    exchange.ended(Ending::Failed);
    world.settle();
    assert_eq!(world.net.ledger.in_flight(), 0);
}

#[test]
fn an_app_that_gives_less_than_it_declared() {
    let mut world = world();
    let declared = [HTML, (&b"content-length"[..], &b"2000"[..])];
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, declared).expect("a client");
    assert!(send(&exchange, &text(1999), BodyEnd::Last).is_err());
    assert_eq!(exchange.ended(Ending::Failed), ResponseVerdict::Fine);
    assert_eq!(only(&client).status, 500);
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, declared).expect("a client");
    send(&exchange, &text(1000), BodyEnd::More).expect("a client");
    assert!(send(&exchange, &text(999), BodyEnd::Last).is_err());
    exchange.ended(Ending::Failed);
    world.settle();
    assert!(!client.far.take(usize::MAX).ends_with(b"0\r\n\r\n"));
    let (client, exchange) = begun(&mut world, 1 << 20);
    exchange.start(200, None, declared).expect("a client");
    assert!(send(&exchange, &text(2001), BodyEnd::Last).is_err(), "cut");
    assert_eq!(ungzip(&only(&client).body), text(2000));
}
