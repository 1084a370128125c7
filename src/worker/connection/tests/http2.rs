//! Stories of HTTP/2 streams, as far as they differ from those of connections with one request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::http2_client::{
    DATA, END_STREAM, HEADERS, RST_STREAM, SETTINGS, WINDOW_UPDATE, connect, frame, frames, head,
    received, request, world,
};
use super::world::{Client, World, answer, body};
use crate::http::{BodyEnd, ResponseError};
use crate::worker::connection::share::STEPS;
use crate::worker::exchange::{Ending, Exchange, Received, ResponseVerdict, SendError};
use crate::worker::transport::ClientView;

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
fn an_app_that_only_sends_notices_the_end_of_a_client_that_has_its_whole_response() {
    for ends_first in [true, false] {
        for (method, length) in [("HEAD", None), ("GET", Some(&b"5"[..]))] {
            let mut world = world(&[]);
            let client = connect(&mut world);
            client.far.send(&request(END_STREAM, 1, method));
            world.settle();
            let exchange = world.request();
            if ends_first {
                client.far.end();
                world.settle();
            }
            let fields = length.map(|length| (&b"content-length"[..], length));
            exchange.start(200, None, fields).expect("a client");
            exchange.send(b"first", BodyEnd::More).expect("a client");
            client.far.end();
            world.pass(500);
            let sent = exchange.send(b"", BodyEnd::More);
            assert!(
                matches!(sent, Err(SendError::Gone)),
                "{method} {ends_first}"
            );
            exchange.ended(Ending::Returned);
            world.settle();
            assert_eq!(world.net.ledger.in_flight(), 0, "{method} {ends_first}");
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

/// Clients take a reset while they send for an error, also the one without an error that RFC 9113 §8.1 allows.
#[test]
fn a_response_before_the_end_of_the_request_waits_for_it() {
    for refused in [false, true] {
        for ends in [true, false] {
            let limit = if refused { "10k" } else { "0" };
            let mut world = world(&[("limit_request_body", limit)]);
            let client = connect(&mut world);
            let piece = frame(DATA, 0, 1, &[b'x'; 16_384]);
            client.far.send(&request(0, 1, "POST"));
            client.far.send(&piece);
            world.settle();
            let exchange = world.request();
            if !refused {
                exchange.start(401, None, []).expect("a client");
                exchange.send(b"no", BodyEnd::Last).expect("a client");
            }
            exchange.ended(Ending::Returned);
            world.settle();
            let mut seen = received(&client);
            assert!(
                seen.iter()
                    .any(|(kind, stream, _)| (*kind, *stream) == (HEADERS, 1))
            );
            for _ in 0..20 {
                client.far.send(&piece);
                world.pass(50);
                seen.extend(received(&client));
            }
            let is_reset = |seen: &[(u8, u32, Option<u32>)]| {
                seen.iter()
                    .any(|(kind, stream, _)| (*kind, *stream) == (RST_STREAM, 1))
            };
            assert!(!is_reset(&seen), "refused {refused}");
            let updated = seen
                .iter()
                .any(|(kind, stream, _)| (*kind, *stream) == (WINDOW_UPDATE, 1));
            assert!(updated, "the client can go on");
            if ends {
                client.far.send(&frame(DATA, END_STREAM, 1, b""));
                world.settle();
            } else {
                world.pass(2_500);
            }
            seen.extend(received(&client));
            assert_eq!(is_reset(&seen), !ends, "refused {refused}");
            // The stream is gone, and its connection serves on.
            client.far.send(&request(END_STREAM, 3, "GET"));
            world.settle();
            assert_eq!(world.request().key().conn.stream(), Some(3));
        }
    }
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
