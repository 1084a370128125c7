//! Writes JSON (RFC 8259), field by field.

use super::terminal::is_command;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Within quotes.
pub(super) fn push_string(line: &mut Vec<u8>, bytes: &[u8], longest: usize) {
    line.push(b'"');
    push_text(line, bytes, longest);
    line.push(b'"');
}

/// What stands between quotes. Bytes that are not UTF-8 become U+FFFD, so that every line is JSON whatever a client sends; the characters that
/// end a line for some readers (U+0085, U+2028, U+2029) and those that a terminal obeys are escaped. Cut where the result would
/// be longer than `longest`, with an ellipsis.
pub(super) fn push_text(line: &mut Vec<u8>, bytes: &[u8], longest: usize) {
    let start = line.len();
    // Nearly all that is logged is plain.
    let plain = bytes.iter().fold(true, |plain, byte| {
        plain & (*byte >= b' ') & (*byte < 0x7f) & (*byte != b'"') & (*byte != b'\\')
    });
    if plain && bytes.len() <= longest {
        line.extend_from_slice(bytes);
    } else {
        'all: for chunk in bytes.utf8_chunks() {
            let broken = (!chunk.invalid().is_empty()).then_some('\u{fffd}');
            for character in chunk.valid().chars().chain(broken) {
                let before = line.len();
                push_character(line, character);
                if line.len() - start > longest.saturating_sub(3) {
                    line.truncate(before);
                    line.extend_from_slice(b"...");
                    break 'all;
                }
            }
        }
    }
}

fn push_character(line: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => line.extend_from_slice(&[b'\\', character as u8]),
        '\n' => line.extend_from_slice(b"\\n"),
        '\r' => line.extend_from_slice(b"\\r"),
        '\t' => line.extend_from_slice(b"\\t"),
        _ if is_command(character) => {
            let code = u32::from(character);
            line.extend_from_slice(b"\\u");
            for shift in [12, 8, 4, 0] {
                line.push(HEX[(code >> shift & 15) as usize]);
            }
        }
        _ => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// `,"name":`, or without the comma behind a brace. `name` is ours and plain.
pub(super) fn push_name(line: &mut Vec<u8>, name: &str) {
    if line.last() != Some(&b'{') {
        line.push(b',');
    }
    line.push(b'"');
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(bytes: &[u8], longest: usize) -> String {
        let mut line = Vec::new();
        push_string(&mut line, bytes, longest);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn examples() {
        assert_eq!(string(b"plain", 100), r#""plain""#);
        assert_eq!(string("é\u{2028}".as_bytes(), 100), "\"é\\u2028\"");
        assert_eq!(
            string(b"a\"\\\n\x1b\xff", 100),
            "\"a\\\"\\\\\\n\\u001b\u{fffd}\""
        );
        assert_eq!(string(b"0123456789", 8), r#""01234...""#);
    }

    proptest! {
        #[test]
        fn a_reader_reads_what_was_meant(text in "\\PC*|[\\x00-\\xff]*") {
            let written = string(text.as_bytes(), usize::MAX);
            prop_assert!(!written.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_json_and_never_too_long(bytes: Vec<u8>, longest in 8_usize..64) {
            let written = string(&bytes, longest);
            prop_assert!(written.len() <= longest + 2);
            prop_assert!(serde_json::from_str::<String>(&written).is_ok());
        }
    }
}
