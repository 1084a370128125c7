//! A message's line in a custom format, as Python's `logging.Formatter` would write it.

use crate::config::{Align, Conversion, LinePart, LinePiece, LineShape, LogLevel};
use crate::sys::{format_time, unix_millis};

/// The values of a line.
pub(super) struct LogRecord<'a> {
    pub level: LogLevel,
    pub pid: u32,
    pub logger: &'a str,
    pub message: &'a str,
}

pub(super) fn render(shape: &LineShape, record: &LogRecord<'_>) -> String {
    let mut line = String::new();
    for piece in &shape.pieces {
        match piece {
            LinePiece::Text(text) => line.push_str(text),
            LinePiece::Part(part, conversion) => {
                push(&mut line, &text_of(*part, shape, record), *conversion);
            }
        }
    }
    line
}

fn text_of(part: LinePart, shape: &LineShape, record: &LogRecord<'_>) -> String {
    match part {
        LinePart::Time => time(shape),
        LinePart::Pid => record.pid.to_string(),
        LinePart::Level => LogLevel::NAMES
            .get(record.level as usize)
            .map(|name| name.to_ascii_uppercase())
            .unwrap_or_default(),
        LinePart::LevelNumber => ((record.level as u32 + 1) * 10).to_string(),
        LinePart::Logger => record.logger.to_owned(),
        LinePart::Message => record.message.to_owned(),
    }
}

fn time(shape: &LineShape) -> String {
    let (second, millis) = unix_millis();
    match &shape.date {
        Some(format) => format_time(second, format),
        None => format!("{},{millis:03}", format_time(second, c"%Y-%m-%d %H:%M:%S")),
    }
}

fn push(line: &mut String, text: &str, conversion: Conversion) {
    let Conversion {
        width,
        precision,
        align,
    } = conversion;
    let shown: String = match precision {
        Some(most) => text.chars().take(most).collect(),
        None => text.to_owned(),
    };
    let padded = match align {
        Align::Left => format!("{shown:<width$}"),
        Align::Right => format!("{shown:>width$}"),
        Align::Zeros => format!("{shown:0>width$}"),
    };
    line.push_str(&padded);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_would() {
        let part = |part, width, align| {
            LinePiece::Part(
                part,
                Conversion {
                    width,
                    precision: None,
                    align,
                },
            )
        };
        let shape = LineShape {
            pieces: vec![
                part(LinePart::Level, 8, Align::Left),
                LinePiece::Text("|".into()),
                part(LinePart::Pid, 5, Align::Zeros),
                LinePiece::Text("|".into()),
                part(LinePart::Logger, 0, Align::Right),
                part(LinePart::Message, 5, Align::Right),
                part(LinePart::Time, 0, Align::Right),
            ],
            date: Some(c"x".into()),
        };
        let record = LogRecord {
            level: LogLevel::Warning,
            pid: 42,
            logger: "gunicorn.error",
            message: "so",
        };
        assert_eq!(
            render(&shape, &record),
            "WARNING |00042|gunicorn.error   sox"
        );
    }
}
