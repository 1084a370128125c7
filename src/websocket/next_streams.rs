//! Decompresses the part of a message behind its first final block (RFC 7692 §7.2.3.4), in time linear in its bytes.
//!
//! A zlib state has to be reset after each final block and given its window of up to 32 KiB again: a message of final
//! blocks of two bytes would cost that copy for every two bytes. Here the output itself is the window, so that a block
//! costs what its own bits cost. Such messages are rare, so this decoder prefers simple code to fast tables. It works on
//! messages that have arrived as a whole, and stops after any symbol, so that a large one is decoded in steps.

use super::failure::WebSocketFailure;
use super::huffman::{BitPlace, Bits, Code, Stop};

/// Literals and lengths that a block can have codes for; two more have lengths in the fixed code only.
const MAX_LITERALS: usize = 286;
const FIXED_LITERALS: usize = 288;
const MAX_DISTANCES: usize = 30;
const END_OF_BLOCK: u16 = 256;

const LENGTH_BASE: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];
const LENGTH_EXTRA: [u8; 29] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
const DISTANCE_BASE: [u16; MAX_DISTANCES] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537,
    2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577,
];
const DISTANCE_EXTRA: [u8; MAX_DISTANCES] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13,
    13,
];
/// The order in which a block gives the lengths of the code that its code lengths are written in (RFC 1951 §3.2.7).
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

static FIXED_LITERAL_CODE: Code<FIXED_LITERALS> = fixed_literals();
static FIXED_DISTANCE_CODE: Code<MAX_DISTANCES> = fixed_distances();

/// What decoding a message works with. The output's past is in `window`.
pub(super) struct Data<'m> {
    pub input: &'m [u8],
    pub window: &'m [u8],
    pub out: &'m mut Vec<u8>,
    /// The most bytes of output.
    pub limit: usize,
}

/// Where a step ends, at the next symbol: so much input taken, or so much output there.
#[derive(Clone, Copy)]
pub(super) struct StepEnd {
    pub input: usize,
    pub output: usize,
}

/// The streams of a message behind its first one, between two steps.
#[derive(Default)]
pub(super) struct NextStreams {
    place: BitPlace,
    block: Block,
    is_final: bool,
    /// Those of the block in progress, or of one before.
    codes: Option<Box<BlockCodes>>,
}

#[derive(Clone, Copy, Default)]
enum Block {
    /// Between two blocks.
    #[default]
    Header,
    /// So many bytes are left of it.
    Stored(usize),
    FixedCodes,
    OwnCodes,
}

struct BlockCodes {
    /// The code that the lengths of the other two are written in.
    lengths: Code<{ ORDER.len() }>,
    literals: Code<MAX_LITERALS>,
    distances: Code<MAX_DISTANCES>,
}

impl NextStreams {
    /// From the place in a message at which a stream begins.
    pub fn new(at: usize) -> Self {
        Self {
            place: BitPlace::of_byte(at),
            ..Self::default()
        }
    }

    /// How many bytes of the input are, or were, in use.
    pub fn taken(&self) -> usize {
        self.place.at
    }

    /// Appends what the step inflates to the output. True: the message is complete. Input that ends in the middle of a
    /// block is no error, as for the zlib state before it.
    pub fn step(&mut self, data: Data<'_>, end: StepEnd) -> Result<bool, WebSocketFailure> {
        let mut decoder = Decoder {
            bits: Bits {
                input: data.input,
                place: self.place,
            },
            window: data.window,
            out: data.out,
            limit: data.limit,
            end,
        };
        let stop = loop {
            if let Err(stop) = self.block(&mut decoder) {
                break stop;
            }
        };
        self.place = decoder.bits.place;
        match stop {
            Stop::EndOfInput => Ok(true),
            Stop::EndOfStep => Ok(false),
            Stop::Failed(failure) => Err(failure),
        }
    }

    /// A block, or what the steps before have left of it.
    fn block(&mut self, decoder: &mut Decoder<'_>) -> Result<(), Stop> {
        match self.block {
            Block::Header => {
                decoder.ends_step()?;
                self.is_final = decoder.bits.take(1)? == 1;
                self.block = match decoder.bits.take(2)? {
                    0 => Block::Stored(decoder.stored_length()?),
                    1 => Block::FixedCodes,
                    2 => {
                        decoder.codes(self.codes.get_or_insert_with(|| {
                            Box::new(BlockCodes {
                                lengths: Code::empty(),
                                literals: Code::empty(),
                                distances: Code::empty(),
                            })
                        }))?;
                        Block::OwnCodes
                    }
                    _ => return Err(Stop::Failed(WebSocketFailure::NotDeflate)),
                };
            }
            Block::Stored(left) => {
                let left = decoder.stored(left)?;
                self.block = Block::Stored(left);
                if left == 0 {
                    self.end_block(decoder);
                }
            }
            Block::FixedCodes => {
                decoder.compressed(&FIXED_LITERAL_CODE, &FIXED_DISTANCE_CODE)?;
                self.end_block(decoder);
            }
            Block::OwnCodes => {
                if let Some(codes) = &self.codes {
                    decoder.compressed(&codes.literals, &codes.distances)?;
                }
                self.end_block(decoder);
            }
        }
        Ok(())
    }

    fn end_block(&mut self, decoder: &mut Decoder<'_>) {
        self.block = Block::Header;
        if self.is_final {
            // The next stream begins with a byte.
            decoder.bits.align();
        }
    }
}

struct Decoder<'m> {
    bits: Bits<'m>,
    window: &'m [u8],
    out: &'m mut Vec<u8>,
    limit: usize,
    end: StepEnd,
}

impl Decoder<'_> {
    fn ends_step(&self) -> Result<(), Stop> {
        if self.bits.place.at >= self.end.input || self.out.len() >= self.end.output {
            return Err(Stop::EndOfStep);
        }
        Ok(())
    }

    fn stored_length(&mut self) -> Result<usize, Stop> {
        self.bits.align();
        let length = self.bits.take(16)?;
        if self.bits.take(16)? != length ^ 0xffff {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        Ok(length as usize)
    }

    /// Returns how much is left.
    fn stored(&mut self, left: usize) -> Result<usize, Stop> {
        if left > 0 {
            self.ends_step()?;
        }
        let input = self.end.input.saturating_sub(self.bits.place.at);
        let output = self.end.output.saturating_sub(self.out.len());
        let bytes = self.bits.bytes(left.min(input).min(output));
        self.has_room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        if bytes.is_empty() && left > 0 {
            return Err(Stop::EndOfInput);
        }
        Ok(left - bytes.len())
    }

    fn compressed<const L: usize, const D: usize>(
        &mut self,
        literals: &Code<L>,
        distances: &Code<D>,
    ) -> Result<(), Stop> {
        loop {
            self.ends_step()?;
            let symbol = literals.decode(&mut self.bits)?;
            if symbol < END_OF_BLOCK {
                self.has_room(1)?;
                self.out.push(symbol as u8);
                continue;
            }
            if symbol == END_OF_BLOCK {
                return Ok(());
            }
            let length = self.extended(symbol - END_OF_BLOCK - 1, &LENGTH_BASE, &LENGTH_EXTRA)?;
            let symbol = distances.decode(&mut self.bits)?;
            let distance = self.extended(symbol, &DISTANCE_BASE, &DISTANCE_EXTRA)?;
            self.copy(distance, length)?;
        }
    }

    /// A length or a distance: the base of its symbol and some more bits.
    fn extended(&mut self, symbol: u16, base: &[u16], extra: &[u8]) -> Result<usize, Stop> {
        let symbol = usize::from(symbol);
        let (Some(base), Some(extra)) = (base.get(symbol), extra.get(symbol)) else {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        };
        Ok(usize::from(*base) + self.bits.take(u32::from(*extra))? as usize)
    }

    /// Repeats earlier output, which may overlap what is appended.
    fn copy(&mut self, distance: usize, mut length: usize) -> Result<(), Stop> {
        let past = distance.saturating_sub(self.out.len());
        if past > self.window.len() {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        self.has_room(length)?;
        if past > 0 {
            let from = self.window.len() - past;
            let count = length.min(past);
            self.out.extend_from_slice(&self.window[from..from + count]);
            length -= count;
        }
        // What is left of it begins with the output.
        let from = (self.out.len()).saturating_sub(distance);
        while length > 0 {
            let count = length.min(self.out.len() - from);
            self.out.extend_from_within(from..from + count);
            length -= count;
        }
        Ok(())
    }

    fn has_room(&self, more: usize) -> Result<(), Stop> {
        if self.out.len() + more > self.limit {
            return Err(Stop::Failed(WebSocketFailure::TooBig));
        }
        Ok(())
    }

    /// The codes in the header of a block (RFC 1951 §3.2.7).
    fn codes(&mut self, codes: &mut BlockCodes) -> Result<(), Stop> {
        let literals = self.bits.take(5)? as usize + 257;
        let distances = self.bits.take(5)? as usize + 1;
        let count = self.bits.take(4)? as usize + 4;
        if literals > MAX_LITERALS || distances > MAX_DISTANCES {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        let mut lengths = [0; ORDER.len()];
        for place in &ORDER[..count] {
            lengths[*place] = self.bits.take(3)? as u8;
        }
        let BlockCodes {
            lengths: code,
            literals: literal_code,
            distances: distance_code,
        } = codes;
        code.set(&lengths);
        let total = literals + distances;
        if code.is_empty() {
            // As zlib: each bit is a length of 0, and it shows at the end of them that no block can end.
            self.bits.discard(total)?;
        }
        if !code.is_complete() {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        let mut lengths = [0; MAX_LITERALS + MAX_DISTANCES];
        let mut at = 0;
        while at < total {
            let symbol = code.decode(&mut self.bits)?;
            let (value, repeat) = match symbol {
                16 => {
                    let repeat = 3 + self.bits.take(2)? as usize;
                    let Some(before) = at.checked_sub(1) else {
                        return Err(Stop::Failed(WebSocketFailure::NotDeflate));
                    };
                    (lengths[before], repeat)
                }
                17 => (0, 3 + self.bits.take(3)? as usize),
                18 => (0, 11 + self.bits.take(7)? as usize),
                length => (length as u8, 1),
            };
            if at + repeat > total {
                return Err(Stop::Failed(WebSocketFailure::NotDeflate));
            }
            lengths[at..at + repeat].fill(value);
            at += repeat;
        }
        let (of_literals, of_distances) = lengths[..total].split_at(literals);
        literal_code.set(of_literals);
        distance_code.set(of_distances);
        // As zlib: a block can end, and a code that is not complete has a single symbol of one bit, or (distances) none.
        if of_literals[usize::from(END_OF_BLOCK)] == 0
            || !(literal_code.is_complete() || literal_code.is_single())
            || !(distance_code.is_complete()
                || distance_code.is_single()
                || distance_code.is_empty())
        {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        Ok(())
    }
}

const fn fixed_literals() -> Code<FIXED_LITERALS> {
    let mut lengths = [8; FIXED_LITERALS];
    let mut symbol = 144;
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    Code::new(&lengths)
}

/// Two of the codes of five bits are not assigned.
const fn fixed_distances() -> Code<MAX_DISTANCES> {
    Code::new(&[5; MAX_DISTANCES])
}
