//! What libFuzzer asks for a minute, asked for a moment: the beginnings, what was found once, and some thousands of mutations.

use rgun_fuzz::targets::ALL;

/// Inputs that once broke a target.
const FOUND: &[(&str, &[u8])] = &[
    (
        "forwarded",
        b"X-Forwarded-Host: a.example:\nX-Forwarded-Port: 8443",
    ),
    ("http", b"\x07GEt p:\xd1 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("response", b"\x00\xc8content-type:te\x07t/plain\n\nhello"),
];

/// xorshift64: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len());
        match self.below(6) {
            0 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
            1 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            2 => bytes.insert(at, b"\r\n\0 ,;:=\"\\0\xff"[self.below(12)]),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            _ => bytes.extend_from_slice(&other[self.below(other.len())..]),
        }
    }
}

#[test]
fn every_target_holds_for_a_moment() {
    for (name, seeds, run) in ALL {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for seed in *seeds {
            run(seed);
            for _ in 0..2_000 {
                let mut bytes = seed.to_vec();
                for _ in 0..=random.below(8) {
                    let other = seeds[random.below(seeds.len())];
                    random.mutate(&mut bytes, other);
                }
                let shown = bytes.clone();
                let done = std::panic::catch_unwind(move || run(&bytes));
                assert!(done.is_ok(), "{name}: {}", shown.escape_ascii());
            }
        }
    }
}

#[test]
fn what_was_found_once_holds() {
    for (name, input) in FOUND {
        let (_, _, run) = ALL
            .iter()
            .find(|(known, ..)| known == name)
            .expect("a target");
        run(input);
    }
}
