//! gunicorn's `access_log_format`, a Python `%` format, compiled into pieces.

use super::{InvalidValue, ParsedValue};
use crate::config::{AccessFormat, Align, Atom, Conversion, FormatPiece};

/// gunicorn's default.
const DEFAULT: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

/// Wider columns are taken for a typing error.
const WIDEST: usize = 1000;

/// The word `json` or `logfmt`, or a format.
pub(in crate::config) fn access_format(text: &str) -> ParsedValue<AccessFormat> {
    match text {
        DEFAULT => Ok(AccessFormat::Gunicorns),
        "json" => Ok(AccessFormat::Json),
        "logfmt" => Ok(AccessFormat::Logfmt),
        _ => pieces(text).map(|pieces| {
            if is_json(&pieces) {
                AccessFormat::JsonShaped(pieces)
            } else {
                AccessFormat::Custom(pieces)
            }
        }),
    }
}

/// Whether a line is a JSON object or array with a number for each number, and any characters within quotes for each text.
fn is_json(pieces: &[FormatPiece]) -> bool {
    let sample: String = pieces
        .iter()
        .map(|piece| match piece {
            FormatPiece::Text(text) => text.as_str(),
            FormatPiece::Atom(atom, _) if atom.is_number() || *atom == Atom::DecimalSeconds => "0",
            FormatPiece::Atom(..) => "x",
        })
        .collect();
    matches!(
        serde_json::from_str(&sample),
        Ok(serde_json::Value::Object(_) | serde_json::Value::Array(_))
    )
}

fn pieces(text: &str) -> ParsedValue<Vec<FormatPiece>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        push_text(&mut pieces, before);
        rest = match after.strip_prefix('%') {
            Some(after) => {
                push_text(&mut pieces, "%");
                after
            }
            None => conversion(after, &mut pieces)?,
        };
    }
    push_text(&mut pieces, rest);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<FormatPiece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(FormatPiece::Text(last)) => last.push_str(text),
        _ => pieces.push(FormatPiece::Text(text.to_owned())),
    }
}

/// The parts of a Python conversion.
pub(super) struct PythonConversion<'t> {
    pub key: &'t str,
    pub conversion: Conversion,
    /// `d` and its like, not `s`.
    is_number: bool,
    /// What follows it.
    pub rest: &'t str,
}

/// Parses from after the `%` of `%(key)08d`; returns the rest as well.
fn conversion<'t>(text: &'t str, pieces: &mut Vec<FormatPiece>) -> ParsedValue<&'t str> {
    let PythonConversion {
        key,
        conversion,
        is_number,
        rest,
    } = conversion_of(text)?;
    match atom(key) {
        Some(atom) if is_number && !atom.is_number() => {
            return Err(malformed(text, "is no number, so it has to end in s"));
        }
        Some(atom) => pieces.push(FormatPiece::Atom(atom, conversion)),
        // A missing value is a dash, as with gunicorn.
        None => push_text(pieces, "-"),
    }
    Ok(rest)
}

pub(super) fn conversion_of(text: &str) -> ParsedValue<PythonConversion<'_>> {
    let (key, rest) = text
        .strip_prefix('(')
        .and_then(key)
        .ok_or_else(|| malformed(text, "has a % without a name in parentheses"))?;
    let flags = rest.len() - rest.trim_start_matches(['-', '0', '#', ' ', '+']).len();
    let (flags, rest) = rest.split_at(flags);
    let (width, rest) = number(rest);
    let (precision, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (digits, rest) = number(rest);
            (Some(digits.unwrap_or(0)), rest)
        }
        None => (None, rest),
    };
    let rest = rest.trim_start_matches(['h', 'l', 'L']);
    let mut characters = rest.chars();
    let is_number = match characters.next() {
        Some('s') => false,
        Some('d' | 'i' | 'u') => true,
        _ => return Err(malformed(text, "must end in s or d")),
    };
    let conversion = Conversion {
        width: width.unwrap_or(0),
        precision,
        align: match () {
            () if flags.contains('-') => Align::Left,
            () if flags.contains('0') && is_number => Align::Zeros,
            () => Align::Right,
        },
    };
    if conversion.width > WIDEST {
        return Err(malformed(text, "is too wide"));
    }
    Ok(PythonConversion {
        key,
        conversion,
        is_number,
        rest: characters.as_str(),
    })
}

/// Parses from after the opening parenthesis; parentheses in a name have to be in pairs.
fn key(text: &str) -> Option<(&str, &str)> {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        depth += match character {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth == 0 {
            return Some((text.get(..at)?, text.get(at + 1..)?));
        }
    }
    None
}

fn number(text: &str) -> (Option<usize>, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    match digits {
        "" => (None, rest),
        _ => (Some(digits.parse().unwrap_or(usize::MAX)), rest),
    }
}

fn atom(key: &str) -> Option<Atom> {
    Some(match key {
        "h" => Atom::Client,
        "u" => Atom::User,
        "t" => Atom::Time,
        "r" => Atom::RequestLine,
        "s" => Atom::Status,
        "m" => Atom::Method,
        "U" => Atom::Path,
        "q" => Atom::Query,
        "H" => Atom::Protocol,
        "b" | "B" => Atom::Length,
        "f" => Atom::Referer,
        "a" => Atom::UserAgent,
        "T" => Atom::Seconds,
        "M" => Atom::Milliseconds,
        "D" => Atom::Microseconds,
        "L" => Atom::DecimalSeconds,
        "p" => Atom::Pid,
        _ => {
            let (name, kind) = key.strip_prefix('{')?.rsplit_once('}')?;
            let name = name.to_ascii_lowercase();
            match kind {
                "i" | "I" => Atom::RequestField(name),
                "o" | "O" => Atom::ResponseField(name),
                "e" | "E" => Atom::Environ(name),
                _ => return None,
            }
        }
    })
}

fn malformed(at: &str, problem: &str) -> InvalidValue {
    let shown: String = at.chars().take(20).collect();
    InvalidValue::new(format!("{problem}: `%{shown}`"))
        .hint("write `%(h)s`, `%({x-request-id}i)s` and so on, `%%` for a percent sign, or json")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compiled(text: &str) -> Vec<FormatPiece> {
        match access_format(text) {
            Ok(AccessFormat::Custom(pieces)) => pieces,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn plain(atom: Atom) -> FormatPiece {
        FormatPiece::Atom(atom, Conversion::default())
    }

    fn text(text: &str) -> FormatPiece {
        FormatPiece::Text(text.to_owned())
    }

    #[test]
    fn words_and_the_default() {
        assert_eq!(access_format("json"), Ok(AccessFormat::Json));
        assert_eq!(access_format("logfmt"), Ok(AccessFormat::Logfmt));
        assert_eq!(access_format(DEFAULT), Ok(AccessFormat::Gunicorns));
        assert_eq!(access_format(""), Ok(AccessFormat::Custom(Vec::new())));
    }

    #[test]
    fn names_flags_and_text() {
        assert_eq!(
            compiled("100%% %(h)s [%(l)s|%(x)s] %({X-Request-Id}i)s"),
            [
                text("100% "),
                plain(Atom::Client),
                text(" [-|-] "),
                plain(Atom::RequestField("x-request-id".into()))
            ]
        );
        assert_eq!(
            compiled("%(D)08d%(U)-10.5s"),
            [
                FormatPiece::Atom(
                    Atom::Microseconds,
                    Conversion {
                        width: 8,
                        precision: None,
                        align: Align::Zeros
                    }
                ),
                FormatPiece::Atom(
                    Atom::Path,
                    Conversion {
                        width: 10,
                        precision: Some(5),
                        align: Align::Left
                    }
                )
            ]
        );
        // Python's own conversions pair the parentheses.
        assert_eq!(
            compiled("%({a(b)}e)s"),
            [plain(Atom::Environ("a(b)".into()))]
        );
    }

    #[test]
    fn what_python_would_stumble_over_is_refused() {
        for wrong in [
            "%s",
            "%(h)",
            "%(h)d",
            "%",
            "%(h",
            "%(D)99999d",
            "50% of %(h)s",
        ] {
            assert!(access_format(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_format_that_is_json_is_known_as_such() {
        for text in [
            r#"{"path": "%(U)s", "status": %(s)s, "took": %(L)s}"#,
            r#"[%(s)s, "%(h)s %(l)s"]"#,
            r#" {"host": "%({host}i)s", "nested": {"agent": "%(a)s"}} "#,
        ] {
            let found = access_format(text);
            assert!(matches!(found, Ok(AccessFormat::JsonShaped(_))), "{text}");
        }
        for text in [
            "",
            "%(s)s",
            r#""%(r)s""#,
            r#"{"agent": %(a)s}"#,
            r"{'path': '%(U)s'}",
            r#"access {"path": "%(U)s"}"#,
        ] {
            let found = access_format(text);
            assert!(matches!(found, Ok(AccessFormat::Custom(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_compiled_or_refused(text in "[%(){}a-zA-Z0-9 .*-]{0,24}") {
            drop(access_format(&text));
        }
    }
}
