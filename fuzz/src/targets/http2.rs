//! Any bytes as a client of HTTP/2 sends them: a stream is the same request however they are split, in a form that the checks of
//! HTTP/1.1 read to its end, and no request comes after the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Wake, Waker};

use bytes::BytesMut;

use crate::http::{Connection, HttpEvent, Policy};
use crate::http2::{Arrived, Http2Limits, Preface, Session, SessionStep, preface, response_head};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte chooses the pieces; the preface comes before the rest.
pub const SEEDS: &[&[u8]] = &[
    // Settings, a GET, a ping.
    b"\x00\0\0\0\x04\0\0\0\0\0\0\0\x07\x01\x05\0\0\0\x01\x82\x84\x87\x41\x01a\x0f\x2b\0\0\x08\x06\0\0\0\0\0pingpong",
    // A POST with a body in two pieces, and trailers.
    b"\x06\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x04\0\0\0\x01\x83\x84\x87\x41\x01a\0\0\x02\0\0\0\0\0\x01ab\
      \0\0\x02\0\x08\0\0\0\x01\x00c\0\0\x05\x01\x05\0\0\0\x01\0\x01x\x01y",
    // A head in two frames, a window, a reset, a goodbye.
    b"\x02\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x01\0\0\0\x01\x82\x84\x87\0\0\x03\x09\x04\0\0\0\x01\x41\x01a\
      \0\0\x04\x08\0\0\0\0\0\0\0\0\x64\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0",
    // RFC 8441.
    b"\x01\0\0\0\x04\0\0\0\0\0\0\0\x21\x01\x04\0\0\0\x01\x42\x07CONNECT\x40\x09:protocol\x09websocket\x84\x87\x41\x01a",
    // Settings that make the table and the windows small.
    b"\x03\0\0\x0c\x04\0\0\0\0\0\0\x01\0\0\0\0\0\x04\0\0\0\x01\0\0\x07\x01\x05\0\0\0\x03\x82\x84\x87\x41\x01a\x90",
];

const LIMITS: Http2Limits = Http2Limits {
    concurrent_streams: 4,
    stream_window: 65_535,
    frame_size: 16_384,
    header_list_size: 4_096,
    websockets: true,
};

/// What one pass may leave: the requests of an input are few, and each is answered with little.
const ROOM: usize = 64 * 1024;

struct NoWaker;

impl Wake for NoWaker {
    fn wake(self: Arc<Self>) {}
}

/// Heads by the number of their stream.
type Requests = BTreeMap<u32, Vec<u8>>;

pub fn run(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let bytes = [PREFACE, rest].concat();
    assert_eq!(preface(&bytes), Preface::Http2);
    let whole = converse([&bytes[..]]);
    let size = 1 + usize::from(choice >> 2) % 40;
    let split = converse(bytes.chunks(size));
    // An error may come before requests in front of it that were not taken yet: only what came in both is the same.
    for (number, head) in &whole {
        assert!(split.get(number).is_none_or(|other| other == head));
        examine(head);
    }
    answers(rest);
}

fn converse<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Requests {
    let mut session = Session::new(&LIMITS, Waker::from(Arc::new(NoWaker)), 0);
    let mut requests = Requests::new();
    // They stay open, so that what follows one in the same bytes finds it as it does in later ones.
    let mut kept = Vec::new();
    let mut is_over = false;
    for piece in pieces {
        session.input.extend_from_slice(piece);
        session.admit(0);
        is_over |= go_on(&mut session, is_over, &mut kept);
    }
    session.end_input();
    go_on(&mut session, is_over, &mut kept);
    for arrived in kept {
        let twice = requests.insert(arrived.number, arrived.head.to_vec());
        assert!(twice.is_none(), "a number twice");
    }
    requests
}

/// True: the session is over.
fn go_on(session: &mut Session, was_over: bool, kept: &mut Vec<Arrived>) -> bool {
    loop {
        session.set_room(ROOM, ROOM);
        let next = session.next();
        assert!(session.take_output().len() <= 2 * ROOM);
        match next {
            SessionStep::Request(arrived) => {
                assert!(!was_over, "a request after the end");
                kept.push(arrived);
            }
            SessionStep::Idle if session.is_full() => {}
            SessionStep::Idle => return false,
            SessionStep::Over(_) => return true,
        }
    }
}

/// It is accepted or refused, and never half a head.
fn examine(head: &[u8]) {
    let policy = Arc::new(Policy::default());
    let content = crate::http::BodyPresence::None;
    let mut http = Connection::of_stream(policy, content, BytesMut::from(head));
    match http.poll_event() {
        HttpEvent::Request(_) | HttpEvent::Refused(_) => {}
        other => panic!("{other:?} of {}", head.escape_ascii()),
    }
}

/// What was serialised for HTTP/1.1 is read back, whatever it is.
fn answers(bytes: &[u8]) {
    let text = [b"HTTP/1.1 200 OK\r\n", bytes, b"\r\n\r\n"].concat();
    if let Some(head) = response_head(&text) {
        assert!(head.size <= text.len());
        let fields = head.response.headers();
        assert!(!fields.contains_key("connection") && !fields.contains_key("transfer-encoding"));
    }
}
