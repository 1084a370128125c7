//! Any bytes as frames: the same events however they are split, nothing held above the limit; and any bytes as a compressed
//! message, against a state of its own.
#![no_main]

extern crate rgun_fuzz as rgun;

#[path = "../../tests/websocket/support.rs"]
mod support;

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use rgun::websocket::{Codecs, Connection, Deflate};
use support::{FIN, RSV1, Seen, converse, frame};

const LIMIT: usize = 4096;

static CODECS: LazyLock<Arc<Codecs>> = LazyLock::new(Arc::default);

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let deflate = Deflate::negotiate([&b"permessage-deflate; client_max_window_bits"[..]])
        .map(|agreed| (agreed, CODECS.clone()))
        .filter(|_| choice & 1 == 0);
    let make = || Connection::new(b"", LIMIT, deflate.clone());
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
});
