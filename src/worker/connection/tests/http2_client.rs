//! A client of HTTP/2, by frames.

use super::world::{Client, World};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const WINDOW_UPDATE: u8 = 8;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

pub fn request(flags: u8, stream: u32, method: &str) -> Vec<u8> {
    let pseudo = [
        (":method", method),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/"),
    ];
    head(flags, stream, &pseudo)
}

/// Fields, literal and without a table (RFC 7541 §6.2.2).
pub fn head(flags: u8, stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
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

pub fn world(settings: &[(&str, &str)]) -> World {
    World::with(&[&[("http2", "prior-knowledge")], settings].concat())
}

pub fn connect(world: &mut World) -> Client {
    let client = world.connect(1 << 20);
    let first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    client
        .far
        .send(&[first, &frame(SETTINGS, 0, 0, &[])[..]].concat());
    world.settle();
    client
}

/// Types and streams of the frames that the client gets, and of RST_STREAM the code.
pub fn received(client: &Client) -> Vec<(u8, u32, Option<u32>)> {
    frames(&client.far.take(usize::MAX))
}

/// Of whole frames.
pub fn frames(bytes: &[u8]) -> Vec<(u8, u32, Option<u32>)> {
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
