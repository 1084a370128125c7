//! Durations and sizes as systemd, nginx, compose and Kubernetes write them.

use std::time::Duration;

/// `45`, `45s`, `1min 30s`, `2m`, `500ms`, `1m30s`; a number without a unit is seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
        let end = after.find(|c: char| c.is_ascii_digit() || c.is_whitespace());
        let (unit, after) = after.split_at(end.unwrap_or(after.len()));
        let factor = match unit {
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "ms" | "msec" => 0.001,
            "us" | "usec" => 0.000_001,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after.trim_start();
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// `512Mi`, `1G`, `768m` (compose), `1073741824`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        "t" | "ti" => 1 << 40,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a size is compared roughly"
    )]
    let bytes = (number * factor as f64) as u64;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("45", Some(45)),
            ("45s", Some(45)),
            ("1min 30s", Some(90)),
            ("1m30s", Some(90)),
            ("2m", Some(120)),
            ("1h", Some(3600)),
            ("", None),
            ("infinity", None),
            ("x", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("512Mi", Some(512 << 20)),
            ("768m", Some(768 << 20)),
            ("1G", Some(1 << 30)),
            ("1073741824", Some(1 << 30)),
            ("0.5Gi", Some(1 << 29)),
            ("infinity", None),
            ("", None),
        ] {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
