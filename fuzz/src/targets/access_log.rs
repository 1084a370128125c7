//! Any bytes as what the access log quotes: one line, plain, never longer than allowed, and never ended by half an escape.

use crate::observability::quoted;

pub const SEEDS: &[&[u8]] = &[
    b"\x10/a?b=c",
    b"\x09\"\\\r\n\x1b[2J\xff",
    b"\x80Mozilla/5.0 (X11)",
];

pub fn run(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let longest = 8 + usize::from(choice);
    let line = quoted(bytes, longest);
    assert!(line.len() <= longest);
    assert!(line.iter().all(|byte| (b' '..=b'~').contains(byte)));
    // Read back: quotes only behind a backslash, and every escape whole.
    let mut rest = &line[..];
    let mut read = Vec::new();
    while let Some((&byte, after)) = rest.split_first() {
        assert_ne!(byte, b'"');
        (read, rest) = match (byte, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let text = std::str::from_utf8(&digits).expect("plain");
                read.push(u8::from_str_radix(text, 16).expect("two digits"));
                (read, after)
            }
            (b'\\', [next @ (b'"' | b'\\'), after @ ..]) => {
                read.push(*next);
                (read, after)
            }
            (b'\\', _) => panic!("half an escape in {}", line.escape_ascii()),
            _ => {
                read.push(byte);
                (read, after)
            }
        };
    }
    let cut = read.strip_suffix(b"...").unwrap_or(&read);
    assert!(read == bytes || bytes.starts_with(cut));
}
