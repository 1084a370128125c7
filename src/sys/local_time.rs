//! The time of day in the zone that the server was started in.

use std::ffi::{CStr, CString};
use std::sync::OnceLock;

/// A moment in local time, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i32,
    /// 1 to 12.
    pub month: i32,
    pub day: i32,
    pub hour: i32,
    pub minute: i32,
    pub second: i32,
    /// Minutes east of UTC.
    pub offset: i32,
}

/// Seconds since 1970, in UTC; by the coarse clock, which is some milliseconds behind and costs next to nothing.
#[must_use]
pub fn unix_seconds() -> i64 {
    coarse().tv_sec
}

/// Seconds since 1970 and the milliseconds on top, by the same clock.
#[must_use]
pub fn unix_millis() -> (i64, u32) {
    let now = coarse();
    (
        now.tv_sec,
        u32::try_from(now.tv_nsec / 1_000_000).unwrap_or(0),
    )
}

fn coarse() -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid place for a timespec.
    unsafe { libc::clock_gettime(CLOCK, &raw mut now) };
    now
}

#[cfg(target_os = "linux")]
const CLOCK: libc::clockid_t = libc::CLOCK_REALTIME_COARSE;
#[cfg(not(target_os = "linux"))]
const CLOCK: libc::clockid_t = libc::CLOCK_REALTIME;

/// In the zone that this process, or the one that it was forked from, had at the first call.
#[must_use]
pub fn local_time(unix_seconds: i64) -> LocalTime {
    ZONE.get_or_init(Zone::read).at(unix_seconds)
}

#[must_use]
pub fn utc(unix_seconds: i64) -> LocalTime {
    LocalTime::of(&parts(unix_seconds), 0)
}

/// Takes the zone of `TZ` or `/etc/localtime` as it is now, for this process and those that it forks: an app may change its own
/// (Django does, by its setting TIME_ZONE), and a server's log has one zone.
pub fn keep_zone() {
    ZONE.get_or_init(Zone::read);
}

/// As the C library's `strftime` writes it in that zone. Empty where it writes nothing.
#[must_use]
pub fn format_time(unix_seconds: i64, format: &CStr) -> String {
    const LONGEST: usize = 256;
    let zone = ZONE.get_or_init(Zone::read);
    let span = zone.span(unix_seconds);
    let mut parts = parts(unix_seconds + span.offset);
    parts.tm_gmtoff = span.offset;
    parts.tm_zone = span.name.as_ptr();
    let mut text = [0_u8; LONGEST];
    // SAFETY: pointers to live values of their types, the zone's name among them; no more than the array's length is written.
    let length = unsafe {
        libc::strftime(
            text.as_mut_ptr().cast(),
            LONGEST,
            format.as_ptr(),
            &raw const parts,
        )
    };
    String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned()
}

static ZONE: OnceLock<Zone> = OnceLock::new();

/// The offsets of a zone from now on, the earliest first; never empty.
#[derive(Debug)]
struct Zone(Vec<OffsetPeriod>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct OffsetPeriod {
    from: i64,
    /// Seconds east of UTC.
    offset: i64,
    /// `CET`
    name: CString,
}

impl Zone {
    /// No server runs longer without a restart.
    const YEARS: i64 = 20;
    /// No zone changes its offset twice in that time.
    const STEP: i64 = 7 * 24 * 3600;

    fn read() -> Self {
        Self::of(unix_seconds(), span_at)
    }

    /// `ask`: the span that a moment is in.
    fn of(now: i64, ask: impl Fn(i64) -> OffsetPeriod) -> Self {
        let mut spans = vec![ask(now - Self::STEP)];
        for n in 0..Self::YEARS * 53 {
            let (mut before, mut after) = (now + (n - 1) * Self::STEP, now + n * Self::STEP);
            let next = ask(after);
            if spans
                .last()
                .is_some_and(|last| (last.offset, &last.name) == (next.offset, &next.name))
            {
                continue;
            }
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                let found = ask(middle);
                if (found.offset, &found.name) == (next.offset, &next.name) {
                    after = middle;
                } else {
                    before = middle;
                }
            }
            spans.push(OffsetPeriod {
                from: after,
                ..next
            });
        }
        Self(spans)
    }

    fn span(&self, unix_seconds: i64) -> &OffsetPeriod {
        let later = self.0.partition_point(|span| span.from <= unix_seconds);
        &self.0[later.saturating_sub(1)]
    }

    fn at(&self, unix_seconds: i64) -> LocalTime {
        let offset = self.span(unix_seconds).offset;
        LocalTime::of(&parts(unix_seconds + offset), offset)
    }
}

impl LocalTime {
    /// `offset`: in seconds.
    fn of(parts: &libc::tm, offset: i64) -> Self {
        Self {
            year: parts.tm_year + 1900,
            month: parts.tm_mon + 1,
            day: parts.tm_mday,
            hour: parts.tm_hour,
            minute: parts.tm_min,
            second: parts.tm_sec,
            offset: i32::try_from(offset / 60).unwrap_or(0),
        }
    }
}

/// By the zone of this process.
fn span_at(unix_seconds: i64) -> OffsetPeriod {
    // SAFETY: all-zero is a valid tm: numbers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of their types. Null only comes back for a year beyond an int, which leaves
    // the zeros.
    unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut parts) };
    let name = if parts.tm_zone.is_null() {
        CString::default()
    } else {
        // SAFETY: the C library's name of the zone, which lives until the zone changes, and nothing changes it during this call.
        unsafe { CStr::from_ptr(parts.tm_zone) }.to_owned()
    };
    OffsetPeriod {
        from: unix_seconds,
        offset: parts.tm_gmtoff,
        name,
    }
}

/// Of UTC, which no zone has a part in.
fn parts(unix_seconds: i64) -> libc::tm {
    // SAFETY: all-zero is a valid tm: numbers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of their types. Null only comes back for a year beyond an int, which leaves
    // the zeros.
    unsafe { libc::gmtime_r(&raw const unix_seconds, &raw mut parts) };
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_any_form() {
        let noon = 1_795_176_000;
        let year = format_time(noon, c"%Y|%%|x");
        assert_eq!(year, "2026|%|x");
        assert_eq!(format_time(noon, c""), "");
    }

    #[test]
    fn the_coarse_clock_tells_the_same_time() {
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs();
        assert!(i64::try_from(now).unwrap().abs_diff(unix_seconds()) <= 1);
    }

    #[test]
    fn agrees_with_the_clock_once_the_offset_is_taken_off() {
        // Noon on 2026-11-20 UTC; whatever zone this machine is in, minutes since midnight less the offset are noon again.
        let time = local_time(1_795_176_000);
        assert_eq!(
            (time.hour * 60 + time.minute - time.offset).rem_euclid(24 * 60),
            12 * 60
        );
        assert_eq!((time.year, time.month, time.second), (2026, 11, 0));
    }

    #[test]
    fn a_change_of_the_offset_is_found_to_the_second() {
        const CHANGE: i64 = 1_800_000_123;
        let zone = Zone::of(1_795_176_000, |second| OffsetPeriod {
            from: second,
            offset: if second < CHANGE { 3_600 } else { 7_200 },
            name: if second < CHANGE { c"CET" } else { c"CEST" }.to_owned(),
        });
        assert_eq!(zone.0.len(), 2);
        let offset = |second| zone.at(second).offset;
        assert_eq!((offset(CHANGE - 1), offset(CHANGE)), (60, 120));
        assert_eq!((offset(0), offset(i64::from(u32::MAX))), (60, 120));
        assert_eq!(zone.span(CHANGE).name.as_c_str(), c"CEST");
        let (time, before) = (zone.at(CHANGE), zone.at(CHANGE - 1));
        assert_eq!((time.hour - before.hour).rem_euclid(24), 1);
    }

    #[test]
    fn utc_has_no_offset() {
        let time = utc(1_795_176_000);
        assert_eq!((time.year, time.month, time.day), (2026, 11, 20));
        assert_eq!(
            (time.hour, time.minute, time.second, time.offset),
            (12, 0, 0, 0)
        );
    }
}
