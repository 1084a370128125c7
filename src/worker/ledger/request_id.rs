//! Request ids: those sent by clients, and new ones.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Ledger;
use crate::config::RequestIds;
use crate::http::{self, KnownName, RequestHead};

/// Longest id accepted from a client: it is returned in the response and written to logs.
const LONGEST: usize = 128;

/// New ids of one worker: 128 bits in hexadecimal.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    pub fn new() -> Ids {
        Ids {
            seed: crate::sys::random(),
            next: AtomicU64::new(crate::sys::random()),
        }
    }

    fn make(&self) -> [u8; 32] {
        let number = self.next.fetch_add(1, Relaxed);
        // Each half is a bijection of the number, so no id repeats.
        let halves = [mixed(number), mixed(number ^ self.seed)];
        let mut id = [0; 32];
        let bytes = halves.into_iter().flat_map(u64::to_be_bytes);
        for (pair, byte) in id.chunks_exact_mut(2).zip(bytes) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            pair.copy_from_slice(&[
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]);
        }
        id
    }
}

/// SplitMix64.
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Of acceptable length, with characters that are harmless in a header field, a log line or a shell.
pub fn is_sound(id: &[u8]) -> bool {
    (1..=LONGEST).contains(&id.len())
        && id
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:;,=+/@~#".contains(byte))
}

impl Ledger {
    /// The field that carries ids, lower-cased; without `--request-id` the common one, which is only read.
    pub fn id_field(&self) -> &str {
        match &self.settings.logging.request_ids {
            RequestIds::Field(name) => name,
            RequestIds::Off => KnownName::XRequestId.as_str(),
        }
    }

    /// The request's id, if it has a valid one.
    pub fn id_of<'h>(&self, head: &'h RequestHead) -> Option<&'h str> {
        let id = head.field(self.id_field()).filter(|id| is_sound(id))?;
        std::str::from_utf8(id).ok()
    }

    /// Sets the id of the request and of its response.
    pub fn identify(&self, head: &mut RequestHead, connection: &mut http::Connection) {
        let RequestIds::Field(name) = &self.settings.logging.request_ids else {
            return;
        };
        match head.field(name).filter(|id| is_sound(id)) {
            Some(id) => connection.tag_response(name, id),
            None => {
                let id = self.ids.make();
                head.set_field(name, &id);
                connection.tag_response(name, &id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_comes_twice() {
        let ids = Ids::new();
        let made: HashSet<_> = (0..10_000).map(|_| ids.make()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| is_sound(id)));
        assert_ne!(Ids::new().make(), Ids::new().make());
    }

    #[test]
    fn what_a_client_may_bring() {
        assert!(is_sound(b"a") && is_sound(b"req-1.2:3_x") && is_sound(&[b'x'; 128]));
        for wrong in [
            &b""[..],
            &[b'x'; 129],
            b"a b",
            b"a\"b",
            b"a<b",
            b"\xff",
            b"a\tb",
        ] {
            assert!(!is_sound(wrong), "{}", wrong.escape_ascii());
        }
    }
}
