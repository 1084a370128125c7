//! Files, directories, environment pairs and paths of URLs.

use std::path::{Path, PathBuf};

use super::{InvalidValue, ParsedValue};
use crate::config::LogTarget;

/// `-` is `dash`; relative paths start at `base`.
pub(in crate::config) fn log_target(text: &str, dash: LogTarget, base: &Path) -> LogTarget {
    match text {
        "-" => dash,
        // The descriptor itself: opening the path fails where it is a socket (systemd) or another user's terminal.
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => LogTarget::Stdout,
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => LogTarget::Stderr,
        _ => LogTarget::File(base.join(text)),
    }
}

/// Separated by commas, as with gunicorn.
pub(in crate::config) fn directories(text: &str, base: &Path) -> Vec<PathBuf> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .map(|entry| base.join(entry))
        .collect()
}

pub(in crate::config) fn environment_pair(text: &str) -> ParsedValue<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.to_owned(), value.to_owned()))
        }
        Some(_) | None => Err(InvalidValue::new("is not KEY=VALUE")),
    }
}

/// A path as in a request's target: starts with a slash, without characters that would have to be escaped.
pub(in crate::config) fn url_path(text: &str) -> ParsedValue<String> {
    if !text.starts_with('/') {
        let hint = match text
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
        {
            Some((_, path)) => format!("try `/{path}`"),
            None => format!("try `/{text}`"),
        };
        return Err(InvalidValue::new("does not begin with a slash").hint(hint));
    }
    if text
        .bytes()
        .any(|byte| !byte.is_ascii_graphic() || byte == b'#')
    {
        return Err(InvalidValue::new("is not the path of a URL")
            .hint("percent-encode what is not plain ASCII"));
    }
    Ok(text.to_owned())
}

/// The path as it was written, so that a symbolic link in it is followed anew each time.
pub(in crate::config) fn directory(path: &Path) -> ParsedValue<PathBuf> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Ok(path.to_owned()),
        Ok(_) => Err(InvalidValue::new("is not a directory").absent()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(InvalidValue::new("does not exist").absent())
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(InvalidValue::new("cannot be reached: permission denied").absent())
        }
        Err(error) => Err(InvalidValue::new(format!("cannot be used: {error}"))),
    }
}

/// A file or directory that exists, or a pattern, which may match none.
pub(in crate::config) fn watched(path: &Path) -> ParsedValue<PathBuf> {
    let pattern = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .any(|byte| b"*?[".contains(byte));
    if pattern || path.exists() {
        Ok(path.to_owned())
    } else {
        Err(InvalidValue::new("does not exist").absent())
    }
}

/// Decoded, as apps get it: written as in a URL or plainly.
pub(in crate::config) fn root_path(text: &str) -> ParsedValue<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    if text.contains(['?', '#']) {
        return Err(InvalidValue::new("is not the path of a URL").hint("write it without a query"));
    }
    let is_plain = text.starts_with('/') && !text.contains('%');
    let path = if is_plain {
        text.to_owned()
    } else {
        decoded(&url_path(text)?)
            .ok_or_else(|| InvalidValue::new("has escapes that do not stand for UTF-8"))?
    };
    if path.contains(char::is_control) {
        return Err(InvalidValue::new("has control characters"));
    }
    // A slash at its end would be doubled in every path.
    Ok(path.trim_end_matches('/').to_owned())
}

fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut parts = path.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        // `from_str_radix` also takes a sign.
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

pub(in crate::config) fn host_header(text: &str) -> ParsedValue<String> {
    if text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"/?#@".contains(&byte))
    {
        Ok(text.to_owned())
    } else {
        Err(InvalidValue::new("is not a host")
            .hint("write it as in example.org or example.org:8000"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_streams_are_used_as_they_are() {
        let target = |text| log_target(text, LogTarget::Stderr, Path::new("/srv"));
        assert_eq!(target("-"), LogTarget::Stderr);
        assert_eq!(target("/dev/stdout"), LogTarget::Stdout);
        assert_eq!(target("/proc/self/fd/2"), LogTarget::Stderr);
        assert_eq!(
            target("log/error.log"),
            LogTarget::File("/srv/log/error.log".into())
        );
    }

    #[test]
    fn pairs() {
        assert_eq!(
            environment_pair("A=b=c"),
            Ok(("A".to_owned(), "b=c".to_owned()))
        );
        assert_eq!(environment_pair("A="), Ok(("A".to_owned(), String::new())));
        for text in ["", "A", "=b", "A=\0"] {
            assert!(environment_pair(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn root_paths_are_decoded() {
        for (text, expected) in [
            ("", Some("")),
            ("/", Some("")),
            ("/api/", Some("/api")),
            ("/a%20b", Some("/a b")),
            ("/a b", Some("/a b")),
            ("/%C3%A9", Some("/é")),
            ("/é", Some("/é")),
            ("api", None),
            ("/a?b", None),
            ("/a%2", None),
            ("/a%zz", None),
            ("/a%+1", None),
            ("/%ff", None),
            ("/a%00", None),
            ("/a\nb", None),
        ] {
            assert_eq!(root_path(text).ok().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn url_paths() {
        assert_eq!(
            url_path("/healthz?full=1"),
            Ok("/healthz?full=1".to_owned())
        );
        assert_eq!(
            url_path("healthz").unwrap_err().hint.as_deref(),
            Some("try `/healthz`")
        );
        assert_eq!(
            url_path("http://localhost/healthz")
                .unwrap_err()
                .hint
                .as_deref(),
            Some("try `/healthz`")
        );
        assert!(
            url_path("/a b").is_err() && url_path("/é").is_err() && url_path("/a\r\n").is_err()
        );
    }
}
