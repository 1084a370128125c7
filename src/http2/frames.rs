//! Counts the frames of a client by type: a connection with too many that carry nothing is closed with ENHANCE_YOUR_CALM.
//!
//! Each of them makes work (an answer, a lookup, a wake) for nine bytes on the wire. Pieces and ends of responses allow some more, because
//! clients answer them with frames of their own. h2 itself bounds what it has to remember: heads that do not end, and resets of requests that
//! it has not handed on.

use bytes::BytesMut;

use super::frame_headers::{FrameHeader, FrameHeaders, HEADER_SIZE};

/// RFC 9113 §6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// How many a client may send at once, and in how many milliseconds it earns another one.
const BURST: u32 = 1_000;
const EARNS_MS: u64 = 5;
/// For so many bytes that were written it may send one more: it has to send window updates for them.
const EARNS_BYTES: usize = 1024;
/// For each piece of a body it may send so many more, however small the piece is: a window update of the stream, one of the connection, and a ping by
/// which some clients measure the time of a round trip. They are in proportion to what the server itself has decided to send.
const EARNS_PIECE: u64 = 3;
/// For the end of a response it may send so many more: the window updates again, for one without a piece, and a reset that some clients send when a
/// stream has ended.
const EARNS_END: u64 = 3;
/// How many of them can be due: a server may be far ahead of what its client has read.
const MOST_ANSWERS: u32 = 100 * BURST;

/// Of one connection.
#[derive(Debug)]
pub struct FrameBudget {
    input: FrameHeaders,
    output: FrameHeaders,
    /// A head has begun and not ended, which other frames may not interrupt.
    in_head: bool,
    /// The current frame begins a head.
    begins_head: bool,
    /// The stream that was opened last.
    last_stream: u32,
    /// Requests whose content may still end.
    bodies: u32,
    left: u32,
    /// How many more the client may send for what was written.
    answers: u32,
    /// Monotonic milliseconds up to which time was counted.
    counted: u64,
    bytes: usize,
}

/// The client has used it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp;

/// Of the bytes that have come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountedFrames {
    pub frames: usize,
    /// Streams that the client has reset.
    pub resets: Vec<u32>,
    /// Bytes at the end that are the header of an incomplete frame, and are to stay until the rest of it has come.
    pub partial: usize,
}

impl FrameBudget {
    /// After the preface, whose length is to be skipped, at `now` in monotonic milliseconds.
    pub fn new(preface: usize, now: u64) -> Self {
        Self {
            input: FrameHeaders::after(preface),
            output: FrameHeaders::after(0),
            in_head: false,
            begins_head: false,
            last_stream: 0,
            bodies: 0,
            left: BURST,
            answers: 0,
            counted: now,
            bytes: 0,
        }
    }

    /// Whether the head of a request has begun and not ended.
    pub fn is_within_head(&self) -> bool {
        self.in_head || (self.begins_head && self.input.is_within_payload())
    }

    /// These bytes were written: whole frames in the end, of which the headers count when they are complete.
    pub fn wrote(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        let more = self.bytes / EARNS_BYTES;
        self.bytes %= EARNS_BYTES;
        self.expect_answers(more as u64);
        let mut position = 0;
        while let Some(header) = self.output.next(bytes, &mut position) {
            if header.kind == DATA && header.length > 0 {
                self.expect_answers(EARNS_PIECE);
            }
            if matches!(header.kind, DATA | HEADERS) && header.flags & END_STREAM != 0 {
                self.expect_answers(EARNS_END);
            }
        }
    }

    fn expect_answers(&mut self, more: u64) {
        let answers = u64::from(self.answers).saturating_add(more);
        self.answers = answers.min(MOST_ANSWERS.into()) as u32;
    }

    /// Counts the frames in `input` from `position`, where the last call ended, and removes those that have no effect: h2 allows few of
    /// them in the life of a connection.
    pub fn spend(
        &mut self,
        input: &mut BytesMut,
        mut position: usize,
        now: u64,
    ) -> Result<CountedFrames, UsedUp> {
        let time = now.saturating_sub(self.counted);
        self.counted += time - time % EARNS_MS;
        let left = u64::from(self.left).saturating_add(time / EARNS_MS);
        self.left = left.min(BURST.into()) as u32;
        let mut ineffective = Vec::new();
        let mut resets = Vec::new();
        let mut frames = 0;
        while let Some(header) = self.input.next(input, &mut position) {
            frames += 1;
            if self.has_no_effect(&header) {
                ineffective.push(position);
            }
            if header.kind == RST_STREAM {
                resets.push(header.stream);
            }
            self.frame(&header)?;
        }
        remove(input, &ineffective);
        let partial = self.input.partial();
        Ok(CountedFrames {
            frames,
            resets,
            partial,
        })
    }

    /// An empty piece of a body that is not the last one. On a stream that was not opened, or within a head, h2 finds the error.
    fn has_no_effect(&self, header: &FrameHeader) -> bool {
        header.kind == DATA
            && header.length == 0
            && header.flags & END_STREAM == 0
            && (1..=self.last_stream).contains(&header.stream)
            && !self.in_head
    }

    fn frame(&mut self, header: &FrameHeader) -> Result<(), UsedUp> {
        let ends_stream = header.flags & END_STREAM != 0;
        self.begins_head = header.kind == HEADERS;
        if matches!(header.kind, HEADERS | CONTINUATION) {
            self.in_head = header.flags & END_HEADERS == 0;
        }
        match header.kind {
            // These are bounded by what they carry.
            HEADERS => {
                self.last_stream = self.last_stream.max(header.stream);
                self.bodies += u32::from(!ends_stream);
                return Ok(());
            }
            DATA if header.length > 0 => return Ok(()),
            // Each request ends once.
            DATA if ends_stream && self.bodies > 0 => {
                self.bodies -= 1;
                return Ok(());
            }
            _ => {}
        }
        let source = if self.answers > 0 {
            &mut self.answers
        } else {
            &mut self.left
        };
        *source = source.checked_sub(1).ok_or(UsedUp)?;
        Ok(())
    }
}

/// Removes frames without a payload, which end at these places.
fn remove(input: &mut BytesMut, ends: &[usize]) {
    let Some(first) = ends.first() else {
        return;
    };
    let mut to = first - HEADER_SIZE;
    for (n, &end) in ends.iter().enumerate() {
        let next = ends.get(n + 1).map_or(input.len(), |end| end - HEADER_SIZE);
        input.copy_within(end..next, to);
        to += next - end;
    }
    input.truncate(to);
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;
    const WINDOW_UPDATE: u8 = 8;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, 0, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER_SIZE + payload, 0xff);
        frame
    }

    /// A client's connection: what has come and not been passed on, and what has been passed on.
    struct World {
        budget: FrameBudget,
        input: BytesMut,
        partial: usize,
        passed: Vec<u8>,
    }

    impl World {
        fn new(preface: usize) -> Self {
            Self {
                budget: FrameBudget::new(preface, 0),
                input: BytesMut::new(),
                partial: 0,
                passed: Vec::new(),
            }
        }

        fn receive_at(&mut self, bytes: &[u8], now: u64) -> Result<(), UsedUp> {
            self.input.extend_from_slice(bytes);
            let counted = self.budget.spend(&mut self.input, self.partial, now)?;
            self.partial = counted.partial;
            let whole = self.input.split_to(self.input.len() - self.partial);
            self.passed.extend_from_slice(&whole);
            Ok(())
        }

        fn receive(&mut self, bytes: &[u8]) -> Result<(), UsedUp> {
            self.receive_at(bytes, 0)
        }
    }

    #[test]
    fn what_carries_nothing_counts_however_it_is_split() {
        let before = [&b"preface"[..], &frame(HEADERS, END_HEADERS, 20)].concat();
        let after = [
            frame(PING, 0, 8),
            frame(DATA, 0, 5),
            frame(WINDOW_UPDATE, 0, 4),
        ]
        .concat();
        let empty = frame(DATA, 0, 0);
        let bytes = [&before[..], &empty, &after, &empty, &empty].concat();
        for split in 0..=bytes.len() {
            let mut world = World::new(7);
            assert_eq!(world.receive(&bytes[..split]), Ok(()));
            assert_eq!(world.receive(&bytes[split..]), Ok(()));
            assert_eq!((world.budget.left, world.partial), (BURST - 5, 0));
            assert!(!world.budget.is_within_head());
            let kept = [&before[..], &after].concat();
            assert_eq!(world.passed, kept, "split at {split}");
        }
    }

    #[test]
    fn empty_data_that_is_an_error_is_passed_on() {
        for bytes in [
            frame(DATA, 0, 0),
            [frame(HEADERS, 0, 3), frame(DATA, 0, 0)].concat(),
            [
                frame(HEADERS, END_HEADERS, 3),
                vec![0, 0, 0, DATA, 0, 0, 0, 0, 0],
            ]
            .concat(),
        ] {
            let mut world = World::new(0);
            assert_eq!(world.receive(&bytes), Ok(()));
            assert_eq!(world.passed, bytes);
        }
    }

    #[test]
    fn time_and_what_is_written_earn_more() {
        let mut world = World::new(0);
        let ping = frame(PING, 0, 0);
        let flood = ping.repeat(BURST as usize);
        assert_eq!(world.receive(&flood), Ok(()));
        assert_eq!(world.receive_at(&ping, EARNS_MS - 1), Err(UsedUp));
        world.partial = world.input.len();
        assert_eq!(world.receive_at(&ping, 2 * EARNS_MS), Ok(()));
        assert_eq!(world.receive_at(&ping, 2 * EARNS_MS), Ok(()));
        assert_eq!(world.receive_at(&ping, 2 * EARNS_MS), Err(UsedUp));
        world.partial = world.input.len();
        let written = [0, 4, 0, HEADERS, 0, 0, 0, 0, 1];
        world.budget.wrote(&written);
        world.budget.wrote(&[0; EARNS_BYTES - HEADER_SIZE]);
        assert_eq!(world.receive_at(&ping, 2 * EARNS_MS), Ok(()));
        let no_more_than_a_burst = world.receive_at(&flood, u64::MAX);
        assert_eq!(no_more_than_a_burst, Ok(()));
        assert_eq!(world.receive_at(&ping, u64::MAX), Err(UsedUp));
    }

    #[test]
    fn a_complete_response_earns_what_clients_answer_it_with() {
        let mut world = World::new(0);
        let request = [frame(HEADERS, END_HEADERS, 9), frame(DATA, END_STREAM, 0)].concat();
        let response = [
            frame(HEADERS, END_HEADERS, 5),
            frame(DATA, 0, 3),
            frame(DATA, END_STREAM, 0),
        ]
        .concat();
        let thanks = [
            frame(WINDOW_UPDATE, 0, 4),
            frame(WINDOW_UPDATE, 0, 4),
            frame(RST_STREAM, 0, 4),
        ]
        .concat();
        for n in 0..10 * BURST as usize {
            assert_eq!(world.receive(&request), Ok(()));
            let (first, second) = response.split_at(n % response.len());
            world.budget.wrote(first);
            world.budget.wrote(second);
            assert_eq!(world.receive(&thanks), Ok(()));
        }
    }

    #[test]
    fn each_piece_of_a_response_earns_what_clients_answer_it_with_and_no_more() {
        let mut world = World::new(0);
        let event = frame(DATA, 0, 3);
        let ordinary = [
            frame(WINDOW_UPDATE, 0, 4),
            frame(WINDOW_UPDATE, 0, 4),
            frame(PING, 0, 8),
        ]
        .concat();
        // The client may lag behind.
        for lag in [1, 10, 1_000] {
            for _ in 0..10 * BURST / lag {
                world.budget.wrote(&event.repeat(lag as usize));
                assert_eq!(world.receive(&ordinary.repeat(lag as usize)), Ok(()));
            }
        }
        let more = [&ordinary[..], &ordinary].concat();
        let events = (0..10 * BURST).take_while(|_| {
            world.budget.wrote(&event);
            world.receive(&more).is_ok()
        });
        assert!((BURST / 4..BURST / 2).contains(&(events.count() as u32)));
    }

    #[test]
    fn a_response_that_is_not_complete_earns_nothing() {
        let mut world = World::new(0);
        let pairs = [
            frame(HEADERS, END_HEADERS | END_STREAM, 9),
            frame(RST_STREAM, 0, 4),
        ]
        .concat()
        .repeat(BURST as usize);
        assert_eq!(world.receive(&pairs), Ok(()));
        world.budget.wrote(&frame(HEADERS, END_HEADERS, 9));
        world.budget.wrote(&frame(DATA, 0, 0));
        world.budget.wrote(&frame(RST_STREAM, END_STREAM, 4));
        assert_eq!(world.receive(&frame(RST_STREAM, 0, 4)), Err(UsedUp));
    }

    #[test]
    fn more_ends_than_requests_count() {
        let mut world = World::new(0);
        let end = frame(DATA, END_STREAM, 0);
        let request = [&frame(HEADERS, END_HEADERS, 9)[..], &end].concat();
        assert_eq!(world.receive(&request), Ok(()));
        assert_eq!(world.receive(&end.repeat(BURST as usize)), Ok(()));
        assert_eq!(world.receive(&end), Err(UsedUp));
    }

    #[test]
    fn a_head_is_one_whatever_it_is_cut_into() {
        let mut world = World::new(0);
        world
            .receive(&frame(HEADERS, END_HEADERS, 3)[..10])
            .unwrap();
        assert!(world.budget.is_within_head());
        world.receive(&[0; 2]).unwrap();
        assert!(!world.budget.is_within_head());
        world.receive(&frame(HEADERS, 0, 3)).unwrap();
        assert!(world.budget.is_within_head());
        world.receive(&frame(CONTINUATION, END_HEADERS, 3)).unwrap();
        assert!(!world.budget.is_within_head());
        world.receive(&frame(DATA, 0, 3)[..10]).unwrap();
        assert!(!world.budget.is_within_head());
    }
}
