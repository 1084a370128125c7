//! How the fields of a response change with its coding.

use std::borrow::Cow;

use crate::files::Coding;

/// A name and a value.
pub type FieldPair<'f> = (Cow<'f, [u8]>, Cow<'f, [u8]>);

/// The `Vary` of a response that depends on `Accept-Encoding` (RFC 9110 §12.5.5).
const DEPENDS: &[u8] = b"Accept-Encoding";

/// Fields of a response that is compressed: its coding is named, its tag is weak, and its length is not known. Ranges are no
/// longer offered: they would be of the uncompressed bytes.
pub fn coded<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    coding: Coding,
) -> Vec<FieldPair<'f>> {
    let mut changed = of_any_coding(fields);
    changed.push((b"content-encoding".into(), coding.token().as_bytes().into()));
    add_vary(&mut changed);
    changed
}

/// Fields of a response that is compressed for other clients.
pub fn varied<'f>(fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Vec<FieldPair<'f>> {
    let mut changed: Vec<FieldPair<'f>> = fields
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    add_vary(&mut changed);
    changed
}

/// Fields of a 304 for a client that has it compressed. RFC 9111 §4.3.4: with a strong tag its cache would not find its entry.
/// RFC 9110 §8.6: a length would have to be the compressed one.
pub fn revalidated<'f>(
    fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
) -> Vec<FieldPair<'f>> {
    let mut changed = of_any_coding(fields);
    add_vary(&mut changed);
    changed
}

/// Without those of the uncompressed bytes, and with a weak tag.
fn of_any_coding<'f>(fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Vec<FieldPair<'f>> {
    fields
        .into_iter()
        .filter(|(name, _)| {
            !name.eq_ignore_ascii_case(b"content-length")
                && !name.eq_ignore_ascii_case(b"accept-ranges")
        })
        .map(|(name, value)| (name.into(), weak(name, value)))
        .collect()
}

/// RFC 9110 §8.8.1: two codings of a content are equivalent, but not the same bytes.
fn weak<'f>(name: &[u8], value: &'f [u8]) -> Cow<'f, [u8]> {
    if name.eq_ignore_ascii_case(b"etag") && value.starts_with(b"\"") {
        [b"W/", value].concat().into()
    } else {
        value.into()
    }
}

fn add_vary(fields: &mut Vec<FieldPair<'_>>) {
    let mut last = None;
    for (place, (name, value)) in fields.iter().enumerate() {
        if !name.eq_ignore_ascii_case(b"vary") {
            continue;
        }
        let mut members = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        if members.any(|member| member == b"*" || member.eq_ignore_ascii_case(DEPENDS)) {
            return;
        }
        last = Some(place);
    }
    match last.and_then(|place| fields.get_mut(place)) {
        Some((_, value)) if !value.trim_ascii().is_empty() => {
            value.to_mut().extend_from_slice(b", ");
            value.to_mut().extend_from_slice(DEPENDS);
        }
        Some((_, value)) => *value = DEPENDS.into(),
        None => fields.push((b"vary".into(), DEPENDS.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fields: Vec<FieldPair<'_>>) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.into()).expect("text");
        let line = |(name, value): FieldPair<'_>| format!("{}: {}", text(&name), text(&value));
        fields.into_iter().map(line).collect()
    }

    fn fields<'f>(lines: &'f [&'f str]) -> impl Iterator<Item = (&'f [u8], &'f [u8])> {
        let fields = lines.iter().filter_map(|line| line.split_once(": "));
        fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    #[test]
    fn a_compressed_response() {
        let before = [
            "Content-Type: text/html",
            "Content-Length: 5000",
            "ETag: \"abc\"",
            "Accept-Ranges: bytes",
            "X-Own: a",
        ];
        assert_eq!(
            lines(coded(fields(&before), Coding::Gzip)),
            [
                "Content-Type: text/html",
                "ETag: W/\"abc\"",
                "X-Own: a",
                "content-encoding: gzip",
                "vary: Accept-Encoding"
            ]
        );
        assert_eq!(
            lines(coded(fields(&["etag: W/\"abc\""]), Coding::Zstd)),
            [
                "etag: W/\"abc\"",
                "content-encoding: zstd",
                "vary: Accept-Encoding"
            ]
        );
    }

    #[test]
    fn vary_is_merged() {
        for (before, after) in [
            (
                &["Vary: Cookie"][..],
                &["Vary: Cookie, Accept-Encoding"][..],
            ),
            (&["Vary: *"], &["Vary: *"]),
            (&["Vary: accept-encoding"], &["Vary: accept-encoding"]),
            (
                &["Vary: Cookie, Accept-Encoding"],
                &["Vary: Cookie, Accept-Encoding"],
            ),
            (
                &["Vary: Cookie", "vary: Origin"],
                &["Vary: Cookie", "vary: Origin, Accept-Encoding"],
            ),
            (&["vary:  "], &["vary: Accept-Encoding"]),
        ] {
            assert_eq!(lines(varied(fields(before))), after, "{before:?}");
        }
    }

    #[test]
    fn a_304_has_the_weak_tag() {
        assert_eq!(
            lines(revalidated(fields(&[
                "ETag: \"abc\"",
                "Content-Length: 5000",
                "Accept-Ranges: bytes"
            ]))),
            ["ETag: W/\"abc\"", "vary: Accept-Encoding"]
        );
    }
}
