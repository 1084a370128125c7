//! Floods: no client gets more than its share of a turn.

use bytes::Bytes;

use super::stories::{GET, everything, statuses};
use super::world::{Client, World, answer, body};
use crate::websocket::MessageKind;
use crate::worker::connection::share::STEPS;
use crate::worker::exchange::Backpressure;
use crate::worker::transport::Far;
use crate::worker::websocket::{WebSocketHandle, WebSocketReceived};

fn websocket(world: &mut World) -> Client {
    compressing_websocket(world, "").0
}

/// With a field of the client's handshake; the app's side too.
fn compressing_websocket(world: &mut World, field: &str) -> (Client, WebSocketHandle) {
    open_websocket(world, field, 1 << 20)
}

/// Its client's kernel takes `room` bytes that it does not read.
pub(super) fn open_websocket(
    world: &mut World,
    field: &str,
    room: usize,
) -> (Client, WebSocketHandle) {
    let client = world.connect(room);
    client.far.send(
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    client.far.send(field.as_bytes());
    client.far.send(b"\r\n");
    world.settle();
    let exchange = world.request();
    let socket = WebSocketHandle { exchange };
    socket.receive();
    socket.accept(None, []).expect("a client");
    everything(&client.far);
    (client, socket)
}

/// Masked, with an empty payload.
fn frames(opcode: u8, count: usize) -> Vec<u8> {
    [0x80 | opcode, 0x80, 1, 2, 3, 4].repeat(count)
}

#[test]
fn a_flood_of_pings_gets_its_share_of_each_turn_and_all_its_pongs_in_the_end() {
    let mut world = World::new();
    let client = websocket(&mut world);
    client.far.send(&frames(9, 600));
    world.turn();
    let pongs = everything(&client.far).len() / 2;
    assert!((1..=2 * usize::from(STEPS)).contains(&pongs), "{pongs}");
    world.settle();
    assert_eq!(pongs + everything(&client.far).len() / 2, 600);
}

#[test]
fn many_floods_share_a_turn_and_others_are_served_in_each() {
    const CLIENTS: usize = 60;
    const PINGS: usize = 2_000;
    let mut world = World::new();
    let other = world.connect(1 << 20);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| websocket(&mut world)).collect();
    for client in &clients {
        client.far.send(&frames(9, PINGS));
    }
    let mut pongs = vec![0; CLIENTS];
    let mut most = 0;
    let mut turns = 0;
    while pongs.iter().any(|pongs| *pongs < PINGS) {
        other.far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.turn();
        answer(&world.request(), b"").expect("a client");
        assert_eq!(statuses(&other.far), [200]);
        let before: usize = pongs.iter().sum();
        for (pongs, client) in pongs.iter_mut().zip(&clients) {
            *pongs += everything(&client.far).len() / 2;
        }
        if turns > 1 {
            most = most.max(pongs.iter().sum::<usize>() - before);
        }
        turns += 1;
        let (least, most) = (pongs.iter().min().unwrap(), pongs.iter().max().unwrap());
        assert!(most - least <= 2 * usize::from(STEPS), "{least} {most}");
        assert!(turns < 1_000, "{least} of {PINGS} after {turns} turns");
    }
    // In place of a share for each of them. Pings of one client come twice in two reads.
    assert!(most <= 8 * usize::from(STEPS), "{most}");
}

/// A masked frame with a compressed message.
fn compressed(packed: &[u8]) -> Vec<u8> {
    let length = (packed.len() as u64).to_be_bytes();
    let head = match packed.len() {
        ..=0xffff => [&[0xc2, 0xfe], &length[6..]].concat(),
        _ => [&[0xc2, 0xff], &length[..]].concat(),
    };
    [&head[..], &[0; 4], packed].concat()
}

/// Blocks of eleven bytes, each with tables of its own and nothing else.
fn empty_blocks(count: usize) -> Vec<u8> {
    // Eight of them are 90 bytes; the first begins with a byte again.
    let bits = "0 01 00000 00000 0111 000 000 100 000 000 000 000 000 000 000 000 000 000 000 000 \
                000 000 100 1 1111111 1 1101011 0 0 0";
    let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).collect();
    bits.repeat(8)
        .chunks(8)
        .map(|bits| (bits.iter().rev()).fold(0, |byte, bit| byte << 1 | (bit - b'0')))
        .collect::<Vec<u8>>()
        .repeat(count / 8)
}

#[test]
fn a_large_message_is_inflated_over_many_turns_and_others_are_served_in_each() {
    let mut zeros = zlib_rs::Deflate::new(9, false, 15);
    let mut bomb = vec![0; 20_000];
    (zeros.compress(
        &vec![0; 8 << 20],
        &mut bomb,
        zlib_rs::DeflateFlush::SyncFlush,
    ))
    .expect("room");
    bomb.truncate(zeros.total_out() as usize - 4);
    let tables = empty_blocks(60_000);
    for (packed, size, most_turns) in [
        (bomb, 8 << 20, 40),
        ([&[3, 0][..], &tables].concat(), 0, 4_000),
        (tables, 0, 4_000),
    ] {
        let mut world = World::new();
        let (client, socket) = compressing_websocket(&mut world, DEFLATE);
        let other = world.connect(1 << 20);
        client.far.send(&compressed(&packed));
        let mut turns = 0;
        let message = loop {
            other.far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            world.turn();
            answer(&world.request(), b"").expect("a client");
            assert_eq!(statuses(&other.far), [200]);
            match socket.receive() {
                WebSocketReceived::Message(message) => break message,
                WebSocketReceived::Wait => turns += 1,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(message.data.len(), size);
        assert!((7..most_turns).contains(&turns), "{turns}");
    }
}

/// The opcodes of the frames that a client got, and the bytes of their payloads.
fn received(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, rest) = match second {
            126 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            127 => {
                let length = rest[..8].try_into().expect("eight bytes");
                (u64::from_be_bytes(length) as usize, &rest[8..])
            }
            length => (usize::from(*length), rest),
        };
        frames.push((first & 15, length));
        bytes = &rest[length..];
    }
    frames
}

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

fn send(socket: &WebSocketHandle, data: &[u8]) -> Backpressure {
    let lend = || Bytes::copy_from_slice(data);
    (socket.send(MessageKind::Binary, data, lend)).expect("a client")
}

#[test]
fn a_large_message_of_the_app_is_compressed_over_many_turns_and_frames_keep_their_order() {
    let mut world = World::new();
    let (client, socket) = compressing_websocket(&mut world, DEFLATE);
    let other = world.connect(1 << 20);
    assert!(matches!(
        send(&socket, &vec![b'x'; 8 << 20]),
        Backpressure::Full
    ));
    assert!(matches!(send(&socket, b"behind"), Backpressure::Full));
    assert!(!socket.exchange.may_send());
    client.far.send(&frames(9, 1));
    let mut frames = Vec::new();
    let mut turns = 0;
    while frames.len() < 2 {
        other.far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.turn();
        answer(&world.request(), b"").expect("a client");
        assert_eq!(statuses(&other.far), [200]);
        frames.extend(received(&everything(&client.far)));
        turns += 1;
        if turns == 3 {
            socket.close(None, "").expect("open");
            assert!(socket.close(None, "").is_err());
            assert!(socket.send(MessageKind::Text, b"late", Bytes::new).is_err());
        }
    }
    assert!((20..200).contains(&turns), "{turns}");
    world.settle();
    frames.extend(received(&everything(&client.far)));
    let opcodes: Vec<u8> = frames.iter().map(|(opcode, _)| *opcode).collect();
    assert_eq!(
        opcodes,
        [10, 2, 2, 8],
        "a pong, the messages, then the close"
    );
    assert_eq!(world.heard.lock().writable, [socket.exchange.key()]);
    assert!(socket.exchange.may_send());
}

#[test]
fn many_large_messages_of_the_app_share_a_turn() {
    let mut world = World::new();
    let other = world.connect(1 << 20);
    let clients: Vec<_> = (0..40)
        .map(|_| compressing_websocket(&mut world, DEFLATE))
        .collect();
    for (_, socket) in &clients {
        send(socket, &vec![b'x'; 1 << 20]);
    }
    let mut arrived = 0;
    let mut turns = 0;
    while arrived < clients.len() {
        other.far.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        world.turn();
        answer(&world.request(), b"").expect("a client");
        assert_eq!(statuses(&other.far), [200]);
        arrived += (clients.iter())
            .map(|(client, _)| received(&everything(&client.far)).len())
            .sum::<usize>();
        turns += 1;
    }
    // Each message is five shares, and a turn has time for four or five of them.
    assert!((30..100).contains(&turns), "{turns}");
}

#[test]
fn the_clients_close_is_answered_behind_the_messages_of_the_app() {
    let mut world = World::new();
    let (client, socket) = compressing_websocket(&mut world, DEFLATE);
    send(&socket, &vec![b'x'; 2 << 20]);
    client.far.send(&frames(8, 1));
    world.turn();
    assert!(matches!(socket.receive(), WebSocketReceived::Disconnect(_)));
    world.settle();
    let opcodes: Vec<u8> = (received(&everything(&client.far)).iter())
        .map(|(opcode, _)| *opcode)
        .collect();
    assert_eq!(opcodes, [2, 8]);
}

#[test]
fn an_app_that_waits_goes_on_when_the_client_of_a_large_message_has_gone() {
    for gone in [Far::reset, Far::end] {
        let mut world = World::new();
        let (client, socket) = compressing_websocket(&mut world, DEFLATE);
        send(&socket, &vec![b'x'; 2 << 20]);
        assert!(!socket.exchange.may_send());
        gone(&client.far);
        world.settle();
        assert_eq!(world.heard.lock().writable, [socket.exchange.key()]);
        assert!(socket.exchange.may_send());
        assert!(matches!(socket.receive(), WebSocketReceived::Disconnect(_)));
    }
}

#[test]
fn a_flood_of_pipelined_requests_that_are_answered_at_once() {
    let mut world = World::new();
    let client = world.connect(1 << 20);
    client.far.send(&GET.repeat(100));
    let mut turns = 0;
    let mut answered = 0;
    while answered < 100 {
        world.turn();
        turns += 1;
        // As a task that starts eagerly: each response triggers the next request.
        while let Some((exchange, _)) = world.requests().pop() {
            answer(&exchange, b"").expect("a client");
            answered += 1;
        }
        assert!(
            turns < 100,
            "the message is not complete after {turns} turns"
        );
    }
    assert!(turns >= 100 / usize::from(STEPS));
    assert_eq!(statuses(&client.far).len(), 100);
}

#[test]
fn a_flood_of_chunks_of_one_byte_and_bytes_behind_a_refusal() {
    let mut world = World::new();
    let chunks = world.connect(10_000);
    chunks
        .far
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    world.settle();
    let exchange = world.request();
    let refused = world.connect(10_000);
    refused.far.send(b"NONSENSE\r\n\r\n");
    world.settle();
    for _ in 0..1_000 {
        refused.far.send(b"x");
    }
    chunks.far.send(&b"1\r\nx\r\n".repeat(600));
    world.turn();
    assert!(
        chunks.kept().1 <= 3 * usize::from(STEPS),
        "{:?}",
        chunks.kept()
    );
    assert!(refused.far.unread() >= 1_000 - 2 * usize::from(STEPS));
    world.settle();
    assert_eq!(body(&exchange).0.len(), 600);
    assert_eq!(refused.far.unread(), 0);
}
