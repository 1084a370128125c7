//! Counts the frames of a client by type: a connection with too many that carry nothing is closed with ENHANCE_YOUR_CALM.
//!
//! Each of them makes work (an answer, a lookup, a wake) for nine bytes on the wire. h2 itself bounds what it has to remember: heads that do not
//! end, resets of requests that it has not handed on, empty pieces of a body.

/// RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const HEADER: usize = 9;

/// How many a client may send at once, and in how many milliseconds it earns another one.
const BURST: u32 = 1_000;
const EARNS_MS: u64 = 5;
/// For so many bytes that were written it may send one more: it has to send window updates for them.
const EARNS_BYTES: usize = 1024;

/// Of one connection.
#[derive(Debug)]
pub struct FrameBudget {
    /// The header of the current frame, as far as it has arrived.
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of its payload that are still to come.
    payload: usize,
    /// A head has begun and not ended, which other frames may not interrupt.
    in_head: bool,
    left: u32,
    /// Monotonic milliseconds up to which time was counted.
    counted: u64,
    bytes: usize,
}

/// The client has used it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp;

impl FrameBudget {
    /// After the preface, whose length is to be skipped, at `now` in monotonic milliseconds.
    pub fn new(preface: usize, now: u64) -> Self {
        Self {
            header: [0; HEADER],
            filled: 0,
            payload: preface,
            in_head: false,
            left: BURST,
            counted: now,
            bytes: 0,
        }
    }

    /// Whether the head of a request has begun and not ended.
    pub fn is_within_head(&self) -> bool {
        self.in_head || (self.payload > 0 && self.header[3] == HEADERS)
    }

    /// So many bytes were written.
    pub fn wrote(&mut self, bytes: usize) {
        self.bytes += bytes;
        let more = self.bytes / EARNS_BYTES;
        self.bytes %= EARNS_BYTES;
        self.earn(more as u64);
    }

    fn earn(&mut self, more: u64) {
        let left = u64::from(self.left).saturating_add(more);
        self.left = left.min(BURST.into()) as u32;
    }

    /// Counts the frames in `bytes`.
    pub fn spend(&mut self, mut bytes: &[u8], now: u64) -> Result<(), UsedUp> {
        let time = now.saturating_sub(self.counted);
        self.counted += time - time % EARNS_MS;
        self.earn(time / EARNS_MS);
        while !bytes.is_empty() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = (HEADER - self.filled).min(bytes.len());
            self.header[self.filled..self.filled + wanted].copy_from_slice(&bytes[..wanted]);
            self.filled += wanted;
            bytes = &bytes[wanted..];
            if self.filled == HEADER {
                self.filled = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), UsedUp> {
        let [a, b, c, kind, flags, ..] = self.header;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_head = flags & END_HEADERS == 0;
        }
        match kind {
            // These are bounded by what they carry.
            HEADERS => return Ok(()),
            DATA if self.payload > 0 => return Ok(()),
            _ => {}
        }
        self.left = self.left.checked_sub(1).ok_or(UsedUp)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 0xff);
        frame
    }

    #[test]
    fn what_carries_nothing_counts_however_it_is_split() {
        let bytes = [
            &b"preface"[..],
            &frame(DATA, 0, 5),
            &frame(DATA, 0, 0),
            &frame(6, 0, 8),
            &frame(HEADERS, END_HEADERS, 20),
            &frame(WINDOW_UPDATE, 0, 4),
        ]
        .concat();
        for split in 0..=bytes.len() {
            let mut budget = FrameBudget::new(7, 0);
            assert_eq!(budget.spend(&bytes[..split], 0), Ok(()));
            assert_eq!(budget.spend(&bytes[split..], 0), Ok(()));
            assert_eq!((budget.left, budget.is_within_head()), (BURST - 3, false));
        }
    }

    #[test]
    fn time_and_what_is_written_earn_more() {
        let mut budget = FrameBudget::new(0, 0);
        let ping = frame(6, 0, 0);
        let flood = ping.repeat(BURST as usize);
        assert_eq!(budget.spend(&flood, 0), Ok(()));
        assert_eq!(budget.spend(&ping, EARNS_MS - 1), Err(UsedUp));
        assert_eq!(budget.spend(&ping, 2 * EARNS_MS), Ok(()));
        assert_eq!(budget.spend(&ping, 2 * EARNS_MS), Ok(()));
        assert_eq!(budget.spend(&ping, 2 * EARNS_MS), Err(UsedUp));
        budget.wrote(EARNS_BYTES - 1);
        budget.wrote(1);
        assert_eq!(budget.spend(&ping, 2 * EARNS_MS), Ok(()));
        assert_eq!(
            budget.spend(&flood, u64::MAX),
            Ok(()),
            "no more than a burst"
        );
        assert_eq!(budget.spend(&ping, u64::MAX), Err(UsedUp));
    }

    #[test]
    fn a_head_is_one_whatever_it_is_cut_into() {
        let mut budget = FrameBudget::new(0, 0);
        budget
            .spend(&frame(HEADERS, END_HEADERS, 3)[..10], 0)
            .unwrap();
        assert!(budget.is_within_head());
        budget.spend(&[0; 2], 0).unwrap();
        assert!(!budget.is_within_head());
        budget.spend(&frame(HEADERS, 0, 3), 0).unwrap();
        assert!(budget.is_within_head());
        budget
            .spend(&frame(CONTINUATION, END_HEADERS, 3), 0)
            .unwrap();
        assert!(!budget.is_within_head());
        budget.spend(&frame(DATA, 0, 3)[..10], 0).unwrap();
        assert!(!budget.is_within_head());
    }
}
