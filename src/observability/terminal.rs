//! Which characters a terminal interprets instead of showing them. Text of clients and of apps may contain any.

/// Control characters (C0, DEL, C1), and those that end a line or reorder it, so that text would look like something else.
#[must_use]
pub fn is_command(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// `character` as it is shown in its place: `\x1b`, `\u{202e}`.
pub fn push_shown(text: &mut String, character: char) {
    use std::fmt::Write;
    // Writing to a `String` cannot fail.
    let _ = match u32::from(character) {
        code @ 0..=0xff => write!(text, "\\x{code:02x}"),
        code => write!(text, "\\u{{{code:x}}}"),
    };
}

/// Text of several lines, with all that a terminal would interpret shown in its place; ends with a line feed unless it is empty.
#[must_use]
pub fn shown_lines(text: &str) -> String {
    let text = text.trim_end_matches('\n');
    let mut shown = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ if is_command(character) => push_shown(&mut shown, character),
            _ => shown.push(character),
        }
    }
    if !shown.is_empty() {
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_turns_a_line_around_is_a_command() {
        for character in "\0\t\n\r\x1b\x7f\u{85}\u{9b}\u{2028}\u{202e}\u{2066}".chars() {
            assert!(is_command(character), "{character:?}");
        }
        for character in " ~é字🦀\u{200d}\u{fe0f}".chars() {
            assert!(!is_command(character), "{character:?}");
        }
    }

    #[test]
    fn shown_as_an_escape() {
        let mut text = String::new();
        for character in "\x1b\u{9b}\u{202e}".chars() {
            push_shown(&mut text, character);
        }
        assert_eq!(text, r"\x1b\x9b\u{202e}");
    }
}
