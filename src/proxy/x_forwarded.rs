//! `X-Forwarded-…` fields as lists, and their valid values.

use crate::http::{decode_path, is_host};

/// The entries of several fields, which are one list (RFC 9110 §5.3), from the right; empty ones are none.
pub fn from_the_right<'a>(fields: &[&'a [u8]]) -> impl Iterator<Item = &'a [u8]> {
    fields
        .iter()
        .rev()
        .flat_map(|field| field.rsplit(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
}

/// The entry that was written by the farthest trusted proxy: the one at `place`, or the leftmost of a list that is shorter,
/// because a proxy between replaced it or passed it on.
pub fn at<'a>(fields: &[&'a [u8]], place: usize) -> Option<&'a [u8]> {
    from_the_right(fields).take(place + 1).last()
}

pub fn host(entry: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(entry).ok()?;
    // A comma is valid in a name, and would make two hosts for others.
    (is_host(entry) && !text.is_empty() && !text.contains(',')).then(|| text.into())
}

/// `/app`; a trailing slash is removed, and what could be taken for another host or a query is rejected.
pub fn prefix(entry: &[u8]) -> Option<Box<str>> {
    let end = entry.iter().rposition(|&byte| byte != b'/')? + 1;
    let entry = &entry[..end];
    let plain = entry
        .iter()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'\\' | b'"'));
    if !plain || !entry.starts_with(b"/") || entry.starts_with(b"//") {
        return None;
    }
    let decoded = decode_path(entry);
    let text = std::str::from_utf8(&decoded).ok()?;
    let clean = !text.starts_with("//") && !text.contains(|c: char| c.is_control() || c == '\\');
    clean.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_fields_are_one_list() {
        let fields: [&[u8]; 3] = [b"a, b", b"", b" ,c,, d "];
        let entries: Vec<_> = from_the_right(&fields).collect();
        assert_eq!(entries, [&b"d"[..], b"c", b"b", b"a"]);
        assert_eq!(at(&fields, 0), Some(&b"d"[..]));
        assert_eq!(at(&fields, 2), Some(&b"b"[..]));
        assert_eq!(at(&fields, 9), Some(&b"a"[..]));
        assert_eq!(at(&[b" , "], 0), None);
    }

    #[test]
    fn prefixes() {
        for (entry, is) in [
            ("/app", Some("/app")),
            ("/app/", Some("/app")),
            ("/a/b//", Some("/a/b")),
            ("/caf%C3%A9", Some("/café")),
            ("/", None),
            ("", None),
            ("app", None),
            ("//evil.example", None),
            ("/%2Fevil.example", None),
            ("/%5Cevil.example", None),
            ("/\\evil.example", None),
            ("/a?b", None),
            ("/a b", None),
            ("/%ff", None),
            ("/%0d%0a", None),
            ("http://evil.example", None),
        ] {
            assert_eq!(prefix(entry.as_bytes()).as_deref(), is, "{entry}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host(b"a.example:81").as_deref(), Some("a.example:81"));
        assert_eq!(host(b"[::1]").as_deref(), Some("[::1]"));
        for wrong in [&b""[..], b"a b", b"a/b", b"user@a", b"a,b", b"\xff"] {
            assert_eq!(host(wrong), None);
        }
    }
}
