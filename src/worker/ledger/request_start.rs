//! `X-Request-Start`: the time at which a proxy received the request.

/// Clocks do not differ that much, and no request waits that long: such a value is invalid.
const MOST_MS: u64 = 60 * 60 * 1000;

/// Milliseconds since then, `now_us` being microseconds since 1970. `None` when it is invalid.
///
/// Heroku and AWS send milliseconds, nginx (`t=${msec}`) seconds with a fraction, Apache (`t=%t`) microseconds: the
/// unit follows from the size of the number. If the proxy's clock is slightly ahead of ours, the result is zero.
pub fn waited_ms(value: &[u8], now_us: u64) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?.trim();
    let number = text.strip_prefix("t=").unwrap_or(text);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 17 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    // Each bound is a time in 2001 in its unit; the next larger unit differs by a factor of a thousand.
    let unit_us = match whole {
        1_000_000_000_000_000.. => 1,
        1_000_000_000_000.. => 1_000,
        1_000_000_000.. => 1_000_000,
        _ => return None,
    };
    let mut started_us = whole.checked_mul(unit_us)?;
    let mut place = unit_us / 10;
    for digit in fraction.bytes().take(6) {
        started_us += u64::from(digit - b'0') * place;
        place /= 10;
    }
    if started_us > now_us.saturating_add(MOST_MS * 1000) {
        return None;
    }
    let waited = now_us.saturating_sub(started_us) / 1000;
    (waited <= MOST_MS).then_some(waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000;

    #[test]
    fn every_unit_is_told_by_its_size() {
        for text in [
            "t=1699999999.750",
            "1699999999.75",
            "t=1699999999750",
            "1699999999750",
            "t=1699999999750000",
            " t=1699999999750.0 ",
        ] {
            assert_eq!(waited_ms(text.as_bytes(), NOW), Some(250), "{text}");
        }
        assert_eq!(
            waited_ms(b"t=1700000000.001", NOW),
            Some(0),
            "a clock ahead"
        );
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "t=",
            "t=abc",
            "t=-5",
            "t=1e9",
            "t=12",
            "1699999999,5",
            "t=1600000000",
            "t=1800000000",
            "t=99999999999999999999999",
            "t=.5",
            "\u{e9}",
        ] {
            assert_eq!(waited_ms(text.as_bytes(), NOW), None, "{text}");
        }
        assert_eq!(waited_ms(&[0xff], NOW), None);
    }
}
