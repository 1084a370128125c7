//! Counts, durations, sizes and file mode masks.

use std::time::Duration;

use super::{InvalidValue, ParsedValue};

/// A hundred years: beyond it a deadline cannot be computed.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What "unlimited" means for a line or a field: a head must fit into memory.
const LONGEST_LINE: u64 = 1 << 20;
/// gunicorn's own ceiling.
const MOST_FIELDS: u32 = 32_768;
const MOST_THREADS: u32 = 1024;

/// A whole number within `range`.
pub(in crate::config) fn number(
    text: &str,
    range: std::ops::RangeInclusive<u32>,
) -> ParsedValue<u32> {
    let (least, most) = (*range.start(), *range.end());
    match text.trim().parse::<i128>() {
        Ok(number) => match u32::try_from(number) {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) if number < i128::from(least) => {
                Err(InvalidValue::new(format!("is less than {least}")).understood())
            }
            Ok(_) | Err(_) => Err(InvalidValue::new(format!("is more than {most}")).understood()),
        },
        Err(_) => Err(InvalidValue::new("is not a whole number")),
    }
}

/// Seconds (`30`, `0.5`), or a number with a unit (`500ms`, `30s`, `2m`, `1h`).
pub(in crate::config) fn duration(text: &str) -> ParsedValue<Duration> {
    let text = text.trim();
    let (number, unit) = split_unit(text);
    let seconds_per_unit = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(not_a_duration()),
    };
    // Only digits and one point: `inf`, `1e9` and signs are rejected.
    if number.is_empty()
        || !number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        let negative = number
            .strip_prefix('-')
            .is_some_and(|rest| rest.parse::<f64>().is_ok());
        return Err(if negative {
            InvalidValue::new("is less than 0").understood()
        } else {
            not_a_duration()
        });
    }
    let number: f64 = number.parse().map_err(|_| not_a_duration())?;
    match Duration::try_from_secs_f64(number * seconds_per_unit) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(_) => Err(InvalidValue::new("is longer than a hundred years")),
    }
}

/// A short duration: a number without a unit is milliseconds.
pub(in crate::config) fn milliseconds(text: &str) -> ParsedValue<Duration> {
    let text = text.trim();
    let parsed = match text.parse::<f64>() {
        Ok(_) => duration(&format!("{text}ms")),
        Err(_) => duration(text),
    };
    match parsed? {
        short if short < Duration::from_millis(1) => {
            Err(InvalidValue::new("is less than a millisecond")
                .hint("a number without a unit is milliseconds; write seconds as in 0.2s"))
        }
        wait => Ok(wait),
    }
}

fn not_a_duration() -> InvalidValue {
    InvalidValue::new("is not a duration")
        .hint("write seconds, as in 30 or 0.5, or a unit, as in 500ms, 30s, 2m")
}

/// Bytes, or a number with `k`, `m` or `g` (powers of 1,024, as in nginx).
pub(in crate::config) fn size(text: &str) -> ParsedValue<u64> {
    let text = text.trim();
    let (number, unit) = split_unit(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(not_a_size()),
    };
    let number: u64 = number.parse().map_err(|_| not_a_size())?;
    number
        .checked_mul(factor)
        .ok_or_else(|| InvalidValue::new("is too large"))
}

fn not_a_size() -> InvalidValue {
    InvalidValue::new("is not a size")
        .hint("write bytes, as in 8190, or a unit, as in 64k, 20m, 1g")
}

/// As gunicorn reads a umask: `022` and `0o22` are octal, `0x12` is hexadecimal, `18` is decimal.
pub(in crate::config) fn mask(text: &str) -> ParsedValue<u32> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let parsed = if let Some(hexadecimal) = lower.strip_prefix("0x") {
        u32::from_str_radix(hexadecimal, 16)
    } else if let Some(octal) = lower.strip_prefix("0o") {
        u32::from_str_radix(octal, 8)
    } else if lower.len() > 1 && lower.starts_with('0') {
        u32::from_str_radix(&lower, 8)
    } else {
        lower.parse()
    };
    match parsed {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        Ok(mask) => {
            let malformed = InvalidValue::new("is more than 0777");
            // `--umask 777` is octal everywhere but in gunicorn.
            Err(if lower == mask.to_string() {
                malformed.hint("a leading 0 makes it octal")
            } else {
                malformed
            })
        }
        Err(_) => Err(InvalidValue::new("is not a file mode mask").hint("write it as in 0117")),
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .rfind(|c: char| c.is_ascii_digit() || c == '.')
        .map_or(0, |last| last + 1);
    text.split_at(end)
}

pub(in crate::config) fn positive_duration(text: &str) -> ParsedValue<Duration> {
    match duration(text)? {
        duration if duration.is_zero() => Err(InvalidValue::new("must be more than 0")),
        duration => Ok(duration),
    }
}

/// When a worker counts as hung. The master checks once a second.
pub(in crate::config) fn hang_timeout(text: &str) -> ParsedValue<Duration> {
    match duration(text)? {
        short if !short.is_zero() && short < Duration::from_secs(1) => {
            Err(InvalidValue::new("is less than a second")
                .hint("workers are checked once a second; 0 never replaces a stuck one")
                .understood())
        }
        timeout => Ok(timeout),
    }
}

/// Of a request line or a header field; 0 means the most there is.
pub(in crate::config) fn longest(text: &str) -> ParsedValue<usize> {
    let bytes = match size(text)? {
        0 => LONGEST_LINE,
        bytes if bytes > LONGEST_LINE => {
            return Err(InvalidValue::new(format!("is more than {LONGEST_LINE}")));
        }
        bytes => bytes,
    };
    Ok(usize::try_from(bytes).expect("at most 1 MiB"))
}

/// Application threads. gunicorn's sync worker runs with 0 as with 1.
pub(in crate::config) fn threads(text: &str) -> ParsedValue<u32> {
    number(text, 0..=MOST_THREADS).map(|threads| threads.max(1))
}

/// 0 means the most there is, and so does what is more than that, as with gunicorn.
pub(in crate::config) fn most_fields(text: &str) -> ParsedValue<usize> {
    match number(text, 0..=u32::MAX)? {
        0 => Ok(MOST_FIELDS as usize),
        fields => Ok(fields.min(MOST_FIELDS) as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: std::fmt::Debug>(value: ParsedValue<T>) -> String {
        value.expect_err("must be refused").problem
    }

    #[test]
    fn numbers() {
        assert_eq!(number("4", 1..=10), Ok(4));
        assert_eq!(number(" 4 ", 1..=10), Ok(4));
        assert_eq!(problem(number("0", 1..=10)), "is less than 1");
        assert_eq!(problem(number("-3", 1..=10)), "is less than 1");
        assert_eq!(problem(number("11", 1..=10)), "is more than 10");
        assert_eq!(problem(number("99999999999", 1..=10)), "is more than 10");
        for text in ["", "four", "4.0", "0x4", "4k"] {
            assert_eq!(
                problem(number(text, 1..=10)),
                "is not a whole number",
                "{text:?}"
            );
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("0", 0),
            ("30", 30_000),
            ("0.5", 500),
            (".5", 500),
            ("500ms", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(
                duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text:?}"
            );
        }
        for text in [
            "",
            "s",
            "x",
            "1d",
            "1.2.3",
            "inf",
            "nan",
            "1e3",
            "+5",
            "5 minutes",
            "٣",
        ] {
            assert_eq!(problem(duration(text)), "is not a duration", "{text:?}");
        }
        assert_eq!(problem(duration("-5")), "is less than 0");
        assert_eq!(
            problem(duration("99999999999999999999")),
            "is longer than a hundred years"
        );
    }

    #[test]
    fn short_durations_are_milliseconds() {
        for (text, millis) in [
            ("10", 10),
            ("1.5", 1),
            ("250ms", 250),
            ("0.2s", 200),
            ("1", 1),
        ] {
            let read = milliseconds(text).map(|wait| wait.as_millis());
            assert_eq!(read, Ok(millis), "{text:?}");
        }
        for text in ["0", "0.2", "0s"] {
            assert_eq!(
                problem(milliseconds(text)),
                "is less than a millisecond",
                "{text:?}"
            );
        }
        assert_eq!(problem(milliseconds("-5")), "is less than 0");
        assert_eq!(problem(milliseconds("soon")), "is not a duration");
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("8190", 8190),
            ("64k", 65_536),
            ("20M", 20 << 20),
            ("1GiB", 1 << 30),
            ("5b", 5),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text:?}");
        }
        for text in ["", "m", "-1", "1.5m", "10x"] {
            assert_eq!(problem(size(text)), "is not a size", "{text:?}");
        }
        assert_eq!(problem(size("99999999999g")), "is too large");
    }

    #[test]
    fn masks() {
        for (text, mask_) in [
            ("0", 0),
            ("022", 0o22),
            ("0o22", 0o22),
            ("0x12", 0o22),
            ("18", 0o22),
            ("0117", 0o117),
        ] {
            assert_eq!(mask(text), Ok(mask_), "{text:?}");
        }
        for text in ["", "99z", "089", "-1"] {
            assert_eq!(problem(mask(text)), "is not a file mode mask", "{text:?}");
        }
        assert_eq!(
            mask("777").unwrap_err().hint.as_deref(),
            Some("a leading 0 makes it octal")
        );
    }
}
