//! Stories of HTTP/2 streams, as far as they differ from those of connections with one request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::world::{Client, World, answer, body};
use crate::http::{BodyEnd, ResponseError};
use crate::worker::connection::share::STEPS;
use crate::worker::exchange::{
    Backpressure, Ending, Exchange, Received, ResponseVerdict, SendError,
};
use crate::worker::transport::ClientView;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

fn request(flags: u8, stream: u32, method: &str) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    head(flags, stream, &pseudo)
}

/// Fields, literal and without a table (RFC 7541 §6.2.2).
fn head(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    frame(HEADERS, END_HEADERS | flags, stream, &block)
}

fn world(settings: &[(&str, &str)]) -> World {
    World::with(&[&[("http2", "prior-knowledge")], settings].concat())
}

fn connect(world: &mut World) -> Client {
    let client = world.connect(1 << 20);
    let first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client
        .far
        .send(&[first, &frame(SETTINGS, 0, 0, &[])[..]].concat());
    world.settle();
    client
}

#[test]
fn a_stream_that_waits_for_its_turn_ends_with_its_connection() {
    let mut world = world(&[]);
    let client = connect(&mut world);
    let pieces = frame(DATA, 0, 1, b"0123456789").repeat(6 * usize::from(STEPS));
    client.far.send(&[request(0, 1, "POST"), pieces].concat());
    world.turn();
    let exchange = world.request();
    client.far.reset();
    world.turn();
    let after_body = || loop {
        match exchange.receive() {
            Received::Body { .. } => {}
            other => break other,
        }
    };
    let waited = matches!(after_body(), Received::Wait);
    world.settle();
    let noticed = !world.heard.lock().readable.is_empty();
    assert!(noticed || !waited, "the app would wait for ever");
    assert!(matches!(after_body(), Received::Disconnect));
    exchange.ended(Ending::Returned);
    world.settle();
    assert_eq!(
        (world.net.ledger.in_flight(), world.net.connections()),
        (0, 0)
    );
}

/// How a client leaves a connection whose stream 1 has its whole response.
#[derive(Debug, Clone, Copy)]
enum Departure {
    ResetsStream,
    ResetsConnection,
    Ends,
    BreaksProtocol,
}

#[test]
fn an_app_that_goes_on_after_the_whole_response_notices_that_its_client_has_left() {
    use Departure::*;
    for departure in [ResetsStream, ResetsConnection, Ends, BreaksProtocol] {
        for (method, length) in [("HEAD", None), ("GET", Some(&b"5"[..]))] {
            let mut world = world(&[]);
            let client = connect(&mut world);
            client.far.send(&request(END_STREAM, 1, method));
            world.settle();
            let exchange = world.request();
            let fields = length.map(|length| (&b"content-length"[..], length));
            exchange.start(200, None, fields).expect("a client");
            exchange.send(b"first", BodyEnd::More).expect("a client");
            world.settle();
            assert!(matches!(exchange.receive(), Received::Body { .. }));
            assert!(matches!(exchange.receive(), Received::Wait));
            match departure {
                ResetsStream => client.far.send(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])),
                ResetsConnection => client.far.reset(),
                Ends => client.far.end(),
                BreaksProtocol => client.far.send(&frame(SETTINGS, 0, 1, &[])),
            }
            // An end alone may be that of the client's side, and is taken for its departure a moment later.
            world.pass(750);
            let name = format!("{departure:?} {method}");
            assert_eq!(world.heard.lock().readable, [exchange.key()], "{name}");
            assert!(matches!(exchange.receive(), Received::Disconnect), "{name}");
            let sent = exchange.send(b"", BodyEnd::More);
            assert!(matches!(sent, Err(SendError::Gone)), "{name}");
            exchange.ended(Ending::Returned);
            world.settle();
            assert_eq!(world.net.ledger.in_flight(), 0, "{name}");
        }
    }
}

#[test]
fn a_client_that_has_ended_its_side_gets_its_responses() {
    let mut world = world(&[]);
    let client = connect(&mut world);
    client.far.send(&request(END_STREAM, 1, "GET"));
    client.far.send(&request(0, 3, "POST"));
    client.far.send(&frame(DATA, 0, 3, b"part"));
    client.far.end();
    world.settle();
    let requests = world.requests();
    assert_eq!(body(&requests[1].0), (Vec::new(), false));
    world.pass(5_000);
    answer(&requests[0].0, &b"x".repeat(60_000)).expect("a client");
    world.settle();
    assert!(client.far.is_closed());
    let bytes = client.far.take(usize::MAX);
    let content = bytes.iter().filter(|byte| **byte == b'x');
    assert!(content.eq(&b"x".repeat(60_000)));
    // That of the other one is an error: its request will not be whole.
    assert!(frames(&bytes).contains(&(HEADERS, 3, None)));
    requests.iter().for_each(|(exchange, _)| {
        exchange.ended(Ending::Returned);
    });
    world.settle();
    assert_eq!(world.net.ledger.in_flight(), 0);
}

#[test]
fn trailers_follow_a_declared_length() {
    for (length, pieces) in [
        ("5", &[&b"hello"[..]][..]),
        ("5", &[b"hel", b"lo", b""]),
        ("0", &[b""]),
    ] {
        let mut world = world(&[]);
        let client = connect(&mut world);
        let fields = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "a"),
            (":path", "/"),
            ("te", "trailers"),
        ];
        client.far.send(&head(END_STREAM, 1, &fields));
        world.settle();
        received(&client);
        let exchange = world.request();
        let declared = (&b"content-length"[..], length.as_bytes());
        exchange.start(200, None, [declared]).expect("a client");
        let (last, earlier) = pieces.split_last().expect("a piece");
        for piece in earlier {
            exchange.send(piece, BodyEnd::More).expect("a client");
        }
        exchange.send(last, BodyEnd::Trailers).expect("a client");
        let trailer = (&b"grpc-status"[..], &b"0"[..]);
        exchange.trailers([trailer]).expect("a client");
        world.settle();
        let heads = received(&client)
            .iter()
            .filter(|frame| frame.0 == HEADERS)
            .count();
        assert_eq!(heads, 2, "{length} {pieces:?}");
    }
}

#[test]
fn forbidden_trailers_of_a_request_are_refused() {
    for (name, is_refused) in [("content-length", true), ("x-checksum", false)] {
        let mut world = world(&[]);
        let client = connect(&mut world);
        client.far.send(&request(0, 1, "POST"));
        client.far.send(&frame(DATA, 0, 1, b"abc"));
        client.far.send(&head(END_STREAM, 1, &[(name, "1")]));
        world.settle();
        let exchange = world.request();
        assert_eq!(body(&exchange).1, !is_refused, "{name}");
        let sent = answer(&exchange, b"");
        assert_eq!(matches!(sent, Err(SendError::Gone)), is_refused, "{name}");
    }
}

#[test]
fn an_app_that_is_late_learns_the_same_of_every_client() {
    for http2 in [true, false] {
        let mut world = world(&[("request_timeout", "1ms")]);
        let client = if http2 {
            connect(&mut world)
        } else {
            world.connect(10_000)
        };
        client.far.send(&if http2 {
            request(END_STREAM, 1, "GET")
        } else {
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()
        });
        world.settle();
        let exchange = world.request();
        // Its age is that of the system's clock.
        for _ in 0..10_000 {
            if world.heard.lock().cancelled.is_empty() {
                world.pass(250);
            }
        }
        assert!(
            matches!(exchange.start(200, None, []), Err(SendError::Gone)),
            "{http2}"
        );
    }
}

#[test]
fn small_pieces_within_the_window_wait_for_the_app() {
    let mut world = world(&[]);
    let client = connect(&mut world);
    let streams = [1, 3, 5];
    let mut exchanges = Vec::new();
    for stream in streams {
        client.far.send(&request(0, stream, "POST"));
        world.settle();
        exchanges.push(world.request());
    }
    for stream in streams {
        // One byte more would be too many for the window.
        client
            .far
            .send(&frame(DATA, 0, stream, b"12345").repeat(13_106));
        client.far.send(&frame(DATA, END_STREAM, stream, b"12345"));
    }
    world.settle();
    for exchange in exchanges {
        let mut body = Vec::new();
        loop {
            match exchange.receive() {
                Received::Body { piece, more } => {
                    body.extend_from_slice(&piece);
                    if !more {
                        break;
                    }
                }
                Received::Wait => world.settle(),
                Received::Disconnect => panic!("the connection was closed"),
            }
        }
        assert_eq!(body, b"12345".repeat(13_107));
        answer(&exchange, b"").expect("the client is there");
        exchange.ended(Ending::Returned);
    }
}

#[test]
fn the_timeout_of_a_request_reaches_it_when_its_connection_has_ended() {
    let mut world = world(&[("request_timeout", "1ms")]);
    let client = connect(&mut world);
    client.far.send(&request(END_STREAM, 1, "GET"));
    world.settle();
    let exchange = world.request();
    client.far.reset();
    // Its age is that of the system's clock.
    for _ in 0..10_000 {
        if world.heard.lock().cancelled.is_empty() {
            world.pass(250);
        }
    }
    assert_eq!(world.heard.lock().cancelled, [exchange.key()]);
    exchange.ended(Ending::Failed);
    world.settle();
    assert_eq!(
        (world.net.ledger.in_flight(), world.net.connections()),
        (0, 0)
    );
}

#[test]
fn a_worker_that_stops_reaches_streams_whose_connection_has_ended() {
    let mut world = world(&[]);
    let client = connect(&mut world);
    client.far.send(&request(END_STREAM, 1, "GET"));
    client.far.send(&request(END_STREAM, 3, "GET"));
    world.settle();
    client.far.reset();
    world.settle();
    assert_eq!(
        (world.net.ledger.in_flight(), world.net.connections()),
        (2, 1)
    );
    world.close_all();
    assert_eq!(
        (world.net.ledger.in_flight(), world.net.connections()),
        (0, 0)
    );
}

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
    start(&exchange, &[]).expect("a client");
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
    start(exchange, &[]).expect("a client");
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
    start(read, &[]).expect("a client");
    let is_open = |exchange: &Exchange| exchange.check(&exchange.conn.lock()).is_ok();
    let mut rounds = 0;
    while is_open(closed) {
        rounds += 1;
        assert!(rounds < 100, "it is never reset");
        read.send(&b"x".repeat(500_000), BodyEnd::More)
            .expect("a client");
        client.far.take(usize::MAX);
        world.pass(500);
    }
    assert!(rounds > 10 && is_open(read));
}

fn fields(count: usize) -> Vec<(Vec<u8>, &'static [u8])> {
    let name = |n| format!("x-{n}").into_bytes();
    (0..count).map(|n| (name(n), &b"v"[..])).collect()
}

fn start(exchange: &Exchange, fields: &[(Vec<u8>, &'static [u8])]) -> Result<(), SendError> {
    exchange.start(
        200,
        None,
        fields.iter().map(|(name, value)| (&name[..], *value)),
    )
}

/// Types and streams of the frames that the client gets, and of RST_STREAM the code.
fn received(client: &Client) -> Vec<(u8, u32, Option<u32>)> {
    frames(&client.far.take(usize::MAX))
}

/// Of whole frames.
fn frames(bytes: &[u8]) -> Vec<(u8, u32, Option<u32>)> {
    let mut rest = bytes;
    let mut found = Vec::new();
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    };
    while rest.len() >= 9 && rest.len() >= 9 + number(&rest[..3]) as usize {
        let (head, payload) = rest.split_at(9);
        let length = number(&head[..3]) as usize;
        let code = (head[3] == RST_STREAM).then(|| number(&payload[..4]));
        found.push((head[3], number(&head[5..]), code));
        rest = &payload[length..];
    }
    found
}

/// A client with two requests, on the streams 1 and 3.
fn two_requests() -> (World, Client, Exchange, Exchange) {
    let mut world = world(&[]);
    let client = connect(&mut world);
    client.far.send(&request(END_STREAM, 1, "GET"));
    client.far.send(&request(END_STREAM, 3, "GET"));
    world.settle();
    received(&client);
    let mut requests = world.requests();
    let (second, first) = (requests.remove(1).0, requests.remove(0).0);
    (world, client, first, second)
}

#[test]
fn a_response_with_more_fields_than_a_stream_can_have_is_an_error_of_the_app() {
    let (mut world, client, first, second) = two_requests();
    assert!(matches!(
        start(&first, &fields(30_000)),
        Err(SendError::Response(ResponseError::TooManyFields))
    ));
    assert_eq!(first.ended(Ending::Returned), ResponseVerdict::Unanswered);
    start(&second, &fields(10_000)).expect("not too many");
    second.send(b"", BodyEnd::Last).expect("a client");
    world.settle();
    let found = received(&client);
    let is_answered = |stream| found.contains(&(HEADERS, stream, None));
    assert!(is_answered(1) && is_answered(3), "{found:?}");
    assert_eq!(world.net.ledger.in_flight(), 0);
}

#[test]
fn a_panic_of_the_server_costs_the_stream_and_not_the_connection() {
    let (mut world, client, first, second) = two_requests();
    first.start(200, None, []).expect("a client");
    panic_within(&first);
    world.settle();
    assert_eq!(world.net.ledger.in_flight(), 1);
    assert!(matches!(first.receive(), Received::Disconnect));
    answer(&second, b"").expect("a client");
    world.settle();
    let found = received(&client);
    assert!(found.contains(&(RST_STREAM, 1, Some(2))), "{found:?}");
    assert!(found.contains(&(HEADERS, 3, None)), "{found:?}");
    assert_eq!(first.ended(Ending::Failed), ResponseVerdict::Fine);
}

#[test]
fn a_panic_of_the_server_costs_an_older_client_its_connection() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client.far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    world.settle();
    let exchange = world.request();
    panic_within(&exchange);
    world.settle();
    assert_eq!(client.far.seen(), ClientView::Reset);
    assert_eq!(
        (world.net.ledger.in_flight(), world.net.connections()),
        (0, 0)
    );
    assert_eq!(exchange.ended(Ending::Failed), ResponseVerdict::Fine);
}

fn panic_within(exchange: &Exchange) {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _s = exchange.conn.lock();
        panic!("a fault of ours");
    }));
    assert!(panic.is_err());
}

#[test]
fn what_follows_a_whole_response_is_the_same_error_for_every_client() {
    for http2 in [true, false] {
        for announcement in ["", "Connection: close\r\n"] {
            let mut world = world(&[]);
            let client = if http2 {
                connect(&mut world)
            } else {
                world.connect(10_000)
            };
            client.far.send(&if http2 {
                request(END_STREAM, 1, "GET")
            } else {
                format!("GET / HTTP/1.1\r\nHost: a\r\n{announcement}\r\n").into_bytes()
            });
            world.settle();
            let exchange = world.request();
            answer(&exchange, b"").expect("a client");
            let is_complete = || {
                let again = exchange.send(b"again", BodyEnd::Last);
                matches!(
                    again,
                    Err(SendError::Response(ResponseError::AlreadyComplete))
                )
            };
            assert!(is_complete(), "at once, {http2} {announcement}");
            world.settle();
            client.far.reset();
            world.settle();
            assert!(is_complete(), "the client has left, {http2} {announcement}");
        }
    }
}
