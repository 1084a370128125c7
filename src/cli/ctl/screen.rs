//! All output of `rgun ctl`. Paths, names and messages come from clients, apps and other servers: all text is escaped
//! here, so that none of it controls the operator's terminal.

use std::fmt::{self, Write};
use std::time::Duration;

use clap::builder::StyledStr;

use super::failure::CtlFailure;
use crate::cli::report;
use crate::observability::terminal;
use crate::sys::terminal::Keys;

/// Text without control characters, except line ends and rgun's own styles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub fn line(text: &str) -> Self {
        let mut own = Self::default();
        own.append(format_args!("{text}"));
        own
    }

    /// Adds to the line; a line end in it is shown as `\n`.
    pub fn append(&mut self, text: fmt::Arguments<'_>) {
        self.write(LineCount::One, text);
    }

    /// Adds several lines, such as a traceback.
    pub fn append_lines(&mut self, text: &str) {
        self.write(LineCount::Several, format_args!("{text}"));
    }

    /// Adds a document, escaped by the rules of JSON, so that programs read the original text.
    pub fn append_json(&mut self, document: &str) {
        for character in document.chars() {
            if character != '\n' && terminal::is_command(character) {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    // Writing to a `String` cannot fail.
                    let _ = write!(self.0, "\\u{unit:04x}");
                }
            } else {
                self.0.push(character);
            }
        }
    }

    pub fn style(&mut self, code: &'static str) {
        self.0.push_str(code);
    }

    pub fn styled(&mut self, before: &'static str, text: fmt::Arguments<'_>, after: &'static str) {
        self.style(before);
        self.append(text);
        if !before.is_empty() {
            self.style(after);
        }
    }

    pub fn add(&mut self, text: &Self) {
        self.0.push_str(&text.0);
    }

    pub fn pad(&mut self, columns: usize) {
        self.0.extend(std::iter::repeat_n(' ', columns));
    }

    /// Without spaces at its end.
    pub fn end_line(&mut self) {
        self.0.truncate(self.0.trim_end_matches(' ').len());
        self.0.push('\n');
    }

    /// Of one line.
    pub fn columns(&self) -> usize {
        VisibleChars(self.0.chars()).count()
    }

    /// Each line in so many columns, with an ellipsis where it is cut.
    pub fn cut_lines(&mut self, columns: usize) {
        let lines: Vec<String> = self.0.lines().map(|line| cut(line, columns)).collect();
        self.0 = lines.into_iter().map(|line| line + "\n").collect();
    }

    /// The last line has the number of missing ones.
    pub fn keep_lines(&mut self, most: usize) {
        let lines: Vec<&str> = self.0.lines().collect();
        if lines.len() <= most {
            return;
        }
        let kept = most.saturating_sub(1);
        let missing = lines.len() - kept;
        let mut text = lines.get(..kept).unwrap_or_default().join("\n");
        text.push_str(&format!("\n... {missing} lines more\n"));
        self.0 = text;
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn write(&mut self, lines: LineCount, text: fmt::Arguments<'_>) {
        // Only a value that fails to format itself fails here, and none does.
        let _ = Escaping {
            text: &mut self.0,
            lines,
        }
        .write_fmt(text);
    }
}

/// Characters that take a column; everything from an ESC to its `m` is one of rgun's own styles.
struct VisibleChars<I>(I);

impl<I: Iterator<Item = char>> Iterator for VisibleChars<I> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            match self.0.next()? {
                '\x1b' => while self.0.next()? != 'm' {},
                character => return Some(character),
            }
        }
    }
}

fn cut(line: &str, columns: usize) -> String {
    if VisibleChars(line.chars()).count() <= columns {
        return line.to_owned();
    }
    let mut kept = String::new();
    let (mut left, mut in_style) = (columns.saturating_sub(1), false);
    for character in line.chars() {
        if character == '\x1b' {
            in_style = true;
        } else if in_style {
            in_style = character != 'm';
        } else if left == 0 {
            break;
        } else {
            left -= 1;
        }
        kept.push(character);
    }
    kept.push('…');
    if kept.contains('\x1b') {
        kept.push_str(report::Colours::ANSI.end);
    }
    kept
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineCount {
    One,
    Several,
}

struct Escaping<'a> {
    text: &'a mut String,
    lines: LineCount,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for character in piece.chars() {
            match character {
                '\n' | '\t' if self.lines == LineCount::Several => self.text.push(character),
                '\n' => self.text.push_str("\\n"),
                '\t' => self.text.push_str("\\t"),
                _ if terminal::is_command(character) => {
                    terminal::push_shown(self.text, character);
                }
                _ => self.text.push(character),
            }
        }
        Ok(())
    }
}

/// Writes to standard output. `false`: its reader has closed it.
pub fn show(text: &Text) -> bool {
    report::text(text.as_str())
}

/// Writes to standard error.
pub fn complain(text: &Text) {
    report::complain(text.as_str());
}

/// Writes `error:` and `hint:` lines, and the app's traceback below; returns the exit code.
pub fn fail(failure: &CtlFailure) -> u8 {
    let line = |text: &str| Text::line(text).0;
    let code = report::failure(
        &line(&failure.message),
        failure.hint.as_deref().map(line).as_deref(),
    );
    if let Some(traceback) = &failure.traceback {
        let mut text = Text("\n".to_owned());
        text.append_lines(traceback.trim_end());
        text.end_line();
        complain(&text);
    }
    code
}

/// The size of the terminal at standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    pub columns: usize,
    pub lines: usize,
}

/// `None`: it is not a terminal, or one of unknown size.
pub fn size() -> Option<TerminalSize> {
    let (width, height) = report::is_terminal().then(terminal_size::terminal_size)??;
    Some(TerminalSize {
        columns: width.0.into(),
        lines: height.0.into(),
    })
}

/// What came from the keyboard in some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPress {
    None,
    Key(u8),
    /// The terminal.
    Gone,
}

/// The terminal's alternate screen, so that the previous content is restored afterwards.
#[derive(Debug)]
pub struct FullScreen {
    keys: Keys,
}

impl FullScreen {
    const ENTER: &str = "\x1b[?1049h\x1b[?25l";
    const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
    /// Moves to the upper left and erases everything below: no flicker.
    const FROM_THE_TOP: &str = "\x1b[H\x1b[J";

    /// `None`: input or output is not a terminal.
    pub fn enter() -> Option<Self> {
        let keys = report::is_terminal().then(Keys::take)??;
        report::text(Self::ENTER);
        Some(Self { keys })
    }

    /// `false`: its reader has closed it.
    pub fn draw(&self, text: &Text) -> bool {
        // Without the last line end, which would scroll a full screen.
        report::text(&format!("{}{}", Self::FROM_THE_TOP, text.0.trim_end()))
    }

    pub fn key_within(&self, period: Duration) -> KeyPress {
        match self.keys.wait(period) {
            Ok(Some(key)) => KeyPress::Key(key),
            Ok(None) => KeyPress::None,
            Err(_) => KeyPress::Gone,
        }
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        report::text(Self::LEAVE);
    }
}

pub fn help(page: &StyledStr) -> u8 {
    report::page(page)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        let text = Text::line("/a\x1b[2J\r\nb\u{9b}\u{202e}é");
        assert_eq!(text.as_str(), r"/a\x1b[2J\x0d\nb\x9b\u{202e}é");
    }

    #[test]
    fn lines_keep_their_ends_and_nothing_else() {
        let mut text = Text::default();
        text.append_lines("a\n\tb\x1b]0;title\x07");
        assert_eq!(text.as_str(), "a\n\tb\\x1b]0;title\\x07");
    }

    #[test]
    fn lines_are_cut_by_columns_and_not_by_styles() {
        let mut text = Text::default();
        text.styled("\x1b[31m", format_args!("serving"), "\x1b[0m");
        text.end_line();
        assert_eq!(text.as_str().trim_end().len(), 7 + 5 + 4);
        let whole = text.clone();
        text.cut_lines(7);
        assert_eq!(text, whole);
        text.cut_lines(4);
        assert_eq!(text.as_str(), "\x1b[31mser…\x1b[0m\n");
        let mut lines = Text::default();
        lines.append_lines("a\nb\nc\nd\n");
        lines.keep_lines(4);
        assert_eq!(lines.as_str(), "a\nb\nc\nd\n");
        lines.keep_lines(3);
        assert_eq!(lines.as_str(), "a\nb\n... 2 lines more\n");
    }

    proptest! {
        #[test]
        fn nothing_commands_a_terminal(any in "\\PC*|[\\x00-\\xff\u{2000}-\u{2100}]*") {
            let mut text = Text::line(&any);
            text.append_lines(&any);
            let kept = text.as_str().chars().filter(|c| terminal::is_command(*c));
            prop_assert!(kept.clone().all(|c| c == '\n' || c == '\t'));
            prop_assert!(!Text::line(&any).as_str().contains('\n'));
        }

        #[test]
        fn programs_read_what_the_server_said(any in "\\PC*|[\\x00-\\xff\u{2000}-\u{2100}]*") {
            let mut text = Text::default();
            text.append_json(&serde_json::to_string(&any).expect("a string"));
            prop_assert!(!text.as_str().chars().any(terminal::is_command));
            prop_assert_eq!(serde_json::from_str::<String>(text.as_str()).expect("JSON"), any);
        }
    }
}
