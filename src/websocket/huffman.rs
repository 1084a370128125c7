//! Bits of compressed data, and the Huffman codes that symbols are read from them with (RFC 1951 §3.2.2).

use super::failure::WebSocketFailure;

const MAX_BITS: usize = 15;
/// Codes up to this length are looked up in a table, longer ones are decoded by counts.
const FAST_BITS: usize = 9;

/// Why decoding stopped before the end.
pub(super) enum Stop {
    /// The input ends here; what could be decoded is in the output.
    EndOfInput,
    /// The step has done its part.
    EndOfStep,
    Failed(WebSocketFailure),
}

/// A canonical Huffman code of up to `N` symbols: how many have each length, and the symbols in the order of their codes.
pub(super) struct Code<const N: usize> {
    counts: [u16; MAX_BITS + 1],
    symbols: [u16; N],
    /// By the next `fast_bits` bits: symbol and length, where these bits begin with a short code; else 0.
    fast: [(u16, u8); 1 << FAST_BITS],
    /// As many as the longest code that the table has: a block with few codes costs a small table.
    fast_bits: usize,
    /// Codes that are not used, in units of the longest length; negative: more are used than are available.
    unused: i32,
    /// So many bits tell that they are no code, in a code that is not complete; 1 where there are no symbols.
    longest: usize,
}

impl<const N: usize> Code<N> {
    pub const fn empty() -> Self {
        Self {
            counts: [0; MAX_BITS + 1],
            symbols: [0; N],
            fast: [(0, 0); 1 << FAST_BITS],
            fast_bits: 0,
            unused: 1,
            longest: 1,
        }
    }

    pub const fn new(lengths: &[u8]) -> Self {
        let mut code = Self::empty();
        code.set(lengths);
        code
    }

    /// Takes the place of the code before, in time that follows from the number of lengths and the longest of them.
    pub const fn set(&mut self, lengths: &[u8]) {
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
        let fast_bits = if longest < FAST_BITS {
            longest
        } else {
            FAST_BITS
        };
        let size = 1 << fast_bits;
        let mut place = 0;
        while place < size {
            self.fast[place] = (0, 0);
            place += 1;
        }
        let mut symbol = 0;
        while symbol < lengths.len() {
            let length = lengths[symbol] as usize;
            if length != 0 {
                self.symbols[offsets[length]] = symbol as u16;
                offsets[length] += 1;
                let code = next[length];
                next[length] += 1;
                // A code with too many symbols is rejected; its numbers may not fit into their length.
                if length <= FAST_BITS && unused >= 0 {
                    let mut place = (code.reverse_bits() >> (32 - length)) as usize;
                    while place < size {
                        self.fast[place] = (symbol as u16, length as u8);
                        place += 1 << length;
                    }
                }
            }
            symbol += 1;
        }
        self.counts = counts;
        self.fast_bits = fast_bits;
        self.unused = unused;
        self.longest = longest;
    }

    pub fn is_complete(&self) -> bool {
        self.unused == 0
    }

    pub fn is_single(&self) -> bool {
        self.counts[1] == 1 && self.counts[2..].iter().all(|count| *count == 0)
    }

    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// The next symbol. Codes of a length follow one another as numbers, behind those of the shorter lengths.
    pub fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Stop> {
        let ahead = bits.peek(MAX_BITS as u32);
        let (symbol, length) = self.fast[ahead as usize % (1 << self.fast_bits) % self.fast.len()];
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

/// Bits from the least significant of each byte on.
pub(super) struct Bits<'m> {
    pub input: &'m [u8],
    pub place: BitPlace,
}

#[derive(Clone, Copy, Default)]
pub(super) struct BitPlace {
    /// How many bytes of the input are, or were, in `hold`.
    pub at: usize,
    hold: u64,
    count: u32,
}

impl BitPlace {
    pub fn of_byte(at: usize) -> Self {
        Self {
            at,
            ..Self::default()
        }
    }
}

impl<'m> Bits<'m> {
    /// The next `count` bits (16 at the most), zeros behind the end.
    fn peek(&mut self, count: u32) -> u32 {
        if self.place.count < count {
            self.refill();
        }
        (self.place.hold & ((1 << count) - 1)) as u32
    }

    fn refill(&mut self) {
        let ahead = self.input[self.place.at..].first_chunk::<4>();
        if let Some(word) = ahead.filter(|_| self.place.count <= 32) {
            self.place.hold |= u64::from(u32::from_le_bytes(*word)) << self.place.count;
            self.place.count += 32;
            self.place.at += 4;
            return;
        }
        while self.place.count <= 32
            && let Some(byte) = self.input.get(self.place.at)
        {
            self.place.hold |= u64::from(*byte) << self.place.count;
            self.place.count += 8;
            self.place.at += 1;
        }
    }

    fn skip(&mut self, count: u32) -> Result<(), Stop> {
        if self.place.count < count {
            return Err(Stop::EndOfInput);
        }
        self.place.hold >>= count;
        self.place.count -= count;
        Ok(())
    }

    pub fn take(&mut self, count: u32) -> Result<u32, Stop> {
        let bits = self.peek(count);
        self.skip(count)?;
        Ok(bits)
    }

    pub fn discard(&mut self, count: usize) -> Result<(), Stop> {
        for _ in 0..count {
            self.take(1)?;
        }
        Ok(())
    }

    fn left(&self) -> usize {
        self.place.count as usize + 8 * (self.input.len() - self.place.at)
    }

    /// Skips the rest of a byte that was begun.
    pub fn align(&mut self) {
        self.place.at -= (self.place.count / 8) as usize;
        (self.place.hold, self.place.count) = (0, 0);
    }

    /// The next `length` bytes, or those that are left; called between two bytes.
    pub fn bytes(&mut self, length: usize) -> &'m [u8] {
        self.align();
        let rest = &self.input[self.place.at..];
        let bytes = &rest[..length.min(rest.len())];
        self.place.at += bytes.len();
        bytes
    }
}
