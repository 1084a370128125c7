//! The time of day where this process believes it is. It formats nothing.

use std::ffi::CStr;

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

/// By the zone of `TZ` or `/etc/localtime`, as the C library (and so Python) sees it.
#[must_use]
pub fn local_time(unix_seconds: i64) -> LocalTime {
    // SAFETY: all-zero is a valid tm: numbers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of their types. Null only comes back for a year beyond an int, which leaves
    // the zeros.
    unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut parts) };
    LocalTime {
        year: parts.tm_year + 1900,
        month: parts.tm_mon + 1,
        day: parts.tm_mday,
        hour: parts.tm_hour,
        minute: parts.tm_min,
        second: parts.tm_sec,
        offset: i32::try_from(parts.tm_gmtoff / 60).unwrap_or(0),
    }
}

/// As `strftime` of the C library writes it, and so Python's. Empty where it has nothing to write.
#[must_use]
pub fn format_time(unix_seconds: i64, format: &CStr) -> String {
    const LONGEST: usize = 256;
    // SAFETY: all-zero is a valid tm: numbers and a null pointer.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    let mut text = [0_u8; LONGEST];
    // SAFETY: pointers to live values of their types; no more than the array's length is written.
    let length = unsafe {
        libc::localtime_r(&raw const unix_seconds, &raw mut parts);
        libc::strftime(
            text.as_mut_ptr().cast(),
            LONGEST,
            format.as_ptr(),
            &raw const parts,
        )
    };
    String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned()
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
}
