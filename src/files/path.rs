//! From the path of a request to the name of a file below a directory: decoded once, checked, never leading out of it.
//!
//! This is the first of two checks. The second one is the kernel's (`sys::beneath`), which also follows symbolic links.

use std::borrow::Cow;

use crate::http::decode_path;

/// The longest name of a directory entry (`NAME_MAX` of Linux), in bytes.
const LONGEST_NAME: usize = 255;
/// The longest path that the kernel takes (`PATH_MAX` with its final NUL), in bytes.
const LONGEST_PATH: usize = 4095;

/// The one directory with a leading dot that is served (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// A path below a directory: names joined by single slashes, without one in front.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath {
    name: Vec<u8>,
    /// The path ended in a slash.
    pub names_directory: bool,
}

/// Why a path cannot name a file that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// `.` or `..`, also percent-encoded.
    DotSegment,
    /// A name with a leading dot.
    Hidden,
    /// A slash inside a name, a backslash, a control character, bytes that are not UTF-8, or an incomplete `%` escape.
    Malformed,
    TooLong,
}

impl FilePath {
    /// `rest` is what follows the prefix of a mount, as received: empty, or beginning with a slash.
    pub fn of(rest: &[u8]) -> Result<FilePath, Rejected> {
        Self::checked(rest, |segment| {
            if is_cut(segment) {
                Err(Rejected::Malformed)
            } else {
                Ok(decode_path(segment))
            }
        })
    }

    /// `name` is the file's real name: nothing is decoded.
    pub fn of_name(name: &[u8]) -> Result<FilePath, Rejected> {
        Self::checked(name, |segment| Ok(Cow::Borrowed(segment)))
    }

    fn checked(
        rest: &[u8],
        decode: impl Fn(&[u8]) -> Result<Cow<'_, [u8]>, Rejected>,
    ) -> Result<FilePath, Rejected> {
        let mut name = Vec::with_capacity(rest.len());
        let mut names_directory = false;
        for segment in rest.split(|&byte| byte == b'/') {
            // As for the kernel and for nginx (`merge_slashes`), several slashes are one.
            names_directory = segment.is_empty() && !rest.is_empty();
            if segment.is_empty() {
                continue;
            }
            let decoded = decode(segment)?;
            check(&decoded, name.is_empty())?;
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(&decoded);
        }
        if name.len() > LONGEST_PATH {
            return Err(Rejected::TooLong);
        }
        Ok(FilePath {
            name,
            names_directory,
        })
    }

    /// A name of ours, without any check.
    pub fn named(name: &str) -> FilePath {
        FilePath {
            name: name.as_bytes().to_vec(),
            names_directory: false,
        }
    }

    /// With a name of ours below it.
    #[must_use]
    pub fn join(&self, name: &str) -> FilePath {
        let mut joined = self.name.clone();
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(name.as_bytes());
        FilePath {
            name: joined,
            names_directory: false,
        }
    }

    /// With a suffix: the name of a sidecar.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> FilePath {
        FilePath {
            name: [&self.name, suffix.as_bytes()].concat(),
            names_directory: false,
        }
    }

    /// Empty for the directory itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.name
    }

    /// As text; it is UTF-8.
    pub fn as_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }
}

fn check(decoded: &[u8], is_first: bool) -> Result<(), Rejected> {
    if matches!(decoded, b"." | b"..") {
        return Err(Rejected::DotSegment);
    }
    let control = |byte: &u8| byte.is_ascii_control() || matches!(byte, b'/' | b'\\');
    if decoded.iter().any(control) || std::str::from_utf8(decoded).is_err() {
        // Overlong forms of a dot or a slash are not UTF-8.
        return Err(Rejected::Malformed);
    }
    if decoded.starts_with(b".") && !(is_first && decoded == WELL_KNOWN) {
        return Err(Rejected::Hidden);
    }
    if decoded.len() > LONGEST_NAME {
        return Err(Rejected::TooLong);
    }
    Ok(())
}

/// Whether a `%` is not followed by two hexadecimal digits.
fn is_cut(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'%', raw).any(|at| {
        !raw.get(at + 1..at + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_once_and_joined() {
        for (rest, name, names_directory) in [
            (&b""[..], "", false),
            (b"/", "", true),
            (b"/a.css", "a.css", false),
            (b"//a//b.css", "a/b.css", false),
            (b"/a/", "a", true),
            (b"/%61%20b.css", "a b.css", false),
            (b"/%25%32%65", "%2e", false),
            ("/%C3%A9.txt".as_bytes(), "é.txt", false),
            (b"/a..b/c.", "a..b/c.", false),
            (
                b"/.well-known/security.txt",
                ".well-known/security.txt",
                false,
            ),
            (b"/a+b&c;d=e", "a+b&c;d=e", false),
        ] {
            let path =
                FilePath::of(rest).unwrap_or_else(|e| panic!("{}: {e:?}", rest.escape_ascii()));
            assert_eq!(
                (&*path.as_str(), path.names_directory),
                (name, names_directory)
            );
        }
    }

    #[test]
    fn nothing_leads_out() {
        use Rejected::{DotSegment, Hidden, Malformed, TooLong};
        for (rest, why) in [
            (&b"/../etc/passwd"[..], DotSegment),
            (b"/a/..", DotSegment),
            (b"/./a", DotSegment),
            (b"/%2e%2e/a", DotSegment),
            (b"/.%2E/a", DotSegment),
            (b"/%2E", DotSegment),
            (b"/..%2f..%2fetc", Malformed),
            (b"/a%2fb", Malformed),
            (b"/a%2Fb", Malformed),
            (b"/a\\b", Malformed),
            (b"/..%5c..%5cetc", Malformed),
            (b"/a%00.css", Malformed),
            (b"/a%0a", Malformed),
            (b"/a%7f", Malformed),
            (b"/%c0%ae%c0%ae/a", Malformed),
            (b"/%c0%af", Malformed),
            (b"/%ff", Malformed),
            (b"/%", Malformed),
            (b"/%4", Malformed),
            (b"/%zz", Malformed),
            (b"/%u002e%u002e/a", Malformed),
            (b"/.git/config", Hidden),
            (b"/a/.env", Hidden),
            (b"/%2ehtpasswd", Hidden),
            (b"/...", Hidden),
            (b"/a/.well-known/b", Hidden),
            (b"/.well-known/.secret", Hidden),
            (b"/.well-knownx", Hidden),
        ] {
            assert_eq!(FilePath::of(rest), Err(why), "{}", rest.escape_ascii());
        }
        let long = [b"/".as_slice(), &[b'a'; 256]].concat();
        assert_eq!(FilePath::of(&long), Err(TooLong));
        let deep = b"/abc".repeat(1100);
        assert_eq!(FilePath::of(&deep), Err(TooLong));
    }

    #[test]
    fn sidecars_and_indexes_stand_beside() {
        let path = FilePath::of(b"/a/b.css").unwrap();
        assert_eq!(path.with_suffix(".gz").as_str(), "a/b.css.gz");
        assert_eq!(
            FilePath::of(b"/").unwrap().join("index.html").as_str(),
            "index.html"
        );
        assert_eq!(path.join("index.html").as_str(), "a/b.css/index.html");
    }
}
