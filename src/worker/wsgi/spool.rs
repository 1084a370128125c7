//! Where large uploads and what slow clients do not read wait: a temporary file without a name. It does not fill it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
static SAID: AtomicBool = AtomicBool::new(false);

/// Chooses the directory while the process has one thread: the app may change its environment later. Where one was named that is of
/// no use to this user, that is said now, and not with the first large upload.
pub fn choose_directory(named: Option<&Path>) {
    DIRECTORY.get_or_init(|| named.map_or_else(std::env::temp_dir, Path::to_owned));
    if named.is_some() {
        drop(file());
    }
}

/// A new file; `None`: there is no place for one, which is said once.
pub fn file() -> Option<File> {
    let directory = DIRECTORY.get_or_init(std::env::temp_dir);
    match crate::sys::unnamed_file(directory) {
        Ok(file) => Some(file),
        Err(error) => {
            failed(&error);
            None
        }
    }
}

pub fn failed(error: &io::Error) {
    if !SAID.swap(true, Relaxed) {
        let directory = DIRECTORY.get_or_init(std::env::temp_dir).display();
        tracing::warn!(%error, %directory, "no temporary files: large uploads and slow readers of large responses occupy threads; see --worker-tmp-dir");
    }
}
