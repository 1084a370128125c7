//! The bytes of the certificate and key files, as the master reads them and workers get them.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::problem::{Problem, Result};
use crate::config::TlsSettings;
use crate::sys::{Error, read_guarded};

/// A chain with hundreds of certificates is a mistake, and what a worker gets is kept in memory.
const LONGEST: u64 = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// All files of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Material {
    pub(super) pairs: Vec<PemPair>,
    pub(super) authorities: Option<FileContent>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PemPair {
    pub chain: FileContent,
    /// `None`: the key is in the chain's file.
    pub key: Option<FileContent>,
}

impl PemPair {
    pub fn key(&self) -> &FileContent {
        self.key.as_ref().unwrap_or(&self.chain)
    }
}

/// A file's name and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileContent {
    pub file: String,
    pub bytes: Vec<u8>,
    /// Users other than the owner and the group may read it.
    pub is_public: bool,
}

impl Material {
    /// Reads everything that the settings name.
    ///
    /// # Errors
    /// The first file that cannot be read.
    pub fn read(settings: &TlsSettings) -> Result<Self> {
        let pairs = settings.certificates.iter().map(|files| {
            Ok(PemPair {
                chain: read(&files.chain)?,
                key: files.key.as_deref().map(read).transpose()?,
            })
        });
        Ok(Self {
            pairs: pairs.collect::<Result<_>>()?,
            authorities: settings
                .client_authorities
                .as_deref()
                .map(read)
                .transpose()?,
        })
    }

    /// To send to a running worker.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let count = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for pair in &self.pairs {
            put(&mut bytes, Some(&pair.chain));
            put(&mut bytes, pair.key.as_ref());
        }
        put(&mut bytes, self.authorities.as_ref());
        bytes
    }

    /// `None`: not made by `encode`.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let count = take_length(&mut rest)?;
        let mut pairs = Vec::new();
        for _ in 0..count {
            pairs.push(PemPair {
                chain: take(&mut rest)??,
                key: take(&mut rest)?,
            });
        }
        let authorities = take(&mut rest)?;
        rest.is_empty().then_some(Self { pairs, authorities })
    }
}

fn put(bytes: &mut Vec<u8>, content: Option<&FileContent>) {
    let Some(content) = content else {
        bytes.push(0);
        return;
    };
    bytes.push(1 + u8::from(content.is_public));
    for part in [content.file.as_bytes(), &content.bytes] {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let (length, after) = rest.split_first_chunk()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

#[allow(clippy::option_option, reason = "malformed, absent, present")]
fn take(rest: &mut &[u8]) -> Option<Option<FileContent>> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    if *tag == 0 {
        return Some(None);
    }
    let mut part = || {
        let length = take_length(rest)?;
        let (part, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(part)
    };
    let file = String::from_utf8(part()?.to_vec()).ok()?;
    let bytes = part()?.to_vec();
    Some(Some(FileContent {
        file,
        bytes,
        is_public: *tag == 2,
    }))
}

fn read(path: &Path) -> Result<FileContent> {
    let file = path.display().to_string();
    let problem = |reason: String, hint: &str| Problem::new(&file, reason, hint);
    let refused = |error: Error| {
        let hint = match error.source.kind() {
            std::io::ErrorKind::NotFound => "check the path; the file has to be there at the start",
            std::io::ErrorKind::PermissionDenied => {
                "the user that starts rgun has to be able to read it; workers need not"
            }
            _ => "check the file",
        };
        let hint = error.hint.as_deref().unwrap_or(hint);
        problem(format!("cannot be read: {}", error.source), hint)
    };
    let unreadable = |error| refused(Error::new("read", &file, error));
    // Checks the opened file, not its name, which may become another file's meanwhile. Opening a FIFO must not block the master. A key
    // that only root may read is not given to the workers of a user who links to it.
    let opened = read_guarded(path).map_err(refused)?;
    let found = opened.metadata().map_err(unreadable)?;
    if found.is_dir() {
        let hint = format!("name the file, as in {file}/fullchain.pem");
        return Err(problem("is a directory".to_owned(), &hint));
    }
    if !found.is_file() {
        return Err(problem(
            "is not a regular file".to_owned(),
            "name a file in PEM format",
        ));
    }
    let mut bytes = Vec::new();
    opened
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    // Editors of other systems put it in front, where it hides the first line.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    if bytes.is_empty() {
        return Err(problem("is empty".to_owned(), "name a file in PEM format"));
    }
    if bytes.len() as u64 > LONGEST {
        return Err(problem(
            "is larger than 1 MiB".to_owned(),
            "name a file in PEM format with the certificates of one chain",
        ));
    }
    Ok(FileContent {
        file,
        bytes,
        is_public: found.permissions().mode() & 0o006 != 0,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn content(file: &str, bytes: &[u8], is_public: bool) -> FileContent {
        FileContent {
            file: file.to_owned(),
            bytes: bytes.to_owned(),
            is_public,
        }
    }

    #[test]
    fn material_survives_its_way_to_a_worker() {
        let material = Material {
            pairs: vec![
                PemPair {
                    chain: content("/a.pem", b"chain", false),
                    key: Some(content("/a.key", b"key", true)),
                },
                PemPair {
                    chain: content("/b.pem", b"", true),
                    key: None,
                },
            ],
            authorities: Some(content("/ca.pem", &[0; 300], false)),
        };
        let bytes = material.encode();
        assert_eq!(Material::decode(&bytes), Some(material));
        for cut in 0..bytes.len() {
            assert_eq!(Material::decode(&bytes[..cut]), None, "{cut}");
        }
        assert_eq!(Material::decode(&[bytes, vec![0]].concat()), None);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_the_next_step() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("empty"), "").unwrap();
        fs::write(path("large"), vec![b'x'; 1 << 21]).unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        for (name, reason) in [
            ("", "is a directory"),
            ("absent", "cannot be read: No such file or directory"),
            ("empty", "is empty"),
            ("large", "is larger than 1 MiB"),
            ("pipe", "is not a regular file"),
        ] {
            let problem = read(&path(name)).unwrap_err();
            assert!(problem.reason.starts_with(reason), "{problem}");
            assert!(!problem.hint.is_empty());
            assert_eq!(problem.file, path(name).display().to_string());
        }
    }
}
