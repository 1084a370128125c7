//! Any bytes as frames: the same events however they are split, nothing held above the limit. Any bytes as a compressed
//! message, and as a message of ours that a client has to get back.

#[path = "../../../tests/websocket/support.rs"]
mod support;

use std::sync::{Arc, LazyLock};

use crate::websocket::{Codecs, Deflate, MessageKind, WebSocketConnection};
use support::{FIN, RSV1, Seen, converse, frame};

pub const SEEDS: &[&[u8]] = &[
    b"\x00\x81\x85\0\0\0\0hello",
    b"\x00\x01\x83\x01\x02\x03\x04abc\x80\x80\x01\x02\x03\x04\x88\x82\0\0\0\0\x03\xe8",
    b"\x01\x89\x84\0\0\0\0ping\x8a\x80\0\0\0\0",
    b"\x02\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00",
];

const LIMIT: usize = 4096;

static CODECS: LazyLock<Arc<Codecs>> = LazyLock::new(Arc::default);

pub fn run(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let deflate = Deflate::negotiate([&b"permessage-deflate; client_max_window_bits"[..]])
        .map(|agreed| (agreed, CODECS.clone()))
        .filter(|_| choice & 1 == 0);
    let make = || WebSocketConnection::new(b"", LIMIT, deflate.clone());
    let whole = converse(&mut make(), [bytes]);
    let size = 1 + usize::from(choice >> 2) % 40;
    let mut split = make();
    assert_eq!(whole, converse(&mut split, bytes.chunks(size)));
    assert!(split.buffered() <= LIMIT + 16);
    for seen in &whole {
        if let Seen::Message(_, message) = seen {
            assert!(message.len() <= LIMIT);
        }
    }
    if choice & 2 == 0 {
        converse(&mut make(), [&frame(FIN | RSV1 | 2, [0; 4], bytes)[..]]);
    }
    offers(bytes);
    there_and_back(bytes);
}

/// Messages of ours come back whole, each with the ones before as its dictionary.
fn there_and_back(bytes: &[u8]) {
    let agreed = Deflate::negotiate([&b"permessage-deflate; client_max_window_bits=12"[..]]);
    let deflate = agreed.map(|agreed| (agreed, CODECS.clone()));
    let mut ours = WebSocketConnection::new(b"", LIMIT, deflate.clone());
    let mut client = WebSocketConnection::new(b"", LIMIT, deflate);
    for message in bytes
        .chunks(1 + bytes.len() / 3)
        .map(|part| &part[..part.len().min(LIMIT)])
    {
        let (_, compressed) = ours.message(MessageKind::Binary, message);
        let frame = match compressed {
            Some(compressed) => frame(FIN | RSV1 | 2, [7; 4], &compressed),
            None => frame(FIN | 2, [7; 4], message),
        };
        let seen = converse(&mut client, [&frame[..]]);
        assert_eq!(seen, [Seen::Message(MessageKind::Binary, message.to_vec())]);
    }
}

/// What is agreed is what was offered, and can be said in a header field.
fn offers(bytes: &[u8]) {
    if let Some(agreed) = Deflate::negotiate([bytes]) {
        let answer = agreed.to_string();
        assert!(answer.starts_with("permessage-deflate"));
        assert!(answer.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
}
