//! The watcher of `--reload`: a small process without Python that reports to the master when a file of the app has changed.
//!
//! Events of the system only show where to look; whether something has changed is decided by comparing times, sizes and
//! inodes. So a save by rename counts once, a touched bytecode cache not at all, and a lost event is made up for by the
//! next look.

mod debounce;
mod directory_watcher;
mod loaded_files;
mod pattern;
mod stamp;
mod tree;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{AutoReload, ReloadEngine};
use crate::sys::{PollInterest, clock, send_packet, wait_for};
use debounce::Debounce;
use directory_watcher::{DirectoryWatcher, WatchEvent};
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
pub struct WatcherInit {
    pub settings: AutoReload,
    /// The directory of the app's own code.
    pub project: PathBuf,
    /// To the master: one message for each burst of changes.
    pub reports: OwnedFd,
    /// From the workers: paths of the files that they have loaded, each ended by NUL.
    pub loaded_files: OwnedFd,
}

/// A burst of changes, as the master reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeReport {
    /// How many files.
    pub files: u32,
    /// One of them.
    pub first: String,
}

impl ChangeReport {
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
pub fn run(post: WatcherInit) -> u8 {
    match WatchLoop::begin(post).watch() {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "file watcher stopped");
            1
        }
    }
}

struct WatchLoop {
    post: WatcherInit,
    tree: Tree,
    directory_watcher: DirectoryWatcher,
    debounce: Debounce,
    /// When all files are checked, with or without events. `None`: only after events.
    look_at: Option<Duration>,
}

impl WatchLoop {
    fn begin(post: WatcherInit) -> Self {
        let mut directory_watcher = match post.settings.engine {
            ReloadEngine::Poll => DirectoryWatcher::closed(),
            ReloadEngine::Auto | ReloadEngine::Inotify => DirectoryWatcher::open(),
        };
        let mut tree = Tree::new(&post.project, &post.settings.extra);
        let began = clock::monotonic();
        tree.look_everywhere(&mut directory_watcher);
        let took = clock::monotonic().saturating_sub(began);
        tracing::info!(
            engine = directory_watcher.name(),
            files = tree.files(),
            directories = tree.directories(),
            "watching files"
        );
        let mut watch = Self {
            post,
            tree,
            directory_watcher,
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
                (self.post.reports.as_fd(), PollInterest::Closed),
                (self.post.loaded_files.as_fd(), PollInterest::Readable),
            ];
            watched.extend(
                self.directory_watcher
                    .as_fd()
                    .map(|fd| (fd, PollInterest::Readable)),
            );
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
        while let Some(paths) = loaded_files::receive(&self.post.loaded_files, &mut buffer)? {
            for path in paths {
                self.tree.learn(&path, &mut self.directory_watcher);
            }
        }
        Ok(())
    }

    /// Records the events; they are checked when no more come.
    fn see(&mut self) -> crate::sys::Result<()> {
        let now = clock::monotonic();
        for sight in self.directory_watcher.see()? {
            match sight {
                WatchEvent::Entry { directory, name } if self.tree.cares(&directory, &name) => {
                    self.debounce.touch(now, directory, name);
                }
                WatchEvent::Entry { .. } => {}
                WatchEvent::Directory { directory } => {
                    let name = directory.clone().into_os_string();
                    self.debounce.touch(now, directory, name);
                }
                WatchEvent::Anything => self.debounce.touch_everything(now),
            }
        }
        Ok(())
    }

    fn look_everywhere(&mut self, now: Duration) {
        let changed = self.tree.look_everywhere(&mut self.directory_watcher);
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
            changed.extend(self.tree.look_everywhere(&mut self.directory_watcher));
        } else {
            for directory in &burst.directories {
                changed.extend(self.tree.look(directory, &mut self.directory_watcher));
            }
        }
        changed.sort();
        changed.dedup();
        let Some(first) = changed.first() else {
            return;
        };
        let report = ChangeReport {
            files: u32::try_from(changed.len()).unwrap_or(u32::MAX),
            first: shown(first, &self.post.project),
        };
        // Full: the master has unread reports, and one is as good as another. Closed: the next wait finds that.
        drop(send_packet(&self.post.reports, &report.encode()));
    }

    fn plan_look(&mut self, took: Duration) {
        let rest = match (self.directory_watcher.is_open(), self.post.settings.engine) {
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
        let report = ChangeReport {
            files: 3,
            first: "pages/views.py".to_owned(),
        };
        assert_eq!(ChangeReport::decode(&report.encode()), Some(report));
        assert_eq!(ChangeReport::decode(b"ab"), None);
    }
}
