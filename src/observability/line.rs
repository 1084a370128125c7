//! One event as gunicorn would write it: `[time] [pid] [LEVEL] message field=value …`. Text in, bytes out.

use std::fmt::Debug;

use tracing::field::{Field, Visit};

use super::{EVENT, TRACEBACK, terminal};
use crate::config::LogLevel;
use crate::sys::ATOMIC;

/// The message and fields of an event.
#[derive(Debug, Default)]
pub(super) struct LogMessage {
    pub message: String,
    pub fields: Vec<(&'static str, FieldValue)>,
    pub traceback: String,
    pub form: LineForm,
}

/// A field's value.
#[derive(Debug)]
pub(super) enum FieldValue {
    Text(String),
    /// A number, `true` or `false`.
    Literal(String),
}

impl FieldValue {
    pub fn text(&self) -> &str {
        match self {
            FieldValue::Text(text) | FieldValue::Literal(text) => text,
        }
    }
}

/// The origin of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum LineForm {
    /// Ours: on one line.
    #[default]
    Line,
    /// The app's, which may have several, as with Python's handlers.
    AsItIs,
    /// A companion's: on one line, behind its name.
    Companion,
}

/// What every line begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub stamp: &'a str,
    pub pid: u32,
    pub level: LogLevel,
    pub colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Never,
    Always,
}

impl LogMessage {
    /// The line, cut at `ATOMIC` bytes so that a pipe takes it whole; then the traceback as it is, of any length.
    pub(super) fn render(&self, head: Head<'_>) -> Vec<u8> {
        let (name, on) = match head.level {
            LogLevel::Debug => ("DEBUG", "\x1b[2m"),
            LogLevel::Info => ("INFO", "\x1b[32m"),
            LogLevel::Warning => ("WARNING", "\x1b[33m"),
            LogLevel::Error => ("ERROR", "\x1b[31m"),
            LogLevel::Critical => ("CRITICAL", "\x1b[1;31m"),
        };
        let (on, off) = if head.colour == Colour::Always {
            (on, "\x1b[0m")
        } else {
            ("", "")
        };
        let mut line = format!("{} [{}] [{on}{name}{off}] ", head.stamp, head.pid);
        self.push_text(&mut line);
        if self.form != LineForm::AsItIs {
            cut(&mut line, ATOMIC - 1);
        }
        line.push('\n');
        self.push_traceback(&mut line);
        line.into_bytes()
    }

    /// What Python's formatter would call the message: without time, pid and level.
    pub(super) fn bare(&self) -> String {
        let mut text = String::new();
        self.push_text(&mut text);
        if !self.traceback.is_empty() {
            text.push('\n');
            self.push_traceback(&mut text);
            text.pop();
        }
        text
    }

    /// The message with its fields, without a traceback.
    pub(super) fn one_line(&self) -> String {
        let mut text = String::new();
        self.push_text(&mut text);
        text
    }

    /// A line that was formatted elsewhere, with the traceback below it.
    pub(super) fn below(&self, mut line: String) -> Vec<u8> {
        if self.form != LineForm::AsItIs {
            cut(&mut line, ATOMIC - 1);
        }
        line.push('\n');
        self.push_traceback(&mut line);
        line.into_bytes()
    }

    fn push_text(&self, line: &mut String) {
        match self.form {
            LineForm::Line => push_escaped(line, &self.message, Quotes::Plain),
            LineForm::AsItIs => line.push_str(&self.message),
            LineForm::Companion => {
                for (_, name) in &self.fields {
                    push_escaped(line, name.text(), Quotes::Plain);
                    line.push_str(": ");
                }
                push_escaped(line, &self.message, Quotes::Plain);
                return;
            }
        }
        let shown = self.fields.iter().filter(|(name, _)| *name != EVENT);
        for (name, value) in shown {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            push_value(line, value.text());
        }
    }

    fn push_traceback(&self, line: &mut String) {
        if !self.traceback.is_empty() {
            // The text of an exception may quote a client.
            line.push_str(&terminal::shown_lines(&self.traceback));
        }
    }

    /// A message without fields.
    pub(super) fn plain(message: &str) -> LogMessage {
        LogMessage {
            message: message.to_owned(),
            ..LogMessage::default()
        }
    }

    pub(super) fn of_companion(name: &str, line: &str) -> LogMessage {
        LogMessage {
            message: line.to_owned(),
            fields: vec![("companion", FieldValue::Text(name.to_owned()))],
            form: LineForm::Companion,
            ..LogMessage::default()
        }
    }

    /// A record of one of Python's loggers.
    pub(super) fn of_python(message: String, traceback: String) -> LogMessage {
        LogMessage {
            message,
            traceback,
            form: LineForm::AsItIs,
            ..LogMessage::default()
        }
    }

    fn field(&mut self, name: &'static str, value: FieldValue) {
        match name {
            "message" => value.text().clone_into(&mut self.message),
            TRACEBACK => value.text().clone_into(&mut self.traceback),
            _ => self.fields.push((name, value)),
        }
    }
}

impl Visit for LogMessage {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field.name(), FieldValue::Text(value.to_owned()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.field(field.name(), FieldValue::Literal(value.to_string()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.field(field.name(), FieldValue::Literal(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.field(field.name(), FieldValue::Literal(value.to_string()));
    }

    /// `%display` and `?debug` come through here.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.field(field.name(), FieldValue::Text(format!("{value:?}")));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.field(field.name(), FieldValue::Text(value.to_string()));
    }
}

/// In quotes where the end of the value would be ambiguous; quotes of its own are escaped, since a client may have sent them.
pub(super) fn push_value(text: &mut String, value: &str) {
    let needs_quotes = value.is_empty()
        || value
            .chars()
            .any(|c| c.is_whitespace() || terminal::is_command(c) || c == '"' || c == '=');
    if needs_quotes {
        text.push('"');
        push_escaped(text, value, Quotes::Escaped);
        text.push('"');
    } else {
        push_escaped(text, value, Quotes::Plain);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Plain,
    Escaped,
}

/// On one line, and nothing that a terminal would obey: what a client sent may be part of it.
fn push_escaped(text: &mut String, value: &str, quotes: Quotes) {
    for character in value.chars() {
        match character {
            '"' | '\\' if quotes == Quotes::Escaped => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if terminal::is_command(character) => terminal::push_shown(text, character),
            _ => text.push(character),
        }
    }
}

fn cut(line: &mut String, longest: usize) {
    const MARK: &str = "…";
    if line.len() > longest {
        let room = longest - MARK.len();
        let end = (0..=room)
            .rev()
            .find(|end| line.is_char_boundary(*end))
            .unwrap_or(0);
        line.truncate(end);
        line.push_str(MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Head<'static> = Head {
        stamp: "[2026-11-20 12:00:00 +0000]",
        pid: 7,
        level: LogLevel::Info,
        colour: Colour::Never,
    };

    fn event(fields: &[(&'static str, &str)]) -> LogMessage {
        let mut event = LogMessage::default();
        for (name, value) in fields {
            event.field(name, FieldValue::Text((*value).to_owned()));
        }
        event
    }

    fn text(fields: &[(&'static str, &str)]) -> String {
        String::from_utf8(event(fields).render(HEAD)).unwrap()
    }

    #[test]
    fn gunicorns_format_with_fields() {
        assert_eq!(
            text(&[
                ("slot", "0"),
                ("message", "worker ready"),
                ("after_ms", "120")
            ]),
            "[2026-11-20 12:00:00 +0000] [7] [INFO] worker ready slot=0 after_ms=120\n"
        );
    }

    #[test]
    fn the_name_of_an_event_is_for_programs() {
        let line = text(&[("event", "worker_ready"), ("message", "worker ready")]);
        assert!(line.ends_with("] worker ready\n"), "{line:?}");
    }

    #[test]
    fn values_cannot_be_mistaken() {
        let line = text(&[
            ("message", "m"),
            ("a", ""),
            ("b", "x y"),
            ("c", "a=\"b\\\""),
            ("d", "\"quoted\""),
            ("e", "back\\slash"),
        ]);
        assert_eq!(
            line,
            "[2026-11-20 12:00:00 +0000] [7] [INFO] m a=\"\" b=\"x y\" c=\"a=\\\"b\\\\\\\"\" d=\"\\\"quoted\\\"\" e=back\\slash\n"
        );
    }

    #[test]
    fn nothing_makes_a_second_line_or_moves_the_cursor() {
        let line = text(&[
            ("message", "a\nb"),
            ("path", "/x\r\n[2026] fake\x1b[2J\u{9b}\u{202e}"),
            (TRACEBACK, "Traceback:\n\tbad path \x1b[2J"),
        ]);
        let (line, traceback) = line.split_once('\n').unwrap();
        assert_eq!(traceback, "Traceback:\n\tbad path \\x1b[2J\n");
        assert!(
            !line.contains(['\n', '\r', '\x1b', '\u{9b}', '\u{202e}']),
            "{line:?}"
        );
    }

    #[test]
    fn a_long_line_is_cut_and_a_traceback_is_not() {
        let long = "ä".repeat(5000);
        let traceback =
            format!("Traceback (most recent call last):\n  {long}\nValueError: \"x\"\n");
        let line = text(&[("message", "m"), ("path", &long), (TRACEBACK, &traceback)]);
        let (first, rest) = line.split_once('\n').unwrap();
        assert!(
            first.len() < ATOMIC && first.len() > ATOMIC - 8 && first.ends_with('…'),
            "{}",
            first.len()
        );
        assert_eq!(rest, traceback);
    }

    #[test]
    fn colour_is_only_on_the_level() {
        let coloured = event(&[("message", "m")]).render(Head {
            colour: Colour::Always,
            level: LogLevel::Critical,
            ..HEAD
        });
        assert_eq!(
            String::from_utf8(coloured).unwrap(),
            "[2026-11-20 12:00:00 +0000] [7] [\x1b[1;31mCRITICAL\x1b[0m] m\n"
        );
    }
}
