//! Which directories are served without the app, and how.

use std::path::PathBuf;
use std::time::Duration;

/// What `--static` and its companions say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticFiles {
    pub mounts: Vec<StaticMount>,
    /// Mounts that the app's own settings name.
    pub of_django: Vec<DjangoFiles>,
    /// For names without a hash, where the mount does not say.
    pub max_age: Duration,
    /// Where files may be that the app names in its responses.
    pub sendfile_root: Option<PathBuf>,
}

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticMount {
    /// Begins with a slash.
    pub prefix: String,
    pub directory: PathBuf,
    pub max_age: Option<Duration>,
    pub immutable: Immutable,
    pub fallthrough: Fallthrough,
    pub index: DirectoryIndex,
    /// Response headers besides, or in place of, what rgun gives. Names are lower-cased.
    pub headers: Vec<(String, String)>,
}

/// Which files never change under their name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Immutable {
    /// Those whose name has a hash of their content.
    #[default]
    ByName,
    All,
    None,
}

/// What becomes of a request for a file that is not there, or with another method than GET and HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallthrough {
    /// 404 or 405.
    Never,
    ToApp,
}

/// What is answered for a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryIndex {
    /// As for a file that is not there.
    None,
    /// Its `index.html`.
    IndexHtml,
}

/// Which of Django's settings name a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DjangoFiles {
    /// `STATIC_URL` and `STATIC_ROOT`.
    Static,
    /// `MEDIA_URL` and `MEDIA_ROOT`.
    Media,
}

impl StaticMount {
    /// As `PREFIX=DIR` gives it.
    pub fn new(prefix: String, directory: PathBuf) -> Self {
        let fallthrough = if prefix == "/" {
            Fallthrough::ToApp
        } else {
            Fallthrough::Never
        };
        Self {
            prefix,
            directory,
            max_age: None,
            immutable: Immutable::ByName,
            fallthrough,
            index: DirectoryIndex::None,
            headers: Vec::new(),
        }
    }
}
