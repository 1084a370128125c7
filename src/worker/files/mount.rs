//! One mounted directory: how its files are served.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::cache::{Cache, CachedField};
use super::reply::Reply;
use crate::config::{DirectoryIndex, Fallthrough, Immutable, StaticMount};
use crate::files::{FilePath, FileStamp, IMMUTABLE, ManifestNames, has_hash};
use crate::sys::beneath::Directory;

pub struct Mount {
    pub directory: Directory,
    pub cache: Cache,
    pub falls_through: bool,
    pub has_index: bool,
    immutable: Immutable,
    /// `Cache-Control` of files that are not immutable.
    max_age: Box<str>,
    headers: Vec<(String, String)>,
    pub manifest: Mutex<Manifest>,
}

/// The hashed names from the build's manifest, as of its last state.
#[derive(Debug, Default, Clone)]
pub struct Manifest {
    pub stamp: Option<FileStamp>,
    pub names: Option<Arc<ManifestNames>>,
}

impl Mount {
    pub fn new(mount: &StaticMount, max_age: Duration) -> Self {
        let max_age = mount.max_age.unwrap_or(max_age).as_secs();
        Self {
            directory: Directory::new(mount.directory.clone()),
            cache: Cache::default(),
            falls_through: mount.fallthrough == Fallthrough::ToApp,
            has_index: mount.index == DirectoryIndex::IndexHtml,
            immutable: mount.immutable,
            max_age: format!("max-age={max_age}").into(),
            headers: mount.headers.clone(),
            manifest: Mutex::default(),
        }
    }

    /// The fields of every response with that file.
    pub fn fields(
        &self,
        path: &FilePath,
        names: Option<&ManifestNames>,
        is_negotiated: bool,
    ) -> Vec<CachedField> {
        let name = path.as_str();
        let is_immutable = match self.immutable {
            Immutable::All => true,
            Immutable::None => false,
            Immutable::ByName => {
                names.map_or_else(|| has_hash(&name), |names| names.contains(&name))
            }
        };
        let mut fields = vec![
            ("accept-ranges", "bytes"),
            (
                "cache-control",
                if is_immutable {
                    IMMUTABLE
                } else {
                    &*self.max_age
                },
            ),
            ("x-content-type-options", "nosniff"),
        ];
        if is_negotiated {
            fields.push(("vary", "accept-encoding"));
        }
        fields.retain(|(name, _)| {
            !self
                .headers
                .iter()
                .any(|(own, _)| own == name && own != "vary")
        });
        let own = self
            .headers
            .iter()
            .filter(|(name, _)| name != "content-type");
        fields.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let owned = |text: &str| text.as_bytes().into();
        fields
            .into_iter()
            .map(|(name, value)| (owned(name), owned(value)))
            .collect()
    }

    /// The operator's setting for the type of all files.
    pub fn content_type(&self) -> Option<&str> {
        let own = self
            .headers
            .iter()
            .find(|(name, _)| name == "content-type")?;
        Some(&own.1)
    }

    /// Reports that the file system has failed, or that this process is out of a resource.
    pub fn failed(&self, path: &FilePath, error: &std::io::Error) -> Reply {
        // Releases the descriptors of cached files.
        self.cache.clear();
        tracing::error!(%error, file = %path.as_str(), directory = %self.directory.path().display(), "static file cannot be read");
        Reply::failed()
    }
}
