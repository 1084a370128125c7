//! Tests of a session from the client's side: frames in, frames out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;

use super::{Arrived, Http2Limits, Session, SessionStep};
use crate::http::BodyPresence;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const LIMITS: Http2Limits = Http2Limits {
    concurrent_streams: 100,
    stream_window: 65_535,
    frame_size: 16_384,
    header_list_size: 65_536,
    websockets: true,
};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Literal fields without a table (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(text.len() as u8);
            block.extend(text.as_bytes());
        }
    }
    block
}

fn request<'f>(method: &'f str, path: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![
        (":method", method),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", path),
    ]
}

/// Types, flags and streams of the frames that a client gets.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8, u32)> {
    let mut found = Vec::new();
    while let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        found.push((*kind, *flags, u32::from_be_bytes([*d, *e, *f, *g])));
        bytes = &rest[length..];
    }
    found
}

/// A session, and its output.
struct World {
    session: Session,
    arrived: Vec<Arrived>,
    output: Vec<u8>,
    over: bool,
    /// For the log.
    reason: Option<h2::Reason>,
}

impl World {
    fn new(limits: &Http2Limits) -> Self {
        let waker = Arc::<Count>::default().into();
        Self {
            session: Session::new(limits, waker, 0),
            arrived: Vec::new(),
            output: Vec::new(),
            over: false,
            reason: None,
        }
    }

    fn open() -> Self {
        let mut world = Self::new(&LIMITS);
        world.receive(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
        world
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.session.input.extend_from_slice(bytes);
        self.session.admit(0);
        self.go_on();
    }

    fn go_on(&mut self) {
        loop {
            self.session.set_room(1 << 20, 0);
            let next = self.session.next();
            self.output.extend(self.session.take_output());
            match next {
                SessionStep::Request(arrived) => self.arrived.push(arrived),
                SessionStep::Idle if self.session.is_full() => {}
                SessionStep::Idle => return,
                SessionStep::Over(reason) => {
                    self.over = true;
                    self.reason = reason;
                    return;
                }
            }
        }
    }

    /// Heads, and bodies as far as they have come.
    fn requests(&mut self) -> Vec<(String, BodyPresence, Vec<u8>, bool)> {
        let mut context = Context::from_waker(Waker::noop());
        let read = |arrived: &mut Arrived| {
            let head = String::from_utf8(arrived.head.to_vec()).expect("text");
            let mut body = Vec::new();
            let ended = loop {
                match arrived.body.as_mut().map(|b| b.poll_data(&mut context)) {
                    None | Some(Poll::Ready(None)) => break true,
                    Some(Poll::Ready(Some(Ok(data)))) => body.extend(data),
                    Some(Poll::Ready(Some(Err(_))) | Poll::Pending) => break false,
                }
            };
            (head, arrived.content, body, ended)
        };
        self.arrived.iter_mut().map(read).collect()
    }
}

#[test]
fn every_split_of_the_bytes_gives_the_same_requests() {
    let post = block(&request("POST", "/b?c=d"));
    let (first, second) = post.split_at(20);
    let bytes = [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[]),
        &frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &block(&request("GET", "/a")),
        ),
        &frame(HEADERS, 0, 3, first),
        &frame(CONTINUATION, END_HEADERS, 3, second),
        &frame(DATA, 0, 3, b"one"),
        &frame(PING, 0, 0, b"12345678"),
        &frame(DATA, END_STREAM, 3, b"two"),
    ]
    .concat();
    let expected = vec![
        (
            "GET /a HTTP/1.1\r\nhost: example.org\r\n\r\n".to_owned(),
            BodyPresence::None,
            Vec::new(),
            true,
        ),
        (
            "POST /b?c=d HTTP/1.1\r\nhost: example.org\r\n\r\n".to_owned(),
            BodyPresence::Follows,
            b"onetwo".to_vec(),
            true,
        ),
    ];
    for split in 0..=bytes.len() {
        let mut world = World::new(&LIMITS);
        world.receive(&bytes[..split]);
        world.receive(&bytes[split..]);
        assert_eq!(world.requests(), expected, "split at {split}");
        assert!(frames(&world.output).contains(&(PING, 1, 0)));
    }
    let mut world = World::new(&LIMITS);
    bytes.chunks(1).for_each(|byte| world.receive(byte));
    assert_eq!(world.requests(), expected);
}

#[test]
fn no_more_is_written_than_there_is_room_for() {
    let mut world = World::open();
    let head = block(&request("GET", "/"));
    world.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    let answer = &mut world.arrived[0].answer;
    let mut stream = answer
        .send_response(http_types::Response::new(()), false)
        .expect("the stream is open");
    stream
        .send_data(Bytes::from(vec![b'x'; 50_000]), true)
        .expect("the stream is open");
    world.output.clear();
    let mut total = 0;
    for _ in 0..100 {
        world.session.set_room(1_000, 0);
        assert!(matches!(world.session.next(), SessionStep::Idle));
        let output = world.session.take_output();
        assert!(output.len() <= 1_000);
        total += output.len();
        world.output.extend(output);
        if !world.session.is_full() {
            break;
        }
    }
    assert!(total > 50_000);
    let last = *frames(&world.output).last().expect("frames");
    assert_eq!(last, (DATA, END_STREAM, 1));
}

#[test]
fn a_response_that_is_aborted_is_sent_as_far_as_it_was_written() {
    let mut world = World::open();
    let head = block(&request("GET", "/"));
    world.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    let mut arrived = world.arrived.remove(0);
    let mut stream = arrived
        .answer
        .send_response(http_types::Response::new(()), false)
        .expect("the stream is open");
    stream
        .send_data(Bytes::from_static(b"half"), false)
        .expect("the stream is open");
    arrived.resets.add(stream);
    world.output.clear();
    world.session.set_room(20, 0);
    assert!(matches!(world.session.next(), SessionStep::Idle));
    world.output.extend(world.session.take_output());
    assert_eq!(world.output.len(), 20, "no room for all of it");
    world.go_on();
    let expected = [(HEADERS, END_HEADERS, 1), (DATA, 0, 1), (RST_STREAM, 0, 1)];
    assert_eq!(frames(&world.output), expected);
    assert!(world.output.ends_with(&2u32.to_be_bytes()));
    assert!(!world.over);
}

#[test]
fn a_stream_that_the_client_resets_is_not_reset_again() {
    let mut world = World::open();
    let head = block(&request("GET", "/"));
    world.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    let mut arrived = world.arrived.remove(0);
    let stream = arrived
        .answer
        .send_response(http_types::Response::new(()), false)
        .expect("the stream is open");
    arrived.resets.add(stream);
    world.output.clear();
    world.receive(&frame(RST_STREAM, 0, 1, &8u32.to_be_bytes()));
    assert_eq!(frames(&world.output), []);
    assert!(!world.over);
}

#[test]
fn it_leaves_when_the_streams_that_have_begun_have_ended() {
    let mut world = World::open();
    let head = block(&request("GET", "/"));
    world.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    world.output.clear();
    world.session.leave();
    world.go_on();
    let kinds =
        |world: &World| -> Vec<u8> { frames(&world.output).iter().map(|frame| frame.0).collect() };
    assert_eq!(kinds(&world), [GOAWAY, PING]);
    let last_stream = &world.output[9..13];
    assert_eq!(last_stream, (u32::MAX >> 1).to_be_bytes());
    let ping = world.output[world.output.len() - 8..].to_vec();
    // The client has sent a request before it received that.
    world.receive(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &head));
    assert_eq!(world.arrived.len(), 2);
    world.output.clear();
    world.receive(&frame(PING, 1, 0, &ping));
    assert_eq!(kinds(&world), [GOAWAY]);
    assert_eq!(world.output[9..13], 3u32.to_be_bytes());
    assert!(!world.over);
    for arrived in &mut world.arrived {
        let answer = http_types::Response::new(());
        drop(arrived.answer.send_response(answer, true));
    }
    world.arrived.clear();
    world.go_on();
    assert!(world.over);
}

#[test]
fn what_is_no_request_ends_its_stream_or_the_connection() {
    let mut world = World::open();
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    world.receive(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &block(&connect),
    ));
    assert!(world.requests()[0].0.starts_with("CONNECT a:443 HTTP/1.1"));
    world.output.clear();
    let mut fields = request("GET", "/");
    fields.push(("connection", "close"));
    world.receive(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        3,
        &block(&fields),
    ));
    assert_eq!(frames(&world.output), [(RST_STREAM, 0, 3)]);
    world.output.clear();
    world.receive(&frame(DATA, 0, 0, b"no stream"));
    assert!(world.over);
    assert_eq!(frames(&world.output)[0].0, GOAWAY);

    let mut world = World::new(&LIMITS);
    world.receive(b"GET / HTTP/1.1\r\n\r\n      ");
    assert!(world.over);
}

#[test]
fn a_value_with_spaces_around_it_is_malformed() {
    let mut world = World::open();
    for (n, value) in [" b", "b ", "\tb", "b\t", " "].into_iter().enumerate() {
        world.output.clear();
        let stream = 2 * n as u32 + 1;
        let mut fields = request("GET", "/");
        fields.push(("x-a", value));
        world.receive(&frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &block(&fields),
        ));
        assert_eq!(
            frames(&world.output),
            [(RST_STREAM, 0, stream)],
            "{value:?}"
        );
        assert!(world.output.ends_with(&1u32.to_be_bytes()));
    }
    let mut fields = request("GET", "/");
    fields.extend([("x-a", "b \tc"), ("x-b", "")]);
    world.receive(&frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        21,
        &block(&fields),
    ));
    assert!(!world.over && world.requests().len() == 1);
}

#[test]
fn a_flood_is_told_to_calm_down() {
    let mut world = World::open();
    world.output.clear();
    let flood = frame(PING, 0, 0, b"12345678").repeat(2_000);
    world.receive(&flood);
    assert!(world.over);
    assert_eq!(frames(&world.output), [(GOAWAY, 0, 0)]);
    assert_eq!(world.output[13..17], 0xbu32.to_be_bytes());
    // What came with the preface is counted once.
    let mut session = Session::new(&LIMITS, Waker::noop().clone(), 0);
    session.input.extend_from_slice(PREFACE);
    session.admit(0);
    session.input.extend_from_slice(&frame(SETTINGS, 0, 0, &[]));
    session.admit(0);
    session.input.extend_from_slice(&flood);
    session.admit(0);
    assert!(matches!(
        session.next(),
        SessionStep::Over(Some(h2::Reason::ENHANCE_YOUR_CALM))
    ));
}

#[test]
fn what_is_wrong_has_the_same_code_on_the_wire_and_in_the_log() {
    use h2::Reason;
    let get = block(&request("GET", "/"));
    let post = frame(HEADERS, END_HEADERS, 1, &block(&request("POST", "/")));
    let window = 0x7fff_ffff_u32.to_be_bytes();
    // h2 sends the general code where a frame, a setting or a head cannot be read.
    let wrong = [
        (
            frame(WINDOW_UPDATE, 0, 0, &window),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            [&post[..], &frame(DATA, 0, 1, &vec![0; 16_384]).repeat(410)].concat(),
            Reason::FLOW_CONTROL_ERROR,
        ),
        (
            frame(PING, 0, 0, &vec![0; 16_385]),
            Reason::FRAME_SIZE_ERROR,
        ),
        (frame(PING, 0, 0, b"1234567"), Reason::PROTOCOL_ERROR),
        (
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
            Reason::PROTOCOL_ERROR,
        ),
        (
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 9]),
            Reason::PROTOCOL_ERROR,
        ),
        (frame(DATA, 0, 1, b"x"), Reason::PROTOCOL_ERROR),
        (
            frame(HEADERS, END_HEADERS | END_STREAM, 2, &get),
            Reason::PROTOCOL_ERROR,
        ),
    ];
    for (bytes, reason) in wrong {
        let mut world = World::open();
        world.output.clear();
        world.receive(&bytes);
        assert_eq!(frames(&world.output), [(GOAWAY, 0, 0)]);
        assert_eq!(world.output[13..17], u32::from(reason).to_be_bytes());
        assert_eq!((world.over, world.reason), (true, Some(reason)));
    }
}

#[test]
fn empty_pieces_of_bodies_do_not_use_up_a_connection() {
    let mut world = World::open();
    let head = block(&request("POST", "/"));
    for n in 0..300 {
        let stream = 2 * n + 1;
        world.receive(&frame(HEADERS, END_HEADERS, stream, &head));
        let piece = frame(DATA, 0, stream, &[]);
        world.receive(&piece[..4]);
        world.receive(&piece[4..]);
        world.receive(&frame(DATA, END_STREAM, stream, b"x"));
        let mut arrived = world.arrived.remove(0);
        drop(
            arrived
                .answer
                .send_response(http_types::Response::new(()), true),
        );
        assert!(!world.over, "request {n}");
    }
}

#[test]
fn a_websocket_is_a_get_that_upgrades() {
    let mut world = World::open();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", "/chat"),
        ("sec-websocket-version", "13"),
    ];
    world.receive(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    let (head, content, ..) = world.requests().remove(0);
    assert_eq!(content, BodyPresence::None);
    assert!(world.arrived[0].body.is_some());
    assert_eq!(
        head,
        "GET /chat HTTP/1.1\r\nhost: example.org\r\nsec-websocket-version: 13\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
}
