//! Which directories are served without the app, and how.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// `--static` and the settings beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticFiles {
    pub mounts: Vec<StaticMount>,
    /// Mounts that the app's own settings name.
    pub of_django: Vec<DjangoFiles>,
    /// For names without a hash, where the mount has no value of its own.
    pub max_age: Duration,
    /// Where the files are that the app names in its responses.
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
    /// Response headers added to, or replacing, those of rgun. Names are lower-cased.
    pub headers: Vec<(String, String)>,
}

/// For people: `/static -> /srv/static`.
impl fmt::Display for StaticMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.prefix, self.directory.display())
    }
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

/// How a request is answered for a file that does not exist, or with another method than GET and HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallthrough {
    /// 404 or 405.
    Never,
    ToApp,
}

/// How a request for a directory is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryIndex {
    /// As for a file that does not exist.
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
