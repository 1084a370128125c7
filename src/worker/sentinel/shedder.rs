//! What is known of a worker that is too busy: for how long, and how many requests it has shed.

/// An episode has ended when no request was shed for this long.
const QUIET_MS: u64 = 1_000;

/// A time in which requests are shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Episode {
    began: u64,
    last: u64,
    requests: u64,
}

/// What is remembered from one check to the next. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Shedder {
    /// When the next check is due.
    pub due: u64,
    /// The app's progress, and since when it is the same.
    progress: (u64, u64),
    /// Since when all workers were busy at each check.
    busy_since: Option<u64>,
    episode: Option<Episode>,
}

/// The end of an episode, after so many milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpisodeEnd {
    pub requests: u64,
    pub ms: u64,
}

impl Shedder {
    /// Requests are shed, or were a moment ago.
    pub fn is_shedding(&self) -> bool {
        self.episode.is_some()
    }

    /// For how long the app has made no progress.
    pub fn standstill(&mut self, now: u64, progress: u64) -> u64 {
        if self.progress.0 != progress {
            self.progress = (progress, now);
        }
        now.saturating_sub(self.progress.1)
    }

    /// For how long all workers have been busy; `None`: one has room.
    pub fn busy_for(&mut self, now: u64, all_are_busy: bool) -> Option<u64> {
        self.busy_since = all_are_busy.then(|| self.busy_since.unwrap_or(now));
        self.busy_since.map(|since| now - since)
    }

    /// So many were shed. True: an episode begins.
    pub fn shed(&mut self, now: u64, requests: u64) -> bool {
        let begins = self.episode.is_none();
        let episode = self.episode.get_or_insert(Episode {
            began: now,
            last: now,
            requests: 0,
        });
        episode.last = now;
        episode.requests += requests;
        begins
    }

    /// `None`: none has ended.
    pub fn end(&mut self, now: u64) -> Option<EpisodeEnd> {
        let over = self
            .episode
            .filter(|episode| now >= episode.last + QUIET_MS)?;
        self.episode = None;
        Some(EpisodeEnd {
            requests: over.requests,
            ms: over.last - over.began,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_ends_a_while_after_the_last_request_with_its_numbers() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.end(50), None);
        assert!(shedder.shed(100, 3));
        assert!(!shedder.shed(700, 4));
        assert_eq!(shedder.end(1_600), None);
        let end = EpisodeEnd {
            requests: 7,
            ms: 600,
        };
        assert_eq!(shedder.end(1_700), Some(end));
        assert_eq!(shedder.end(1_800), None);
        assert!(shedder.shed(2_000, 1));
    }

    #[test]
    fn workers_are_busy_from_the_first_check_that_finds_no_room() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.busy_for(100, true), Some(0));
        assert_eq!(shedder.busy_for(190, true), Some(90));
        assert_eq!(shedder.busy_for(200, false), None);
        assert_eq!(shedder.busy_for(210, true), Some(0));
    }

    #[test]
    fn a_standstill_lasts_until_there_is_progress() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.standstill(100, 7), 0);
        assert_eq!(shedder.standstill(400, 7), 300);
        assert_eq!(shedder.standstill(500, 8), 0);
    }
}
