//! Decompresses the part of a message behind its first final block (RFC 7692 §7.2.3.4), in time linear in its bytes.
//!
//! A zlib state has to be reset after each final block and given its window of up to 32 KiB again: a message of final
//! blocks of two bytes would cost that copy for every two bytes. Here the output itself is the window, so that a block
//! costs what its own bits cost. Such messages are rare, so this decoder prefers simple code to fast tables.

use super::failure::WebSocketFailure;

const MAX_BITS: usize = 15;
/// Codes up to this length are looked up in a table, longer ones are decoded by counts.
const FAST_BITS: usize = 9;
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

/// Why decoding stopped before the end.
enum Stop {
    /// The input ends here; what could be decoded is in the output.
    EndOfInput,
    Failed(WebSocketFailure),
}

/// Appends the inflated `input`, which begins where a stream does. `out` begins with the window; up to `limit` bytes
/// may be in it in the end. Input that ends in the middle of a block is no error, as for the zlib state before it.
pub(super) fn continue_after_final_block(
    input: &[u8],
    out: &mut Vec<u8>,
    limit: usize,
) -> Result<(), WebSocketFailure> {
    let mut decoder = Decoder {
        bits: Bits::new(input),
        out,
        limit,
    };
    loop {
        match decoder.block() {
            Ok(()) => {}
            Err(Stop::EndOfInput) => return Ok(()),
            Err(Stop::Failed(failure)) => return Err(failure),
        }
    }
}

struct Decoder<'m> {
    bits: Bits<'m>,
    out: &'m mut Vec<u8>,
    limit: usize,
}

impl Decoder<'_> {
    fn block(&mut self) -> Result<(), Stop> {
        let is_final = self.bits.take(1)? == 1;
        match self.bits.take(2)? {
            0 => self.stored()?,
            1 => self.compressed(&FIXED_LITERAL_CODE, &FIXED_DISTANCE_CODE)?,
            2 => {
                let (literals, distances) = self.codes()?;
                self.compressed(&literals, &distances)?;
            }
            _ => return Err(Stop::Failed(WebSocketFailure::NotDeflate)),
        }
        if is_final {
            // The next stream begins with a byte.
            self.bits.align();
        }
        Ok(())
    }

    fn stored(&mut self) -> Result<(), Stop> {
        self.bits.align();
        let length = self.bits.take(16)?;
        if self.bits.take(16)? != length ^ 0xffff {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        let length = length as usize;
        let bytes = self.bits.bytes(length);
        self.has_room(bytes.len())?;
        self.out.extend_from_slice(bytes);
        if bytes.len() < length {
            return Err(Stop::EndOfInput);
        }
        Ok(())
    }

    fn compressed<const L: usize, const D: usize>(
        &mut self,
        literals: &Code<L>,
        distances: &Code<D>,
    ) -> Result<(), Stop> {
        loop {
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
        let Some(from) = self.out.len().checked_sub(distance) else {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        };
        self.has_room(length)?;
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
    fn codes(&mut self) -> Result<(Code<MAX_LITERALS>, Code<MAX_DISTANCES>), Stop> {
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
        let code = Code::<{ ORDER.len() }>::new(&lengths);
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
        let literals = Code::new(of_literals);
        let distances = Code::new(of_distances);
        // As zlib: a block can end, and a code that is not complete has a single symbol of one bit, or (distances) none.
        if of_literals[usize::from(END_OF_BLOCK)] == 0
            || !(literals.is_complete() || literals.is_single())
            || !(distances.is_complete() || distances.is_single() || distances.is_empty())
        {
            return Err(Stop::Failed(WebSocketFailure::NotDeflate));
        }
        Ok((literals, distances))
    }
}

/// A canonical Huffman code of up to `N` symbols: how many have each length, and the symbols in the order of their codes.
struct Code<const N: usize> {
    counts: [u16; MAX_BITS + 1],
    symbols: [u16; N],
    /// By the next bits: symbol and length, where these bits begin with a short code; else 0.
    fast: [(u16, u8); 1 << FAST_BITS],
    /// Codes that are not used, in units of the longest length; negative: more are used than are available.
    unused: i32,
    /// So many bits tell that they are no code, in a code that is not complete; 1 where there are no symbols.
    longest: usize,
}

impl<const N: usize> Code<N> {
    const fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; MAX_BITS + 1];
        let mut at = 0;
        while at < lengths.len() {
            counts[lengths[at] as usize] += 1;
            at += 1;
        }
        counts[0] = 0;
        let mut unused = 1;
        let mut longest = 1;
        let mut offsets = [0; MAX_BITS + 2];
        // The first code of each length (RFC 1951 §3.2.2).
        let mut next = [0; MAX_BITS + 2];
        let mut length = 1;
        while length <= MAX_BITS {
            unused = (unused << 1) - counts[length] as i32;
            offsets[length + 1] = offsets[length] + counts[length] as usize;
            next[length + 1] = (next[length] + counts[length] as u32) << 1;
            if counts[length] > 0 {
                longest = length;
            }
            length += 1;
        }
        let mut symbols = [0; N];
        let mut fast = [(0, 0); 1 << FAST_BITS];
        let mut symbol = 0;
        while symbol < lengths.len() {
            let length = lengths[symbol] as usize;
            if length != 0 {
                symbols[offsets[length]] = symbol as u16;
                offsets[length] += 1;
                let code = next[length];
                next[length] += 1;
                // A code with too many symbols is rejected; its numbers may not fit into their length.
                if length <= FAST_BITS && unused >= 0 {
                    let mut place = (code.reverse_bits() >> (32 - length)) as usize;
                    while place < fast.len() {
                        fast[place] = (symbol as u16, length as u8);
                        place += 1 << length;
                    }
                }
            }
            symbol += 1;
        }
        Self {
            counts,
            symbols,
            fast,
            unused,
            longest,
        }
    }

    fn is_complete(&self) -> bool {
        self.unused == 0
    }

    fn is_single(&self) -> bool {
        self.counts[1] == 1 && self.counts[2..].iter().all(|count| *count == 0)
    }

    fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// The next symbol. Codes of a length follow one another as numbers, behind those of the shorter lengths.
    fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Stop> {
        let ahead = bits.peek(MAX_BITS as u32);
        let (symbol, length) = self.fast[ahead as usize % self.fast.len()];
        if length != 0 {
            bits.skip(u32::from(length))?;
            return Ok(symbol);
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for length in 1..=self.longest {
            code |= (ahead >> (length - 1)) & 1;
            let count = u32::from(self.counts[length]);
            if code - first < count {
                bits.skip(length as u32)?;
                return Ok(self.symbols[(index + code - first) as usize]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        if bits.left() < self.longest {
            return Err(Stop::EndOfInput);
        }
        Err(Stop::Failed(WebSocketFailure::NotDeflate))
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

/// Bits from the least significant of each byte on.
struct Bits<'m> {
    input: &'m [u8],
    /// How many bytes of it are, or were, in `hold`.
    at: usize,
    hold: u64,
    count: u32,
}

impl<'m> Bits<'m> {
    fn new(input: &'m [u8]) -> Self {
        Self {
            input,
            at: 0,
            hold: 0,
            count: 0,
        }
    }

    /// The next `count` bits (16 at the most), zeros behind the end.
    fn peek(&mut self, count: u32) -> u32 {
        if self.count < count {
            self.refill();
        }
        (self.hold & ((1 << count) - 1)) as u32
    }

    fn refill(&mut self) {
        let ahead = self.input[self.at..].first_chunk::<4>();
        if let Some(word) = ahead.filter(|_| self.count <= 32) {
            self.hold |= u64::from(u32::from_le_bytes(*word)) << self.count;
            self.count += 32;
            self.at += 4;
            return;
        }
        while self.count <= 32
            && let Some(byte) = self.input.get(self.at)
        {
            self.hold |= u64::from(*byte) << self.count;
            self.count += 8;
            self.at += 1;
        }
    }

    fn skip(&mut self, count: u32) -> Result<(), Stop> {
        if self.count < count {
            return Err(Stop::EndOfInput);
        }
        self.hold >>= count;
        self.count -= count;
        Ok(())
    }

    fn take(&mut self, count: u32) -> Result<u32, Stop> {
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    fn discard(&mut self, count: usize) -> Result<(), Stop> {
        for _ in 0..count {
            self.take(1)?;
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.count as usize + 8 * (self.input.len() - self.at)
    }

    /// Skips the rest of a byte that was begun.
    fn align(&mut self) {
        self.at -= (self.count / 8) as usize;
        (self.hold, self.count) = (0, 0);
    }

    /// The next `length` bytes, or those that are left; called between two bytes.
    fn bytes(&mut self, length: usize) -> &'m [u8] {
        self.align();
        let rest = &self.input[self.at..];
        let bytes = &rest[..length.min(rest.len())];
        self.at += bytes.len();
        bytes
    }
}
