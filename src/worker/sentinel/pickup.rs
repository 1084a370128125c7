//! Whether the app picks up what waits for it, judged by its progress.

/// How long work may wait without any progress of the app, in milliseconds.
const PATIENCE_MS: u64 = 5;

/// The state of the check; it has a time only while work may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pickup {
    /// When it is due, in monotonic milliseconds.
    due: Option<u64>,
    /// The app's progress when work was found waiting.
    seen: Option<u64>,
}

impl Pickup {
    /// Work was given to the app.
    pub fn given(&mut self, now: u64, progress: u64) {
        if self.seen.is_none() {
            *self = Self {
                due: Some(now + PATIENCE_MS),
                seen: Some(progress),
            };
        }
    }

    /// The app may have got more work than it can begin.
    pub fn expected(&mut self, now: u64) {
        *self = Self {
            due: Some(now + PATIENCE_MS),
            seen: None,
        };
    }

    pub fn due(&self) -> Option<u64> {
        self.due
    }

    /// True: it is due, work waits, and so it was at the check before, without any progress since.
    pub fn is_overdue(&mut self, now: u64, progress: u64, waits: impl FnOnce() -> bool) -> bool {
        if self.due.is_none_or(|due| now < due) {
            return false;
        }
        let before = self.seen.take();
        self.due = None;
        if !waits() {
            return false;
        }
        *self = Self {
            due: Some(now + PATIENCE_MS),
            seen: Some(progress),
        };
        before == Some(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_without_progress_is_overdue_and_stays_so() {
        let mut pickup = Pickup::default();
        pickup.given(100, 7);
        assert!(!pickup.is_overdue(104, 7, || true), "not due");
        for now in [105, 110, 115] {
            assert_eq!(pickup.due(), Some(now));
            assert!(pickup.is_overdue(now, 7, || true));
        }
        assert!(!pickup.is_overdue(120, 8, || true), "progress");
        assert!(pickup.is_overdue(125, 8, || true));
        assert!(!pickup.is_overdue(130, 8, || false), "nothing waits");
        assert_eq!(pickup.due(), None);
    }

    #[test]
    fn more_work_does_not_delay_the_check() {
        let mut pickup = Pickup::default();
        pickup.given(100, 7);
        pickup.given(104, 7);
        assert!(pickup.is_overdue(105, 7, || true));
    }

    #[test]
    fn work_that_is_only_expected_has_to_be_found_first() {
        let mut pickup = Pickup::default();
        pickup.expected(100);
        assert!(!pickup.is_overdue(105, 7, || true));
        assert!(pickup.is_overdue(110, 7, || true));
        pickup.expected(200);
        assert!(!pickup.is_overdue(205, 7, || false));
        assert_eq!(pickup.due(), None);
    }
}
