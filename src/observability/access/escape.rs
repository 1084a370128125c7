//! What a client sent, in a form that cannot end a quote, begin a line or command a terminal.

use crate::observability::json::push_text;
use crate::sys::ATOMIC;

/// Bytes of each part at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Longest {
    pub user: usize,
    pub method: usize,
    pub target: usize,
    /// Referer and User-Agent, each.
    pub field: usize,
}

impl Longest {
    pub(super) const ANY: Longest = Longest {
        user: 256,
        method: usize::MAX,
        target: usize::MAX,
        field: usize::MAX,
    };

    /// A quarter, for a format that names many fields.
    pub(super) fn less(self) -> Longest {
        let quarter = |bytes: usize| (bytes / 4).max(8);
        Longest {
            user: quarter(self.user),
            method: quarter(self.method),
            target: quarter(self.target),
            field: quarter(self.field),
        }
    }

    /// Together, with address, time, numbers and quotes, less than what a pipe takes whole.
    pub(super) const ATOMIC: Longest = Longest {
        user: 64,
        method: 64,
        target: 2048,
        field: 800,
    };
}

/// How a value is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// `\x1b`, `\"`
    Apache,
    /// `\u001b`, `\"`, and what is beyond ASCII as it is.
    Json,
}

impl Quoting {
    /// Cut after `longest` bytes of the result, with an ellipsis.
    pub(super) fn push(self, line: &mut Vec<u8>, bytes: &[u8], longest: usize) {
        match self {
            Quoting::Apache => push_quoted(line, bytes, longest),
            Quoting::Json => push_text(line, bytes, longest),
        }
    }
}

/// Cut after `longest` bytes of the result, with an ellipsis (`...`).
pub(super) fn push_quoted(line: &mut Vec<u8>, bytes: &[u8], longest: usize) {
    // Without an early end, so that it is done many bytes at a time: nearly all that is logged is plain.
    let plain = bytes
        .iter()
        .fold(true, |plain, byte| plain & is_plain(*byte));
    if plain && bytes.len() <= longest {
        line.extend_from_slice(bytes);
        return;
    }
    let start = line.len();
    let mut rest = bytes;
    while let Some(position) = rest.iter().position(|byte| !is_plain(*byte)) {
        let (plain, others) = rest.split_at(position);
        line.extend_from_slice(plain);
        match others {
            [byte @ (b'"' | b'\\'), after @ ..] => {
                line.extend_from_slice(&[b'\\', *byte]);
                rest = after;
            }
            [byte, after @ ..] => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                line.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
                rest = after;
            }
            [] => rest = others,
        }
    }
    line.extend_from_slice(rest);
    if line.len() - start > longest {
        let end = start + whole(&line[start..], longest - 3);
        line.truncate(end);
        line.extend_from_slice(b"...");
    }
}

/// The most of `escaped` within `room` bytes that does not end inside an escape: a lone backslash would swallow what follows.
pub(super) fn whole(escaped: &[u8], room: usize) -> usize {
    let mut end = 0;
    while let Some(byte) = escaped.get(end) {
        let length = match (byte, escaped.get(end + 1)) {
            (b'\\', Some(b'x')) => 4,
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            (0xc0..=0xdf, _) => 2,
            (0xe0..=0xef, _) => 3,
            (0xf0.., _) => 4,
            _ => 1,
        };
        if end + length > room {
            break;
        }
        end += length;
    }
    end
}

/// What stands behind `start` becomes one line that a pipe takes whole: a format may name many fields.
pub(super) fn cut(line: &mut Vec<u8>, start: usize) {
    if line.len() - start > ATOMIC {
        line.truncate(start + ATOMIC - 4);
        line.extend_from_slice(b"...\n");
    }
}

/// As in Apache: everything beyond printable ASCII is written in hexadecimal.
const fn is_plain(byte: u8) -> bool {
    (byte >= b' ') & (byte <= b'~') & (byte != b'"') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(bytes: &[u8], longest: usize) -> String {
        let mut line = Vec::new();
        push_quoted(&mut line, bytes, longest);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn examples() {
        assert_eq!(quoted(b"/a b?c=d", 100), "/a b?c=d");
        assert_eq!(quoted(br#"" 200 "fake\"#, 100), r#"\" 200 \"fake\\"#);
        assert_eq!(
            quoted("é\n\x1b[2J\0".as_bytes(), 100),
            r"\xc3\xa9\x0a\x1b[2J\x00"
        );
        assert_eq!(quoted(b"0123456789", 8), "01234...");
        assert_eq!(quoted(b"0123\n56789", 10), "0123...");
        assert_eq!(quoted(&[0xff; 5], 12), r"\xff\xff...");
        assert_eq!(quoted(b"\\\\\\", 5), r"\\...");
    }

    proptest! {
        #[test]
        fn a_quote_ends_where_it_should(bytes: Vec<u8>, longest in 8_usize..64) {
            let text = quoted(&bytes, longest);
            prop_assert!(text.len() <= longest);
            prop_assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            // Read as a C string: every backslash has its partner, no quote stands alone.
            let mut characters = text.chars();
            while let Some(character) = characters.next() {
                prop_assert_ne!(character, '"');
                if character == '\\' {
                    match characters.next() {
                        Some('"' | '\\') => {}
                        Some('x') => prop_assert!(characters.by_ref().take(2).filter(char::is_ascii_hexdigit).count() == 2),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
            }
        }
    }
}
