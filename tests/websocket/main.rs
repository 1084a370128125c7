//! `websocket` held to its rules from outside: any split of the bytes means the same, every message arrives, whatever bytes
//! come.

mod client;
mod support;

use std::sync::Arc;

use client::Client;
use proptest::prelude::*;
use rgun::sys::clock::thread_cpu;
use rgun::websocket::{
    Codecs, Deflate, Message, MessageKind, OutgoingStep, WebSocketConnection, WebSocketEvent,
};
use support::{FIN, RSV1, Seen, converse, frame};

const LIMIT: usize = 100_000;

fn plain() -> WebSocketConnection {
    WebSocketConnection::new(b"", LIMIT, None)
}

fn compressed(offer: &str) -> WebSocketConnection {
    let deflate = Deflate::negotiate([offer.as_bytes()]).expect("an offer that can be taken");
    WebSocketConnection::new(b"", LIMIT, Some((deflate, Arc::new(Codecs::default()))))
}

/// Mostly frames that mean something, in any order.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        4 => Just(FIN | 1), 4 => Just(FIN | 2), 3 => Just(1), 3 => Just(2), 3 => Just(0), 4 => Just(FIN),
        2 => Just(FIN + 9), 1 => Just(FIN + 10), 1 => Just(FIN + 8), 1 => Just(FIN | RSV1 | 1), 1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        "[a-z]{0,20}".prop_map(String::into_bytes),
        "\\PC{0,80}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
    ];
    let frame = (first, any::<[u8; 4]>(), payload)
        .prop_map(|(first, mask, data)| frame(first, mask, &data));
    prop_oneof![9 => frame, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #[test]
    fn any_split_means_the_same(frames in prop::collection::vec(frames(), 1..12), size in 1usize..60) {
        let bytes = frames.concat();
        for make in [plain, || compressed("permessage-deflate; client_max_window_bits")] {
            let whole = converse(&mut make(), [&bytes[..]]);
            prop_assert_eq!(whole, converse(&mut make(), bytes.chunks(size)));
        }
    }

    #[test]
    fn fragments_are_one_message(data in prop::collection::vec(any::<u8>(), 0..2000), cuts in prop::collection::vec(0usize..2000, 0..5), mask: [u8; 4]) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(data.len())).collect();
        cuts.sort_unstable();
        let mut bytes = Vec::new();
        let mut from = 0;
        for (number, cut) in cuts.iter().copied().chain([data.len()]).enumerate() {
            let first = if number == 0 { 2 } else { 0 } | if number == cuts.len() { FIN } else { 0 };
            bytes.extend(frame(first, mask, &data[from..cut]));
            bytes.extend(frame(FIN | 9, mask, b"between"));
            from = cut;
        }
        let seen = converse(&mut plain(), [&bytes[..]]);
        prop_assert_eq!(seen.iter().filter(|seen| matches!(seen, Seen::Ping(_))).count(), cuts.len() + 1);
        prop_assert!(seen.contains(&Seen::Message(MessageKind::Binary, data)));
    }

    #[test]
    fn text_is_taken_as_std_would(data in prop::collection::vec(prop_oneof![Just(0xe2u8), Just(0x82), Just(0xac), Just(0xf0), Just(0x9f), Just(0x80), Just(0xed), Just(0xf4), Just(b'a'), any::<u8>()], 0..12), cut in 0usize..12) {
        let cut = cut.min(data.len());
        let bytes = [frame(1, [1, 2, 3, 4], &data[..cut]), frame(FIN, [5, 6, 7, 8], &data[cut..])].concat();
        let expected = if std::str::from_utf8(&data).is_ok() { Seen::Message(MessageKind::Text, data) } else { Seen::Failed(1007) };
        prop_assert_eq!(converse(&mut plain(), bytes.chunks(1)), vec![expected]);
    }

    /// Shared states with a dictionary against states of the connection's own, in both directions.
    #[test]
    fn compressed_messages_arrive(
        messages in prop::collection::vec(prop_oneof![
            "[a-d]{0,200}".prop_map(String::into_bytes),
            ("[a-f]{1,8}", 1usize..3000).prop_map(|(text, count)| text.repeat(count).into_bytes()),
            prop::collection::vec(any::<u8>(), 0..6000),
        ], 1..8),
        server_bits in 9u8..=12, client_bits in 9u8..=15, server_takeover: bool,
    ) {
        let mut offer = format!("permessage-deflate; server_max_window_bits={server_bits}; client_max_window_bits={client_bits}");
        if !server_takeover {
            offer.push_str("; server_no_context_takeover");
        }
        let mut connection = compressed(&offer);
        // A second connection on the same states, between the messages of the first.
        let deflate = Deflate::negotiate([offer.as_bytes()]).expect("as above");
        let codecs = Arc::new(Codecs::default());
        let mut first = WebSocketConnection::new(b"", LIMIT, Some((deflate, codecs.clone())));
        let mut other = WebSocketConnection::new(b"", LIMIT, Some((deflate, codecs)));
        std::mem::swap(&mut connection, &mut first);
        let mut client = Client::new(server_bits, client_bits.min(12));
        let mut neighbour = Client::new(server_bits, client_bits.min(12));
        for message in &messages {
            let wire = frame(FIN | RSV1 | 2, [9, 8, 7, 6], &client.deflate(message));
            let seen = converse(&mut connection, wire.chunks(1000));
            prop_assert_eq!(seen, vec![Seen::Message(MessageKind::Binary, message.clone())]);
            let noise = frame(FIN | RSV1 | 2, [1; 4], &neighbour.deflate(b"noise from the neighbour"));
            converse(&mut other, [&noise[..]]);

            let (head, packed) = connection.message(MessageKind::Binary, message);
            prop_assert_eq!(head.as_bytes()[0] & RSV1 != 0, packed.is_some());
            if let Some(packed) = packed {
                if !server_takeover {
                    client.forget_received();
                }
                prop_assert_eq!(&client.inflate(&packed, message.len()), message);
            }
            other.message(MessageKind::Text, &b"to the neighbour ".repeat(10));

            // The same in steps, with others behind it, while the neighbour uses the shared states.
            let deferred = [message.clone(), b"short".to_vec(), message.repeat(5)];
            for data in &deferred {
                connection.defer(Message { kind: MessageKind::Binary, data: data.clone().into() });
            }
            let mut arrived = Vec::new();
            while connection.has_outgoing() {
                prop_assert!(!connection.sends_at_once(1));
                match connection.poll_outgoing() {
                    OutgoingStep::InProgress => drop(other.message(MessageKind::Text, &b"meanwhile ".repeat(10))),
                    OutgoingStep::Frame(head, payload) if head.as_bytes()[0] & RSV1 != 0 => {
                        if !server_takeover {
                            client.forget_received();
                        }
                        arrived.push(client.inflate(&payload, deferred[arrived.len()].len()));
                    }
                    OutgoingStep::Frame(_, payload) => arrived.push(payload.to_vec()),
                    OutgoingStep::Nothing => prop_assert!(false, "nothing, though there is something"),
                }
            }
            prop_assert_eq!(&arrived[..], &deferred[..]);
        }
    }

    #[test]
    fn any_bytes_are_survived_and_bounded(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        for mut connection in [WebSocketConnection::new(b"", 500, None), compressed("permessage-deflate")] {
            converse(&mut connection, bytes.chunks(100));
            prop_assert!(connection.buffered() <= LIMIT + 4096);
        }
    }

    #[test]
    fn corrupt_compressed_data_is_survived(mut data in prop::collection::vec(any::<u8>(), 1..400), at: prop::sample::Index, bit in 0u8..8) {
        let mut packed = Client::new(12, 12).deflate(&data);
        let at = at.index(packed.len());
        packed[at] ^= 1 << bit;
        let seen = converse(&mut compressed("permessage-deflate"), [&frame(FIN | RSV1 | 2, [0; 4], &packed)[..]]);
        prop_assert!(matches!(seen[..], [Seen::Message(..) | Seen::Failed(1007 | 1009)]), "{:?}", seen);
        data.clear();
    }
}

#[test]
fn the_limit_is_on_the_inflated_size() {
    for (size, fits) in [(LIMIT, true), (LIMIT + 1, false), (LIMIT * 50, false)] {
        let packed = Client::new(12, 12).deflate(&vec![b'x'; size]);
        let seen = converse(
            &mut compressed("permessage-deflate"),
            [&frame(FIN | RSV1 | 2, [0; 4], &packed)[..]],
        );
        assert_eq!(matches!(seen[..], [Seen::Message(..)]), fits, "{size}");
        assert_eq!(seen == [Seen::Failed(1009)], !fits, "{size}");
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut connection = plain();
    converse(&mut connection, [&frame(FIN | 1, [1; 4], b"text")[..]]);
    connection.release_input();
    assert_eq!(connection.buffered(), 0);
}

/// Compressed data in which a block is its last one, so that another stream follows; `bits` as they come on the wire.
fn final_blocks(bits: &str, count: usize) -> Vec<u8> {
    let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).collect();
    let block: Vec<u8> = bits
        .chunks(8)
        .map(|bits| {
            bits.iter()
                .rev()
                .fold(0, |byte, bit| byte << 1 | (bit - b'0'))
        })
        .collect();
    block.repeat(count)
}

const BLOCKS: [(&str, &str, &[u8]); 6] = [
    ("empty", "1 10 0000000", b""),
    (
        "empty, stored",
        "1 00 00000 0000000000000000 1111111111111111",
        b"",
    ),
    (
        "empty, with codes of its own",
        "1 01 00000 00000 0111 000 000 100 000 000 000 000 000 000 000 000 000 000 000 000 000 000 100 1 1111111 1 1101011 0 0 0",
        b"",
    ),
    ("one byte", "1 10 10010001 0000000", b"a"),
    (
        "one byte, stored",
        "1 00 00000 1000000000000000 0111111111111111 10000110",
        b"a",
    ),
    (
        "a copy from the far end of the window",
        "1 10 0000001 11101 1111111111111 0000000",
        b"www",
    ),
];

/// One final block with a whole window in it.
fn window() -> Vec<u8> {
    [&b"\x01\x00\x80\xff\x7f"[..], &vec![b'w'; 32 * 1024]].concat()
}

#[test]
fn data_behind_a_final_block_is_inflated_with_the_same_window() {
    for (name, bits, each) in BLOCKS {
        let packed = [window(), final_blocks(bits, 3)].concat();
        let seen = converse(
            &mut compressed("permessage-deflate"),
            [&frame(FIN | RSV1 | 2, [0; 4], &packed)[..]],
        );
        let expected = [&vec![b'w'; 32 * 1024][..], &each.repeat(3)].concat();
        assert!(
            seen == [Seen::Message(MessageKind::Binary, expected)],
            "{name}: {:?}",
            seen.len()
        );
    }
    // As a client without context takeover ends each message: the example of RFC 7692 §7.2.3.4.
    let packed = b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    let seen = converse(
        &mut compressed("permessage-deflate"),
        [&frame(FIN | RSV1 | 1, [0; 4], packed)[..]],
    );
    assert_eq!(seen, [Seen::Message(MessageKind::Text, b"Hello".to_vec())]);
}

/// Whatever a message is made of: a byte of it costs no more than a few times what one of an ordinary message costs.
#[test]
fn the_work_for_a_compressed_message_is_linear_in_its_bytes() {
    const SIZE: usize = 250_000;
    let cost = |packed: &[u8]| {
        let deflate = Deflate::negotiate([&b"permessage-deflate"[..]]).expect("the plain offer");
        let mut connection = WebSocketConnection::new(
            b"",
            16 * 1024 * 1024,
            Some((deflate, Arc::new(Codecs::default()))),
        );
        let wire = frame(FIN | RSV1 | 2, [0; 4], packed);
        let before = thread_cpu();
        let seen = converse(&mut connection, wire.chunks(64 * 1024));
        let took = thread_cpu().saturating_sub(before);
        assert!(matches!(seen[..], [Seen::Message(..)]));
        took
    };
    // Bytes that have no more than a Huffman code in common.
    let mut state = 1u32;
    let text: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'@' + (state >> 26) as u8
    })
    .take(SIZE * 4 / 3)
    .collect();
    let ordinary = cost(&Client::new(12, 12).deflate(&text));
    for (name, bits, _) in BLOCKS {
        // Twelve bytes that cost two tables, final or not.
        let most = if name == "empty, with codes of its own" {
            40
        } else {
            10
        };
        let blocks = final_blocks(bits, 1);
        let took = cost(&[window(), blocks.repeat(SIZE / blocks.len())].concat());
        assert!(
            took < ordinary * most,
            "{name}: {took:?} against {ordinary:?}"
        );
    }
}

proptest! {
    /// The decoder behind a final block against zlib, on what zlib makes of any data and on any other bytes.
    #[test]
    fn data_behind_a_final_block_means_what_it_means_elsewhere(
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..3000),
            ("[a-f]{1,8}", 1usize..3000).prop_map(|(text, count)| text.repeat(count).into_bytes()),
            "[a-z ]{1,2000}".prop_map(String::into_bytes),
        ],
        flip in prop::option::of((any::<prop::sample::Index>(), 0u8..8)),
        is_raw: bool,
    ) {
        let mut packed = if is_raw { data } else { Client::new(15, 15).deflate(&data) };
        if let Some((at, bit)) = flip {
            let at = at.index(packed.len());
            packed[at] ^= 1 << bit;
        }
        let (behind, alone) = inflated_in_both_places(&packed);
        prop_assert_eq!(behind, alone);
    }
}

/// Messages of several kinds of blocks, each large enough for many steps.
fn large_messages() -> Vec<(&'static str, Vec<u8>)> {
    let mut text = Vec::new();
    for number in 0..12_000 {
        text.extend_from_slice(format!("{number:x} ").as_bytes());
    }
    let blocks = |place: usize| final_blocks(BLOCKS[place].1, 600);
    let deflate = |data: &[u8]| Client::new(12, 12).deflate(data);
    vec![
        ("text", deflate(&text)),
        ("zeros", deflate(&vec![0; LIMIT])),
        ("too many zeros", deflate(&vec![0; LIMIT + 1])),
        ("tables", blocks(2)),
        ("copies", [window(), blocks(5)].concat()),
        (
            "stored",
            [b"\x00\xff\xff\x00\x00", &vec![b'w'; 0xffff][..]].concat(),
        ),
        (
            "a stored block that is cut",
            [b"\x00\xff\xff\x00\x00", &vec![b'w'; 20_000][..]].concat(),
        ),
    ]
}

/// A large message is inflated in steps of bounded work, each a poll, whichever decoder does them and however its frame
/// came; between two steps nothing else of the connection is handled.
#[test]
fn large_messages_take_steps_of_bounded_work() {
    const MOST: usize = 2 * (512 * 128 + 16 * 1024) + 64 * 1024;
    for (name, packed) in large_messages() {
        for packed in [
            [&final_blocks(BLOCKS[0].1, 1)[..], &packed].concat(),
            packed,
        ] {
            let mut bytes = frame(FIN | RSV1 | 2, [1, 2, 3, 4], &packed);
            bytes.extend(frame(FIN | 9, [0; 4], b"behind"));
            let mut connection = compressed("permessage-deflate");
            connection.input().extend_from_slice(&bytes);
            let (mut steps, mut work) = (0, 0);
            let first = loop {
                let event = connection.poll_event();
                let step = connection.take_work();
                assert!(step <= MOST, "{name}: {step}");
                work += step;
                match event {
                    WebSocketEvent::InProgress => steps += 1,
                    other => break other,
                }
            };
            assert!(steps >= work / MOST, "{name}: {steps} steps for {work}");
            assert!(steps > 2, "{name}: {steps} steps for {work}");
            let whole = converse(&mut compressed("permessage-deflate"), [&bytes[..]]);
            let parts = converse(&mut compressed("permessage-deflate"), bytes.chunks(777));
            assert!(whole == parts, "{name}");
            match first {
                WebSocketEvent::Message(message) => {
                    assert!(work >= message.data.len() + packed.len(), "{name}: {work}");
                    assert!(matches!(connection.poll_event(), WebSocketEvent::Ping(_)));
                }
                WebSocketEvent::Failed(failure) => {
                    assert_eq!(whole, [Seen::Failed(failure.code())])
                }
                other => panic!("{name}: {other:?}"),
            }
            let (behind, alone) = inflated_in_both_places(&packed);
            assert!(behind == alone, "{name}");
        }
    }
}

/// Text is checked as it is inflated: its first wrong byte ends it, and a character may be in two steps.
#[test]
fn large_text_is_checked_while_it_is_inflated() {
    let seen = |text: &[u8]| {
        let wire = frame(FIN | RSV1 | 1, [0; 4], &Client::new(12, 12).deflate(text));
        converse(&mut compressed("permessage-deflate"), [&wire[..]])
    };
    for shift in 0..3 {
        let text = [&"x".repeat(shift), &"\u{20ac}".repeat(30_000)[..]].concat();
        assert!(
            seen(text.as_bytes()) == [Seen::Message(MessageKind::Text, text.clone().into_bytes())]
        );
        let cut = &text.as_bytes()[..text.len() - 1];
        assert_eq!(seen(cut), [Seen::Failed(1007)]);
        let wrong = [b"\xff", text.as_bytes(), &vec![b'x'; LIMIT]].concat();
        assert_eq!(seen(&wrong), [Seen::Failed(1007)], "before the size");
    }
}

/// Every message with one wrong bit, so that incomplete codes, codes without symbols and data that ends anywhere come up.
#[test]
fn a_wrong_bit_behind_a_final_block_means_what_it_means_elsewhere() {
    for (text, count) in [
        ("fdcc", 2_625),
        ("baea", 2_689),
        ("c", 522),
        ("edabef", 2_201),
        ("addcce", 1_040),
        ("fb", 2_041),
        ("f", 2_365),
        ("dbadaee", 2),
    ] {
        let whole = Client::new(15, 15).deflate(text.repeat(count).as_bytes());
        for bit in 0..whole.len() * 8 {
            let mut packed = whole.clone();
            packed[bit / 8] ^= 1 << (bit % 8);
            let (behind, alone) = inflated_in_both_places(&packed);
            assert!(behind == alone, "bit {bit} of {count} times {text:?}");
        }
    }
}

/// What compressed data means behind a final block, where our decoder reads it, and at the start of a message (zlib).
fn inflated_in_both_places(packed: &[u8]) -> (Vec<Seen>, Vec<Seen>) {
    let inflated = |packed: &[u8]| {
        let wire = frame(FIN | RSV1 | 2, [0; 4], packed);
        converse(&mut compressed("permessage-deflate"), [&wire[..]])
    };
    let behind = [&final_blocks(BLOCKS[0].1, 1)[..], packed].concat();
    (inflated(&behind), inflated(packed))
}
