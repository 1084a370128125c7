//! Loads a file: opened, with its sidecars, and read into memory where it is small.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::cache::{CacheEntry, Cached, CachedSource, LastModified, Variant};
use super::mount::{Manifest, Mount};
use crate::files::{
    Coding, Codings, ETag, FilePath, FileStamp, ManifestNames, media_type, names_of_manifest,
    with_charset,
};
use crate::sys::beneath::{FileAttributes, OpenedEntry, Patience, read, read_cached};
use crate::sys::{unix_millis, unsized_content};

/// Files up to this size, in bytes, are kept in memory and sent with their head.
const SMALL: u64 = 32 * 1024;
/// Parsing a larger manifest takes longer than other connections should wait.
const READ_AT_ONCE: u64 = 64 * 1024;
/// A larger file is not treated as a manifest.
const LARGEST_MANIFEST: u64 = 16 * 1024 * 1024;

/// Manifests in which builds list the names with a hash: Django, vite.
const MANIFESTS: [&str; 2] = ["staticfiles.json", ".vite/manifest.json"];

impl Mount {
    /// Checks the file system, and caches the result. `WouldBlock`: not known without waiting.
    pub fn load(
        &self,
        path: &FilePath,
        key: &[u8],
        patience: Patience,
        now: u64,
    ) -> io::Result<Arc<CacheEntry>> {
        let entry = match self.look(path, patience)? {
            Looked::File(file) => {
                let (manifest, names) = self.manifest(patience)?;
                match self.cache.last(key) {
                    Some(known) if file.is(&known, manifest) => known,
                    Some(_) | None => {
                        let mut cached = self.prepare(file, names.as_deref(), patience)?;
                        cached.manifest = manifest;
                        Arc::new(CacheEntry::File(Arc::new(cached)))
                    }
                }
            }
            Looked::Redirect => Arc::new(CacheEntry::Redirect),
            Looked::Denied => Arc::new(CacheEntry::Denied),
            Looked::Missing => Arc::new(CacheEntry::Missing),
        };
        self.cache.put(key, entry.clone(), now);
        Ok(entry)
    }

    fn look(&self, path: &FilePath, patience: Patience) -> io::Result<Looked> {
        match self.open(path, patience)? {
            Opened::File(..) if path.names_directory => Ok(Looked::Missing),
            Opened::File(file, stamp) => self.with_sidecars(path.clone(), file, stamp, patience),
            Opened::Directory if !self.has_index => Ok(Looked::Missing),
            Opened::Directory if !path.names_directory => Ok(Looked::Redirect),
            Opened::Directory => {
                let index = path.join("index.html");
                match self.open(&index, patience)? {
                    Opened::File(file, stamp) => self.with_sidecars(index, file, stamp, patience),
                    Opened::Denied => Ok(Looked::Denied),
                    Opened::Directory | Opened::Missing => Ok(Looked::Missing),
                }
            }
            Opened::Denied => Ok(Looked::Denied),
            Opened::Missing => Ok(Looked::Missing),
        }
    }

    fn open(&self, path: &FilePath, patience: Patience) -> io::Result<Opened> {
        match self.directory.open(path.as_bytes(), patience) {
            Ok(OpenedEntry::File { file, facts }) => Ok(Opened::File(file, stamp(facts))),
            Ok(OpenedEntry::Directory) => Ok(Opened::Directory),
            Ok(OpenedEntry::Other) => Ok(Opened::Missing),
            Err(error) => match error.kind() {
                ErrorKind::PermissionDenied => Ok(Opened::Denied),
                // A symbolic link that leads outside or forms a loop, a socket, a name that is too long: treated as
                // missing.
                ErrorKind::NotFound
                | ErrorKind::NotADirectory
                | ErrorKind::CrossesDevices
                | ErrorKind::InvalidFilename => Ok(Opened::Missing),
                _ if matches!(error.raw_os_error(), Some(code) if NOT_THERE.contains(&code)) => {
                    Ok(Opened::Missing)
                }
                _ => Err(error),
            },
        }
    }

    /// Sidecars that are older than the file belong to another version of it.
    fn with_sidecars(
        &self,
        path: FilePath,
        file: File,
        stamp: FileStamp,
        patience: Patience,
    ) -> io::Result<Looked> {
        let mut variants = vec![(Coding::Identity, file, stamp)];
        let name = path.as_bytes();
        let is_coded = Coding::CODED
            .iter()
            .any(|coding| name.ends_with(coding.suffix().as_bytes()));
        for coding in Coding::CODED.into_iter().filter(|_| !is_coded) {
            if let Opened::File(file, own) =
                self.open(&path.with_suffix(coding.suffix()), patience)?
                && own.seconds() >= stamp.seconds()
            {
                variants.push((coding, file, own));
            }
        }
        Ok(Looked::File(OpenFile { path, variants }))
    }

    fn prepare(
        &self,
        file: OpenFile,
        names: Option<&ManifestNames>,
        patience: Patience,
    ) -> io::Result<Cached> {
        let content_type = match self.content_type() {
            Some(own) => own.to_owned(),
            None => with_charset(media_type(file.path.as_bytes())),
        };
        let mut codings = Codings::default();
        let mut variants = Vec::with_capacity(file.variants.len());
        for (coding, opened, mut stamp) in file.variants {
            match coding {
                Coding::Identity => {}
                Coding::Zstd => codings.zstd = true,
                Coding::Brotli => codings.brotli = true,
                Coding::Gzip => codings.gzip = true,
            }
            let source = if stamp.size == 0 {
                if patience == Patience::CachedOnly && read_cached(&opened, &mut [0]) != Some(0) {
                    return Err(ErrorKind::WouldBlock.into());
                }
                let content = unsized_content(&opened, 0)?;
                if !content.is_empty() {
                    // Its attributes do not change with its content.
                    (stamp.size, stamp.modified) = (content.len() as u64, now());
                }
                CachedSource::Memory(content.into())
            } else if stamp.size <= SMALL {
                CachedSource::Memory(read(&opened, stamp.size, patience)?.into())
            } else {
                CachedSource::File(Arc::new(opened))
            };
            variants.push(Variant {
                coding,
                tag: ETag::of(&stamp, coding),
                last_modified: LastModified::of(&stamp),
                length: itoa::Buffer::new().format(stamp.size).as_bytes().into(),
                stamp,
                source,
            });
        }
        Ok(Cached {
            fields: self.fields(&file.path, names, !codings.is_empty()),
            content_type: content_type.into_bytes().into(),
            variants,
            codings,
            manifest: None,
        })
    }

    /// Its state and the names in it, read again when it has changed.
    fn manifest(
        &self,
        patience: Patience,
    ) -> io::Result<(Option<FileStamp>, Option<Arc<ManifestNames>>)> {
        for name in MANIFESTS {
            let Opened::File(file, stamp) = self.open(&FilePath::named(name), patience)? else {
                continue;
            };
            if stamp.size > LARGEST_MANIFEST {
                continue;
            }
            let known = self.manifest.lock().clone();
            if known.stamp == Some(stamp) {
                return Ok((known.stamp, known.names));
            }
            if patience == Patience::CachedOnly && stamp.size > READ_AT_ONCE {
                return Err(ErrorKind::WouldBlock.into());
            }
            // Without the lock: the thread that turns the reactor takes it, too.
            let text = read(&file, stamp.size, patience)?;
            let names = names_of_manifest(&text).map(Arc::new);
            *self.manifest.lock() = Manifest {
                stamp: Some(stamp),
                names: names.clone(),
            };
            return Ok((Some(stamp), names));
        }
        Ok((None, None))
    }
}

/// Further errors that mean "no such file": too many symbolic links; a socket.
const NOT_THERE: [i32; 2] = [crate::sys::beneath::ELOOP, crate::sys::beneath::ENXIO];

enum Looked {
    File(OpenFile),
    Redirect,
    Denied,
    Missing,
}

enum Opened {
    File(File, FileStamp),
    Directory,
    Denied,
    Missing,
}

/// A file that is open, with its sidecars.
struct OpenFile {
    path: FilePath,
    variants: Vec<(Coding, File, FileStamp)>,
}

impl OpenFile {
    /// Whether the files are unchanged since `known`.
    fn is(&self, known: &CacheEntry, manifest: Option<FileStamp>) -> bool {
        let CacheEntry::File(cached) = known else {
            return false;
        };
        let own = self
            .variants
            .iter()
            .map(|(coding, _, stamp)| (*coding, *stamp));
        cached.manifest == manifest
            && own.eq(cached
                .variants
                .iter()
                .map(|variant| (variant.coding, variant.stamp)))
    }
}

/// Seconds since 1970, and nanoseconds.
fn now() -> (i64, u32) {
    let (seconds, millis) = unix_millis();
    (seconds, millis * 1_000_000)
}

fn stamp(facts: FileAttributes) -> FileStamp {
    FileStamp {
        inode: facts.inode,
        size: facts.size,
        modified: facts.modified,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::StaticMount;

    #[test]
    fn a_file_without_a_size_is_read_and_read_again() {
        let mount = StaticMount::new("/".to_owned(), "/proc/self".into());
        let mount = Mount::new(&mount, Duration::ZERO);
        let path = FilePath::named("status");
        let load = |patience, now| mount.load(&path, b"status", patience, now);
        assert!(load(Patience::CachedOnly, 0).is_err());
        let entry = load(Patience::Blocking, 0).expect("an entry");
        let CacheEntry::File(file) = &*entry else {
            panic!("it is a file");
        };
        let variant = &file.variants[0];
        let CachedSource::Memory(content) = &variant.source else {
            panic!("it is in memory");
        };
        assert!(content.starts_with(b"Name:\t"));
        assert_eq!(*variant.length, *content.len().to_string().as_bytes());
        let next = load(Patience::Blocking, 0).expect("an entry");
        assert!(!Arc::ptr_eq(&entry, &next));
    }

    #[test]
    fn a_large_manifest_is_read_by_those_who_may_wait() {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).expect("a file");
        };
        write("app.0123456789ab.css", "a {}");
        let names: Vec<_> = (0..5_000)
            .map(|number| format!(r#""{number}.css": "{number}.0123456789ab.css""#))
            .collect();
        let text = format!(r#"{{"version": "1.1", "paths": {{{}}}}}"#, names.join(","));
        assert!(text.len() as u64 > READ_AT_ONCE);
        write("staticfiles.json", &text);
        let mount = StaticMount::new("/".to_owned(), directory.path().to_owned());
        let mount = Mount::new(&mount, Duration::ZERO);
        let path = FilePath::named("app.0123456789ab.css");
        let load = |patience| mount.load(&path, b"app", patience, 0);
        let error = load(Patience::CachedOnly).expect_err("work for a thread that may wait");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(load(Patience::Blocking).is_ok());
        assert!(load(Patience::CachedOnly).is_ok());
    }
}
