//! One event as a record for programs: a JSON object, or logfmt, on one line with its traceback. Text in, bytes out.

use std::io::Write;

use super::EVENT;
use super::json::{push_name, push_string};
use super::line::{FieldValue, LogMessage, push_value};
use super::stamp::RenderedTime;
use crate::config::LogLevel;

/// Of the message and each field: lines should be short.
const LONGEST: usize = 1024;
/// A companion's line is cut by whoever reads it.
const LONGEST_OF_COMPANION: usize = 3 * 1024;
/// Of a traceback: its beginning and its end, which has the exception.
const LONGEST_TRACEBACK: usize = 32 * 1024;

/// Renames fields that a record has already.
fn own_name(name: &'static str) -> &'static str {
    match name {
        "pid" => "worker_pid",
        "level" => "new_level",
        "time" => "at",
        "message" => "text",
        other => other,
    }
}

pub(super) fn level_name(level: LogLevel) -> &'static str {
    LogLevel::NAMES
        .get(level as usize)
        .copied()
        .unwrap_or("info")
}

/// `{"time":…,"level":…,"pid":…,"message":…,FIELDS,"traceback":…}`
pub(super) fn json(
    event: &LogMessage,
    stamp: &mut RenderedTime,
    pid: u32,
    level: LogLevel,
) -> Vec<u8> {
    let mut line = b"{\"time\":\"".to_vec();
    stamp.push_with_millis(&mut line);
    // Writing to a vector cannot fail.
    let _ = write!(
        line,
        "\",\"level\":\"{}\",\"pid\":{pid},\"message\":",
        level_name(level)
    );
    push_string(&mut line, event.message.as_bytes(), longest(event));
    for (name, value) in fields(event, pid) {
        push_name(&mut line, name);
        match value {
            FieldValue::Literal(literal) => line.extend_from_slice(literal.as_bytes()),
            FieldValue::Text(text) => push_string(&mut line, text.as_bytes(), LONGEST),
        }
    }
    if !event.traceback.is_empty() {
        push_name(&mut line, "traceback");
        push_string(&mut line, shortened(event).as_bytes(), usize::MAX);
    }
    line.extend_from_slice(b"}\n");
    line
}

/// `time=… level=… pid=… message="…" FIELDS traceback="…"`
pub(super) fn logfmt(
    event: &LogMessage,
    stamp: &mut RenderedTime,
    pid: u32,
    level: LogLevel,
) -> Vec<u8> {
    let mut time = Vec::new();
    stamp.push_with_millis(&mut time);
    let mut line = format!(
        "time={} level={} pid={pid} message=",
        String::from_utf8_lossy(&time),
        level_name(level)
    );
    push_value(&mut line, cut(&event.message, longest(event)));
    for (name, value) in fields(event, pid) {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        push_value(&mut line, cut(value.text(), LONGEST));
    }
    if !event.traceback.is_empty() {
        line.push_str(" traceback=");
        push_value(&mut line, &shortened(event));
    }
    line.push('\n');
    line.into_bytes()
}

/// Without a `pid` that is this process's; the event is the last one.
fn fields(event: &LogMessage, pid: u32) -> impl Iterator<Item = (&'static str, &FieldValue)> {
    let pid = pid.to_string();
    let is_event = |field: &&(&'static str, FieldValue)| field.0 == EVENT;
    let others = event.fields.iter().filter(move |field| !is_event(field));
    others
        .filter(move |(name, value)| *name != "pid" || value.text() != pid)
        .chain(event.fields.iter().filter(is_event))
        .map(|(name, value)| (own_name(name), value))
}

/// Messages of the app may be longer.
fn longest(event: &LogMessage) -> usize {
    match event.form {
        super::line::LineForm::Line => LONGEST,
        super::line::LineForm::Companion => LONGEST_OF_COMPANION,
        super::line::LineForm::AsItIs => LONGEST_TRACEBACK,
    }
}

fn cut(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}

fn shortened(event: &LogMessage) -> String {
    let text = event.traceback.trim_end_matches('\n');
    if text.len() <= LONGEST_TRACEBACK {
        return text.to_owned();
    }
    let begin = cut(text, LONGEST_TRACEBACK / 4);
    let from = text.len() - LONGEST_TRACEBACK * 3 / 4;
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at));
    let end = from.and_then(|from| text.get(from..)).unwrap_or_default();
    format!("{begin}\n  [...]\n{end}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observability::line::LineForm;

    fn sample() -> LogMessage {
        LogMessage {
            message: "a \"b\"\nc".to_owned(),
            fields: vec![
                ("slot", FieldValue::Literal("3".into())),
                ("pid", FieldValue::Literal("8".into())),
                ("path", FieldValue::Text("\"/x\" y=\"1\"".into())),
                ("reason", FieldValue::Text("k=\"v\"\n".into())),
            ],
            traceback: "Traceback:\n  File \"x.py\"\nValueError: é\n".to_owned(),
            form: LineForm::Line,
        }
    }

    fn read(event: &LogMessage) -> serde_json::Value {
        let line = json(event, &mut RenderedTime::rfc3339(), 7, LogLevel::Error);
        let text = String::from_utf8(line).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        serde_json::from_str(&text).expect(&text)
    }

    #[test]
    fn json_with_everything_in_one_record() {
        let record = read(&sample());
        assert_eq!(record["level"], "error");
        assert_eq!(
            (&record["pid"], &record["worker_pid"]),
            (&7.into(), &8.into())
        );
        assert_eq!(record["message"], "a \"b\"\nc");
        assert_eq!(
            (&record["slot"], &record["path"]),
            (&3.into(), &"\"/x\" y=\"1\"".into())
        );
        assert_eq!(record["reason"], "k=\"v\"\n");
        assert_eq!(
            record["traceback"],
            "Traceback:\n  File \"x.py\"\nValueError: é"
        );
    }

    #[test]
    fn logfmt_on_one_line() {
        let line = logfmt(
            &sample(),
            &mut RenderedTime::rfc3339(),
            7,
            LogLevel::Warning,
        );
        let text = String::from_utf8(line).unwrap();
        let rest = text.split_once(" level=").unwrap().1;
        assert_eq!(
            rest,
            "warning pid=7 message=\"a \\\"b\\\"\\nc\" slot=3 worker_pid=8 path=\"\\\"/x\\\" y=\\\"1\\\"\" reason=\"k=\\\"v\\\"\\n\" \
             traceback=\"Traceback:\\n  File \\\"x.py\\\"\\nValueError: é\"\n"
        );
    }

    #[test]
    fn a_traceback_without_end_keeps_its_end() {
        let traceback = format!("first\n{}\nValueError: last", "ä".repeat(100_000));
        let record = read(&LogMessage {
            traceback,
            ..sample()
        });
        let text = record["traceback"].as_str().unwrap();
        assert!(text.starts_with("first") && text.ends_with("ValueError: last"));
        assert!(text.len() < LONGEST_TRACEBACK + 100);
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_json(message in "\\PC*|[\\x00-\\xff]*", value in "\\PC*|[\\x00-\\xff]*") {
            let record = read(&LogMessage {
                message: message.clone(),
                fields: vec![("value", FieldValue::Text(value))],
                ..LogMessage::default()
            });
            prop_assert!(message.len() > LONGEST / 6 || record["message"] == message.as_str());
        }
    }
}
