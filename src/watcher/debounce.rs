//! Waits for the end of a burst: editors write in steps, a checkout writes a thousand files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The time without another event after which a saved file is reported.
const QUIET: Duration = Duration::from_millis(40);
/// The same after more files than a person saves: a checkout, on a busy machine.
const QUIET_AFTER_MANY: Duration = Duration::from_millis(250);
const MANY: usize = 4;
/// The longest time to wait for the end of a burst; later events belong to the next one.
const LONGEST: Duration = Duration::from_secs(1);

/// Where events were reported since the last burst.
#[derive(Debug, Default)]
pub struct Debounce {
    burst: Burst,
    /// The first names of the burst, as many as matter.
    names: BTreeSet<OsString>,
    span: Option<ChangeBurst>,
}

#[derive(Debug, Default)]
pub struct Burst {
    pub directories: BTreeSet<PathBuf>,
    pub everything: bool,
    /// Files that are known to have changed already.
    pub changed: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
struct ChangeBurst {
    first: Duration,
    last: Duration,
}

impl Debounce {
    pub fn touch(&mut self, now: Duration, directory: PathBuf, name: OsString) {
        self.note(now);
        self.burst.directories.insert(directory);
        if self.names.len() <= MANY {
            self.names.insert(name);
        }
    }

    pub fn touch_everything(&mut self, now: Duration) {
        self.note(now);
        self.burst.everything = true;
    }

    pub fn keep(&mut self, now: Duration, changed: Vec<PathBuf>) {
        self.note(now);
        self.burst.changed.extend(changed);
    }

    /// When the burst is over, unless more events come.
    pub fn due(&self) -> Option<Duration> {
        let span = self.span?;
        let quiet = match self.names.len() + self.burst.changed.len() {
            0..=MANY => QUIET,
            _ => QUIET_AFTER_MANY,
        };
        Some((span.last + quiet).min(span.first + LONGEST))
    }

    pub fn take(&mut self) -> Burst {
        self.span = None;
        self.names.clear();
        std::mem::take(&mut self.burst)
    }

    fn note(&mut self, now: Duration) {
        let first = self.span.map_or(now, |span| span.first);
        self.span = Some(ChangeBurst { first, last: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_burst_ends_when_it_is_quiet_or_has_been_long_enough() {
        let mut debounce = Debounce::default();
        assert_eq!(debounce.due(), None);
        debounce.touch(ms(1000), "a".into(), "x".into());
        assert_eq!(debounce.due(), Some(ms(1040)));
        debounce.touch(ms(1030), "b".into(), "y".into());
        assert_eq!(debounce.due(), Some(ms(1070)));
        for n in 0..200 {
            let name = format!("z{n}").into();
            debounce.touch(ms(1030 + n), "a".into(), name);
        }
        assert_eq!(debounce.due(), Some(ms(1229 + 250)));
        debounce.touch(ms(1900), "a".into(), "x".into());
        assert_eq!(debounce.due(), Some(ms(2000)));
        let burst = debounce.take();
        assert_eq!(burst.directories.len(), 2);
        assert_eq!(debounce.due(), None);
    }
}
