//! Rate limit for log lines of equal reasons: the first few of a period are written, then only how many more there
//! were.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

/// Lines for each reason in a period: many clients must not cause as many lines.
const MOST: u32 = 5;
const WHILE_MS: u64 = 10_000;

/// By reason; there is a fixed set of them.
#[derive(Default)]
pub struct LogThrottle {
    places: Mutex<HashMap<&'static str, ThrottleWindow>>,
    any_suppressed: AtomicBool,
}

#[derive(Debug)]
struct ThrottleWindow {
    since: u64,
    written: u32,
    suppressed: u64,
}

impl LogThrottle {
    /// Whether this one is to be written, at `now` in monotonic milliseconds.
    pub fn admits(&self, reason: &'static str, now: u64) -> bool {
        let mut places = self.places.lock();
        let place = places.entry(reason).or_insert(ThrottleWindow {
            since: now,
            written: 0,
            suppressed: 0,
        });
        if now.saturating_sub(place.since) >= WHILE_MS && place.suppressed == 0 {
            *place = ThrottleWindow {
                since: now,
                written: 0,
                suppressed: 0,
            };
        }
        if place.written < MOST {
            place.written += 1;
            return true;
        }
        place.suppressed += 1;
        self.any_suppressed.store(true, Relaxed);
        false
    }

    /// Numbers of suppressed lines, for periods that have ended.
    pub fn suppressed(&self, now: u64) -> Vec<(&'static str, u64)> {
        if !self.any_suppressed.load(Relaxed) {
            return Vec::new();
        }
        let mut places = self.places.lock();
        let over = |place: &ThrottleWindow| now.saturating_sub(place.since) >= WHILE_MS;
        let found = places
            .iter_mut()
            .filter(|(_, place)| place.suppressed > 0 && over(place))
            .map(|(reason, place)| {
                place.since = now;
                (*reason, std::mem::take(&mut place.suppressed))
            })
            .collect();
        let more = places.values().any(|place| place.suppressed > 0);
        self.any_suppressed.store(more, Relaxed);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let log_throttle = LogThrottle::default();
        let written = (0..1000)
            .filter(|n| log_throttle.admits("flood", *n))
            .count();
        assert_eq!(written, 5);
        assert!(log_throttle.admits("other", 500), "each reason by itself");
        assert_eq!(log_throttle.suppressed(9_999), []);
        assert_eq!(log_throttle.suppressed(10_000), [("flood", 995)]);
        assert_eq!(log_throttle.suppressed(10_000), []);
        // It continues: only the number, once per period.
        assert!(!log_throttle.admits("flood", 10_500));
        assert_eq!(log_throttle.suppressed(19_999), []);
        assert_eq!(log_throttle.suppressed(20_000), [("flood", 1)]);
        // It was quiet for a period.
        assert!(log_throttle.admits("flood", 30_000));
    }
}
