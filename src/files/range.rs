//! The Range field (RFC 9110 §14.1 and §14.2): the requested bytes of a representation.

/// More ranges than that in one field are an attack or a mistake: the whole is sent.
pub const MOST_RANGES: usize = 16;

/// Consecutive bytes; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    pub start: u64,
    pub length: u64,
}

impl Slice {
    /// Of the last byte.
    pub fn last(self) -> u64 {
        self.start + self.length - 1
    }

    fn end(self) -> u64 {
        self.start + self.length
    }
}

/// The result of a Range field for a representation of a known size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// Another unit, malformed, or too many: treated as absent.
    Ignored,
    /// None of its bytes exist (416).
    Unsatisfiable,
    One(Slice),
    /// At least two, none of which overlaps or touches another one; in the order of the request where that was so already.
    Several(Vec<Slice>),
}

/// One `range-spec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    From { first: u64, last: Option<u64> },
    Suffix(u64),
}

impl Ranges {
    pub fn of(value: &[u8], size: u64) -> Ranges {
        let Some(specs) = specs(value) else {
            return Ranges::Ignored;
        };
        let slices: Vec<_> = specs.iter().filter_map(|spec| spec.slice(size)).collect();
        if slices.is_empty() {
            // The last bytes of an empty representation exist, but have no Content-Range.
            let empty = size == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..)));
            return if empty {
                Ranges::Ignored
            } else {
                Ranges::Unsatisfiable
            };
        }
        match joined(slices)[..] {
            [one] => Ranges::One(one),
            ref several => Ranges::Several(several.to_vec()),
        }
    }
}

impl Spec {
    /// `None`: not satisfiable.
    fn slice(self, size: u64) -> Option<Slice> {
        let (start, end) = match self {
            Spec::Suffix(length) => (size - length.min(size), size),
            Spec::From { first, last } => (
                first,
                last.map_or(size, |last| last.saturating_add(1).min(size)),
            ),
        };
        let length = end.checked_sub(start).filter(|length| *length > 0)?;
        Some(Slice { start, length })
    }
}

/// Overlapping and touching ranges become one (RFC 9110 §14.2, §17.15).
fn joined(slices: Vec<Slice>) -> Vec<Slice> {
    let mut sorted = slices.clone();
    sorted.sort_by_key(|slice| slice.start);
    let mut merged: Vec<Slice> = Vec::with_capacity(sorted.len());
    for slice in sorted {
        match merged.last_mut() {
            Some(before) if slice.start <= before.end() => {
                before.length = before.end().max(slice.end()) - before.start;
            }
            Some(_) | None => merged.push(slice),
        }
    }
    if merged.len() == slices.len() {
        return slices;
    }
    merged
}

/// `None`: not a list of byte ranges, or one that is too long.
fn specs(value: &[u8]) -> Option<Vec<Spec>> {
    let value = value.trim_ascii();
    let equals = memchr::memchr(b'=', value)?;
    let (unit, list) = value.split_at(equals);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = Vec::new();
    for member in list[1..].split(|&byte| byte == b',') {
        let member = member.trim_ascii();
        if member.is_empty() {
            continue;
        }
        if specs.len() == MOST_RANGES {
            return None;
        }
        specs.push(spec(member)?);
    }
    (!specs.is_empty()).then_some(specs)
}

fn spec(member: &[u8]) -> Option<Spec> {
    let dash = memchr::memchr(b'-', member)?;
    let (first, last) = (&member[..dash], &member[dash + 1..]);
    if first.is_empty() {
        return number(last).map(Spec::Suffix);
    }
    let first = number(first)?;
    if last.is_empty() {
        return Some(Spec::From { first, last: None });
    }
    let last = number(last)?;
    (first <= last).then_some(Spec::From {
        first,
        last: Some(last),
    })
}

/// Digits only; what is larger than any file is the largest number.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0u64, |number, digit| {
        number
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    }))
}
