//! Any bytes as messages between master and worker: what is understood is what was meant, and it never grows.

use crate::ipc::codec::{LONGEST, WireMessage};
use crate::ipc::{DrainReason, FromWorker, Phase, ToWorker};

pub const SEEDS: &[&[u8]] = &[
    b"\x01",
    b"\x02\x01\x10\x27\0\0\0\0\0\0",
    b"\x04\x02\x01\0\0\0a\x02\0\0\0bc",
    b"\x05\x01\0\0\0\0\0\0\0\x04\0\0\0text",
    b"\x06\x01\0\0\0\0\0\0\0",
];

pub fn run(data: &[u8]) {
    again::<ToWorker>(data);
    again::<FromWorker>(data);
    let text = String::from_utf8_lossy(data).into_owned();
    let number = data.len() as u64;
    for message in [
        FromWorker::Failed {
            phase: Phase::Load,
            summary: text.clone(),
            traceback: text.clone(),
        },
        FromWorker::Stacks { number, text },
    ] {
        let bytes = message.encode();
        assert!(bytes.len() <= LONGEST);
        let back = FromWorker::decode(&bytes);
        assert!(data.len() > 4096 || back.is_ok_and(|back| back == message));
    }
    let drain = ToWorker::Drain {
        reason: DrainReason::Replaced,
        graceful_ms: number,
    };
    assert!(ToWorker::decode(&drain.encode()).is_ok_and(|back| back == drain));
}

fn again<M: WireMessage + PartialEq + std::fmt::Debug>(data: &[u8]) {
    if data.len() > LONGEST {
        return;
    }
    if let Ok(message) = M::decode(data) {
        assert_eq!(message.encode(), data, "{message:?}");
    }
}
