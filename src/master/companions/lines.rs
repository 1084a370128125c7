//! From the bytes that a companion prints to lines of the log: cut where they are long, and only so many a second.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Of one line; the rest of it is left out.
pub const LONGEST_LINE: usize = 2048;
/// More lines than that are counted, and not logged.
const LINES_A_SECOND: u32 = 1000;
/// More bytes than that are not even read: the companion waits, as it would for a slow terminal.
const BYTES_A_SECOND: usize = 4 << 20;
/// Of a program that has ended, lines that are logged in any case: they say why.
const LAST_LINES: usize = 50;
const SECOND: Duration = Duration::from_secs(1);

/// What has come of its last line, and what it may still say in this second.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    /// The rest of the line is left out.
    cuts: bool,
    /// When the second began that is counted, monotonic.
    began: Duration,
    logged: u32,
    bytes: usize,
    dropped: u64,
    /// The last of those.
    last: VecDeque<String>,
}

/// What a program that goes on in this one's place is to know of them. What may still be said in this second is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialLine {
    bytes: Vec<u8>,
    cuts: bool,
    dropped: u64,
}

impl PartialLine {
    pub fn into_lines(self) -> Lines {
        let mut partial = self.bytes;
        partial.truncate(LONGEST_LINE);
        Lines {
            partial,
            cuts: self.cuts,
            dropped: self.dropped,
            ..Lines::default()
        }
    }
}

impl Lines {
    pub fn partial(&self) -> PartialLine {
        PartialLine {
            bytes: self.partial.clone(),
            cuts: self.cuts,
            dropped: self.dropped,
        }
    }

    /// How much may be read now; 0: nothing before `resumes`.
    pub fn allowance(&mut self, now: Duration) -> usize {
        if now.saturating_sub(self.began) >= SECOND {
            (self.began, self.logged, self.bytes) = (now, 0, 0);
        }
        BYTES_A_SECOND.saturating_sub(self.bytes)
    }

    /// When something is to be done though nothing comes: lines were dropped, or nothing more was read.
    pub fn resumes(&self) -> Option<Duration> {
        let waits = self.bytes >= BYTES_A_SECOND || self.dropped > 0;
        waits.then_some(self.began + SECOND)
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= BYTES_A_SECOND
    }

    /// How many lines were dropped, once their second is over.
    pub fn dropped(&mut self, now: Duration) -> Option<u64> {
        let over = now.saturating_sub(self.began) >= SECOND;
        (over && self.dropped > 0).then(|| {
            self.last = VecDeque::new();
            std::mem::take(&mut self.dropped)
        })
    }

    /// Calls `log` with each line that is complete.
    pub fn push(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
        self.bytes = self.bytes.saturating_add(bytes.len());
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.add(end);
                    self.end_line(&mut log);
                }
                None => self.add(part),
            }
        }
    }

    /// No more bytes will come: what was begun is a line. The last ones of those that were to be dropped are logged. Also how many were
    /// dropped.
    pub fn end(&mut self, mut log: impl FnMut(&str)) -> u64 {
        if !self.partial.is_empty() {
            self.end_line(&mut log);
        }
        let last = std::mem::take(&mut self.last);
        last.iter().for_each(|line| log(line));
        std::mem::take(&mut self.dropped).saturating_sub(last.len() as u64)
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE - self.partial.len();
        self.cuts |= bytes.len() > room;
        self.partial.extend(bytes.iter().take(room));
    }

    fn end_line(&mut self, mut log: impl FnMut(&str)) {
        let line = std::mem::take(&mut self.partial);
        let cuts = std::mem::take(&mut self.cuts);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        let text = if cuts {
            // A character that was cut in two would be shown as damaged.
            Cow::Owned(format!("{}...", text.trim_end_matches('\u{fffd}')))
        } else {
            Cow::Borrowed(text)
        };
        if self.logged < LINES_A_SECOND {
            self.logged += 1;
            log(&text);
            return;
        }
        self.dropped += 1;
        if self.last.len() == LAST_LINES {
            self.last.pop_front();
        }
        self.last.push_back(text.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(lines: &mut Lines, parts: &[&[u8]]) -> Vec<String> {
        let mut logged = Vec::new();
        for part in parts {
            lines.push(part, |line| logged.push(line.to_owned()));
        }
        lines.end(|line| logged.push(line.to_owned()));
        logged
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let parts: [&[u8]; 5] = [b"on", b"e\n\n  two\r", b"\nthr\xc3", b"\xa9e\xff", b" four"];
        assert_eq!(
            all(&mut Lines::default(), &parts),
            ["one", "  two", "thr\u{e9}e\u{fffd} four"]
        );
    }

    #[test]
    fn long_line_is_cut_and_the_next_one_is_whole() {
        let long = "\u{e9}".repeat(LONGEST_LINE) + "\nnext\n";
        let logged = all(&mut Lines::default(), &[b"x", long.as_bytes()]);
        assert!(logged[0].ends_with("\u{e9}...") && logged[0].len() <= LONGEST_LINE + 3);
        assert_eq!(logged[1], "next");
    }

    #[test]
    fn the_last_lines_of_a_flood_are_logged() {
        let mut lines = Lines::default();
        let mut logged = Vec::new();
        lines.push(&b"y\n".repeat(5_000), |line| logged.push(line.to_owned()));
        assert_eq!(logged.len(), 1_000);
        lines.push(b"why\nit ended", |line| logged.push(line.to_owned()));
        let dropped = lines.end(|line| logged.push(line.to_owned()));
        assert_eq!(logged.len(), 1_050);
        assert_eq!(logged[1_048..], ["why", "it ended"]);
        assert_eq!(dropped, 5_002 - 1_050);
    }

    #[test]
    fn flood_is_counted_and_the_next_second_is_heard() {
        let mut lines = Lines::default();
        let mut count = 0;
        lines.allowance(SECOND);
        for _ in 0..5 {
            lines.push(&b"y\n".repeat(400), |_| count += 1);
        }
        assert_eq!(count, LINES_A_SECOND);
        assert_eq!(lines.resumes(), Some(SECOND * 2));
        assert_eq!(lines.dropped(SECOND), None);
        assert_eq!(lines.dropped(SECOND * 2), Some(1000));
        assert!(lines.allowance(SECOND * 2) > 0 && lines.resumes().is_none());
        lines.push(b"heard\n", |line| assert_eq!(line, "heard"));
    }

    #[test]
    fn what_is_too_much_is_not_read() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; BYTES_A_SECOND], |_| {});
        assert_eq!(lines.allowance(SECOND / 2), 0);
        assert_eq!(lines.resumes(), Some(SECOND));
        assert!(lines.allowance(SECOND) > 0);
        assert_eq!(lines.partial.len(), LONGEST_LINE);
    }

    proptest! {
        #[test]
        fn another_program_goes_on_where_it_was(bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\xc3\xa9\xff".to_vec()), 0..200), at in any::<prop::sample::Index>()) {
            let at = at.index(bytes.len() + 1);
            let whole = all(&mut Lines::default(), &[&bytes]);
            let mut before = Lines::default();
            let mut logged = Vec::new();
            before.push(&bytes[..at], |line| logged.push(line.to_owned()));
            let text = serde_json::to_string(&before.partial()).expect("it has a form");
            let kept: PartialLine = serde_json::from_str(&text).expect("just written");
            logged.extend(all(&mut kept.into_lines(), &[&bytes[at..]]));
            prop_assert_eq!(whole, logged);
        }

        #[test]
        fn split_makes_no_difference(bytes in prop::collection::vec(prop::sample::select(b"ab\n\r\xc3\xa9\xff".to_vec()), 0..200), at in any::<prop::sample::Index>()) {
            let at = at.index(bytes.len() + 1);
            let whole = all(&mut Lines::default(), &[&bytes]);
            let split = all(&mut Lines::default(), &[&bytes[..at], &bytes[at..]]);
            prop_assert_eq!(whole, split);
        }
    }
}
