//! A logger class of gunicorn's, or the attributes of a subclass.

use std::ffi::CString;

use serde::Deserialize;

use super::access_format::conversion_of;
use super::{InvalidValue, ParsedValue};
use crate::config::{LinePart, LinePiece, LineShape};

/// What a class changes; empty for gunicorn's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::config) struct LoggerClass {
    pub line: Option<LineShape>,
    pub syslog: Option<LineShape>,
    /// Around each line of the access log; its `%(message)s` is that line.
    access: Option<String>,
}

/// The attributes as `script.py` reports them; `null` stands for Python's `None`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    error_fmt: Option<String>,
    #[serde(default)]
    datefmt: DateFormat,
    access_fmt: Option<String>,
    syslog_fmt: Option<String>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
enum DateFormat {
    #[default]
    #[serde(skip)]
    Gunicorns,
    /// `None`: logging's own.
    Said(Option<String>),
}

const ERROR: &str = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s";
const DATE: &str = "[%Y-%m-%d %H:%M:%S %z]";
const MESSAGE: &str = "%(message)s";

/// `NAME`, or `NAME {"error_fmt": …}` for a class whose attributes are known.
pub(in crate::config) fn logger_class(text: &str) -> ParsedValue<LoggerClass> {
    let (name, attributes) = match text.split_once(' ') {
        Some((name, attributes)) => (name, Some(attributes)),
        None => (text, None),
    };
    match (name, attributes) {
        (_, Some(attributes)) => shaped(&serde_json::from_str(attributes).map_err(|_| unknown())?),
        ("gunicorn.glogging.Logger" | "gunicorn.instrument.statsd.Statsd" | "simple", None) => {
            Ok(LoggerClass::default())
        }
        (_, None) => Err(unknown()),
    }
}

fn unknown() -> InvalidValue {
    InvalidValue::new("is not supported: logs are written without Python")
        .hint(
            "leave it out, and give the logger gunicorn.access its filter, formatter or handler in post_fork or in the app; \
             --access-log-exclude /healthz keeps probes out of the access log",
        )
        .understood()
}

fn shaped(attributes: &Attributes) -> ParsedValue<LoggerClass> {
    let Attributes {
        error_fmt,
        datefmt,
        access_fmt,
        syslog_fmt,
    } = attributes;
    let date = match datefmt {
        DateFormat::Gunicorns => Some(DATE),
        DateFormat::Said(date) => date.as_deref(),
    };
    let line = (error_fmt.is_some() || *datefmt != DateFormat::Gunicorns)
        .then(|| shape("error_fmt", error_fmt.as_deref().unwrap_or(ERROR), date))
        .transpose()?;
    let syslog = syslog_fmt
        .as_deref()
        .map(|format| shape("syslog_fmt", format, None))
        .transpose()?;
    if let Some(format) = access_fmt {
        around("access_fmt", format)?;
    }
    Ok(LoggerClass {
        line,
        syslog,
        access: access_fmt.clone().filter(|format| format != MESSAGE),
    })
}

impl LoggerClass {
    /// The format of the access log, with the text that the class puts around its lines.
    pub fn around(&self, format: &str) -> String {
        match &self.access {
            Some(around) if !matches!(format, "json" | "logfmt") => around.replace(MESSAGE, format),
            _ => format.to_owned(),
        }
    }
}

/// A format whose only field of the record is the message.
fn around(name: &str, format: &str) -> ParsedValue<()> {
    let shape = shape(name, format, None)?;
    let message = LinePiece::Part(LinePart::Message, crate::config::Conversion::default());
    let strange = |piece: &LinePiece| matches!(piece, LinePiece::Part(..)) && *piece != message;
    if shape.pieces.iter().any(strange) {
        return Err(
            InvalidValue::new(format!("has more than %(message)s in {name}"))
                .hint("--access-log-format has the time as %(t)s and the process as %(p)s")
                .understood(),
        );
    }
    Ok(())
}

fn shape(name: &str, format: &str, date: Option<&str>) -> ParsedValue<LineShape> {
    let wrong = |problem: String| InvalidValue::new(format!("has {name} {problem}")).understood();
    let date = date
        .filter(|date| !date.is_empty())
        .map(CString::new)
        .transpose()
        .map_err(|_| wrong("with a date that cannot be".to_owned()))?;
    let mut pieces = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        push_text(&mut pieces, before);
        rest = match after.strip_prefix('%') {
            Some(after) => {
                push_text(&mut pieces, "%");
                after
            }
            None => {
                let found = conversion_of(after).map_err(|malformed| wrong(malformed.problem))?;
                let part = part(found.key).ok_or_else(|| {
                    wrong(format!("with %({})s", found.key))
                        .hint("there are asctime, process, levelname, levelno, name and message")
                })?;
                pieces.push(LinePiece::Part(part, found.conversion));
                found.rest
            }
        };
    }
    push_text(&mut pieces, rest);
    Ok(LineShape { pieces, date })
}

fn push_text(pieces: &mut Vec<LinePiece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(LinePiece::Text(last)) => last.push_str(text),
        _ => pieces.push(LinePiece::Text(text.to_owned())),
    }
}

fn part(key: &str) -> Option<LinePart> {
    Some(match key {
        "asctime" => LinePart::Time,
        "process" => LinePart::Pid,
        "levelname" => LinePart::Level,
        "levelno" => LinePart::LevelNumber,
        "name" => LinePart::Logger,
        "message" => LinePart::Message,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(attributes: &str) -> ParsedValue<LoggerClass> {
        logger_class(&format!("site.Logger {attributes}"))
    }

    #[test]
    fn gunicorns_own_change_nothing() {
        for name in ["gunicorn.glogging.Logger", "simple"] {
            assert_eq!(logger_class(name), Ok(LoggerClass::default()));
        }
        assert_eq!(class("{}"), Ok(LoggerClass::default()));
        assert!(logger_class("site.Logger").unwrap_err().understood);
    }

    #[test]
    fn attributes_shape_the_lines() {
        let line = class(r#"{"error_fmt": "%(levelname)-8s 100%% %(message)s"}"#)
            .unwrap()
            .line
            .unwrap();
        assert_eq!(line.date.as_deref(), Some(c"[%Y-%m-%d %H:%M:%S %z]"));
        assert_eq!(line.pieces.len(), 3);
        let date = |text: &str| class(text).unwrap().line.unwrap().date;
        assert_eq!(date(r#"{"datefmt": null}"#), None);
        assert_eq!(date(r#"{"datefmt": ""}"#), None);
        assert_eq!(date(r#"{"datefmt": "%H"}"#).as_deref(), Some(c"%H"));
        let access = class(r#"{"access_fmt": "access: %(message)s"}"#).unwrap();
        assert_eq!(access.around("%(h)s"), "access: %(h)s");
        assert_eq!(access.around("json"), "json");
        assert_eq!(access.around("logfmt"), "logfmt");
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (attributes, problem) in [
            (
                r#"{"error_fmt": "%(lineno)d"}"#,
                "has error_fmt with %(lineno)s",
            ),
            (
                r#"{"syslog_fmt": "%(thread)d"}"#,
                "has syslog_fmt with %(thread)s",
            ),
            (
                r#"{"access_fmt": "%(asctime)s %(message)s"}"#,
                "has more than %(message)s in access_fmt",
            ),
        ] {
            let malformed = class(attributes).unwrap_err();
            assert_eq!(malformed.problem, problem);
            assert!(malformed.hint.is_some());
        }
    }
}
