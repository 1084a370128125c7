//! Times of day as the logs write them, made once a second: UTC for programs, the zone of the server for people.

use std::fmt::Write;

use crate::sys::{LocalTime, local_time, unix_millis, unix_seconds, utc};

/// A rendered moment that stays good until the second is over.
#[derive(Debug)]
pub(super) struct RenderedTime {
    second: i64,
    text: String,
    zone: fn(i64) -> LocalTime,
    render: fn(LocalTime, &mut String),
}

impl RenderedTime {
    /// `[2026-11-20 12:00:00 +0000]`, the error log's.
    pub(super) fn iso() -> RenderedTime {
        RenderedTime {
            second: i64::MIN,
            text: String::new(),
            zone: local_time,
            render: iso,
        }
    }

    /// `[20/Nov/2026:12:00:00 +0000]`, the access log's.
    pub(super) fn common() -> RenderedTime {
        RenderedTime {
            second: i64::MIN,
            text: String::new(),
            zone: local_time,
            render: common,
        }
    }

    /// `2026-11-20T12:00:00+00:00` (RFC 3339) in UTC, for records that programs read.
    pub(super) fn rfc3339() -> RenderedTime {
        RenderedTime {
            second: i64::MIN,
            text: String::new(),
            zone: utc,
            render: rfc3339,
        }
    }

    /// Of `rfc3339`, with milliseconds.
    pub(super) fn push_with_millis(&mut self, line: &mut Vec<u8>) {
        let (second, millis) = unix_millis();
        let (time, offset) = self.at(second).split_at_checked(19).unwrap_or_default();
        // Writing to a vector cannot fail.
        let _ = std::io::Write::write_fmt(line, format_args!("{time}.{millis:03}{offset}"));
    }

    pub(super) fn now(&mut self) -> &str {
        self.at(unix_seconds())
    }

    fn at(&mut self, second: i64) -> &str {
        if second != self.second {
            self.second = second;
            self.text.clear();
            (self.render)((self.zone)(second), &mut self.text);
        }
        &self.text
    }
}

/// Writing to a `String` cannot fail.
fn iso(time: LocalTime, text: &mut String) {
    let LocalTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        ..
    } = time;
    let _ = write!(
        text,
        "[{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {}]",
        Offset(time.offset)
    );
}

fn common(time: LocalTime, text: &mut String) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let LocalTime {
        year,
        day,
        hour,
        minute,
        second,
        ..
    } = time;
    let month = usize::try_from(time.month - 1)
        .ok()
        .and_then(|month| MONTHS.get(month))
        .unwrap_or(&"???");
    let _ = write!(
        text,
        "[{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {}]",
        Offset(time.offset)
    );
}

fn rfc3339(time: LocalTime, text: &mut String) {
    let LocalTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
        offset,
    } = time;
    let sign = if offset < 0 { '-' } else { '+' };
    let minutes = offset.unsigned_abs();
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{:02}:{:02}",
        minutes / 60,
        minutes % 60
    );
}

struct Offset(i32);

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs();
        write!(f, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(render: fn(LocalTime, &mut String), offset: i32) -> String {
        let mut text = String::new();
        render(
            LocalTime {
                year: 2026,
                month: 11,
                day: 2,
                hour: 9,
                minute: 5,
                second: 7,
                offset,
            },
            &mut text,
        );
        text
    }

    #[test]
    fn formats() {
        assert_eq!(rendered(iso, 0), "[2026-11-02 09:05:07 +0000]");
        assert_eq!(rendered(iso, -210), "[2026-11-02 09:05:07 -0330]");
        assert_eq!(rendered(common, 345), "[02/Nov/2026:09:05:07 +0545]");
        assert_eq!(rendered(rfc3339, -210), "2026-11-02T09:05:07-03:30");
    }

    #[test]
    fn a_new_second_makes_a_new_stamp() {
        let mut stamp = RenderedTime::iso();
        let first = stamp.at(1_000_000_000).to_owned();
        assert_eq!(stamp.at(1_000_000_000), first);
        assert_ne!(stamp.at(1_000_000_001), first);
    }
}
