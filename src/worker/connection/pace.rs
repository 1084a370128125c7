//! The rate at which a request's body arrives, counted only while the app waits for it.

/// Of one request. Times in monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Pace {
    bytes: u64,
    waited: u64,
    /// Since when the app has waited.
    waiting: Option<u64>,
}

impl Pace {
    pub fn wait_begins(&mut self, now: u64) {
        self.waiting.get_or_insert(now);
    }

    pub fn wait_ends(&mut self, now: u64) {
        if let Some(since) = self.waiting.take() {
            self.waited += now.saturating_sub(since);
        }
    }

    /// The wait so far does not count: the client could not send.
    pub fn excuse(&mut self, now: u64) {
        if let Some(since) = &mut self.waiting {
            *since = now;
        }
    }

    pub fn came(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Whether less than `rate` bytes a second arrived on average, once the app has waited longer than `free`
    /// milliseconds.
    pub fn is_slower_than(&self, rate: u64, free: u64, now: u64) -> bool {
        let current = self.waiting.map_or(0, |since| now.saturating_sub(since));
        let waited = self.waited + current;
        waited > free && self.bytes.saturating_mul(1_000) < rate.saturating_mul(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_free_and_the_average_counts() {
        let mut pace = Pace::default();
        pace.wait_begins(0);
        pace.came(1);
        assert!(!pace.is_slower_than(100, 4_000, 4_000));
        assert!(pace.is_slower_than(100, 4_000, 4_001));
        assert!(!pace.is_slower_than(0, 4_000, 1_000_000), "no limit");
        pace.came(999);
        assert!(!pace.is_slower_than(100, 4_000, 10_000));
        assert!(pace.is_slower_than(100, 4_000, 10_001));
    }

    #[test]
    fn the_time_that_the_app_takes_is_not_the_clients() {
        let mut pace = Pace::default();
        pace.wait_begins(0);
        pace.wait_ends(1_000);
        assert!(!pace.is_slower_than(100, 4_000, 1_000_000));
        pace.wait_begins(1_000_000);
        pace.wait_begins(1_002_000);
        assert!(!pace.is_slower_than(100, 4_000, 1_003_000));
        assert!(pace.is_slower_than(100, 4_000, 1_003_001));
    }
}
