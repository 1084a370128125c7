//! The watcher of `--reload`: a small process without Python that reports to the master when a file of the app has changed.
//!
//! Events of the system only show where to look; whether something has changed is decided by comparing times, sizes and
//! inodes. So a save by rename counts once, a touched bytecode cache not at all, and a lost event is made up for by the
//! next look.

mod debounce;
mod eyes;
mod news;
mod pattern;
mod stamp;
mod tree;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{Reload, ReloadEngine};
use crate::sys::{Wanted, clock, send_packet, wait_for};
use debounce::Debounce;
use eyes::{Eyes, Sight};
use tree::Tree;

pub use pattern::is_pattern;

/// The longest message of either channel.
pub const LONGEST: usize = 32 * 1024;

/// Without events: the interval between two checks of the files.
const POLL: Duration = Duration::from_millis(250);
/// With events: the same. Not every file system reports every change (shared folders of virtual machines).
const SAFETY: Duration = Duration::from_secs(2);
/// Checking costs at most this share of a CPU: after a check that took long, the next one waits.
const LOOKS_TO_REST: u32 = 30;

/// The watcher's configuration and descriptors.
#[derive(Debug)]
pub struct Post {
    pub settings: Reload,
    /// The directory of the app's own code.
    pub project: PathBuf,
    /// To the master: one message for each burst of changes.
    pub reports: OwnedFd,
    /// From the workers: paths of the files that they have loaded, each ended by NUL.
    pub news: OwnedFd,
}

/// A burst of changes, as the master reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// How many files.
    pub files: u32,
    /// One of them.
    pub first: String,
}

impl Report {
    fn encode(&self) -> Vec<u8> {
        let mut message = self.files.to_le_bytes().to_vec();
        let first = self.first.as_bytes();
        message.extend_from_slice(first.get(..LONGEST / 2).unwrap_or(first));
        message
    }

    /// `None`: not a report.
    #[must_use]
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (files, first) = message.split_first_chunk()?;
        Some(Self {
            files: u32::from_le_bytes(*files),
            first: String::from_utf8_lossy(first).into_owned(),
        })
    }
}

/// Watches until the master is gone; returns the exit code.
#[must_use]
pub fn run(post: Post) -> u8 {
    match Watch::begin(post).watch() {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "file watcher stopped");
            1
        }
    }
}

struct Watch {
    post: Post,
    tree: Tree,
    eyes: Eyes,
    debounce: Debounce,
    /// When all files are checked, with or without events. `None`: only after events.
    look_at: Option<Duration>,
}

impl Watch {
    fn begin(post: Post) -> Self {
        let mut eyes = match post.settings.engine {
            ReloadEngine::Poll => Eyes::closed(),
            ReloadEngine::Auto | ReloadEngine::Inotify => Eyes::open(),
        };
        let mut tree = Tree::new(&post.project, &post.settings.extra);
        let began = clock::monotonic();
        tree.look_everywhere(&mut eyes);
        let took = clock::monotonic().saturating_sub(began);
        tracing::info!(
            engine = eyes.name(),
            files = tree.files(),
            directories = tree.directories(),
            "watching files"
        );
        let mut watch = Self {
            post,
            tree,
            eyes,
            debounce: Debounce::default(),
            look_at: None,
        };
        watch.plan_look(took);
        watch
    }

    fn watch(&mut self) -> crate::sys::Result<()> {
        loop {
            let now = clock::monotonic();
            let due = [self.look_at, self.debounce.due()]
                .into_iter()
                .flatten()
                .min();
            let mut watched = vec![
                (self.post.reports.as_fd(), Wanted::Closed),
                (self.post.news.as_fd(), Wanted::Readable),
            ];
            watched.extend(self.eyes.as_fd().map(|fd| (fd, Wanted::Readable)));
            let ready = wait_for(&watched, due.map(|due| due.saturating_sub(now)))?;
            if ready.first() == Some(&true) {
                return Ok(());
            }
            if ready.get(1) == Some(&true) {
                self.learn()?;
            }
            if ready.get(2) == Some(&true) {
                self.see()?;
            }
            let now = clock::monotonic();
            if self.look_at.is_some_and(|at| at <= now) {
                self.look_everywhere(now);
            }
            if self.debounce.due().is_some_and(|due| due <= now) {
                self.judge();
            }
        }
    }

    /// Adds the files that workers have loaded.
    fn learn(&mut self) -> crate::sys::Result<()> {
        let mut buffer = vec![0; LONGEST];
        while let Some(paths) = news::receive(&self.post.news, &mut buffer)? {
            for path in paths {
                self.tree.learn(&path, &mut self.eyes);
            }
        }
        Ok(())
    }

    /// Records the events; they are checked when no more come.
    fn see(&mut self) -> crate::sys::Result<()> {
        let now = clock::monotonic();
        for sight in self.eyes.see()? {
            match sight {
                Sight::Entry { directory, name } if self.tree.cares(&directory, &name) => {
                    self.debounce.touch(now, directory, name);
                }
                Sight::Entry { .. } => {}
                Sight::Directory { directory } => {
                    let name = directory.clone().into_os_string();
                    self.debounce.touch(now, directory, name);
                }
                Sight::Anything => self.debounce.touch_everything(now),
            }
        }
        Ok(())
    }

    fn look_everywhere(&mut self, now: Duration) {
        let changed = self.tree.look_everywhere(&mut self.eyes);
        self.plan_look(clock::monotonic().saturating_sub(now));
        if !changed.is_empty() {
            // More writes may follow, and what was seen here must not count as new again.
            self.debounce.keep(now, changed);
        }
    }

    fn judge(&mut self) {
        let burst = self.debounce.take();
        let mut changed = burst.changed;
        if burst.everything {
            changed.extend(self.tree.look_everywhere(&mut self.eyes));
        } else {
            for directory in &burst.directories {
                changed.extend(self.tree.look(directory, &mut self.eyes));
            }
        }
        changed.sort();
        changed.dedup();
        let Some(first) = changed.first() else {
            return;
        };
        let report = Report {
            files: u32::try_from(changed.len()).unwrap_or(u32::MAX),
            first: shown(first, &self.post.project),
        };
        // Full: the master has unread reports, and one is as good as another. Closed: the next wait finds that.
        drop(send_packet(&self.post.reports, &report.encode()));
    }

    fn plan_look(&mut self, took: Duration) {
        let rest = match (self.eyes.is_open(), self.post.settings.engine) {
            (true, ReloadEngine::Inotify) => {
                self.look_at = None;
                return;
            }
            (true, ReloadEngine::Auto | ReloadEngine::Poll) => SAFETY,
            (false, _) => POLL,
        };
        let rest = rest.max(took * LOOKS_TO_REST);
        self.look_at = Some(clock::monotonic() + rest);
    }
}

fn shown(path: &Path, project: &Path) -> String {
    let path = path.strip_prefix(project).unwrap_or(path);
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_arrives_as_it_was_sent() {
        let report = Report {
            files: 3,
            first: "pages/views.py".to_owned(),
        };
        assert_eq!(Report::decode(&report.encode()), Some(report));
        assert_eq!(Report::decode(b"ab"), None);
    }
}
