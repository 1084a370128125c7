//! The head of an app's response whose body is a file.

use std::borrow::Cow;

use super::cache::{CachedField, Variant};
use crate::files::{ETag, FileStamp, seconds};

#[derive(Debug)]
pub struct AppHead {
    pub status: u16,
    /// Names are lower-cased.
    pub fields: Vec<CachedField>,
}

impl AppHead {
    pub fn new<'h>(status: u16, fields: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> AppHead {
        AppHead {
            status,
            fields: fields
                .map(|(name, value)| (name.to_ascii_lowercase().into(), value.into()))
                .collect(),
        }
    }

    /// From the serialised head, without the framing fields. `None`: the app has declared another length than
    /// `length`.
    pub fn begun(status: u16, serialised: &[u8], length: u64) -> Option<AppHead> {
        let lines = serialised.split(|&byte| byte == b'\n').skip(1);
        let fields = lines.filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let (name, value) = line.split_at(colon);
            Some((name, value[1..].trim_ascii()))
        });
        let mut head = AppHead::new(status, fields);
        let declared = head.field(b"content-length");
        let declared = declared.map(|declared| declared == length.to_string().as_bytes());
        head.fields
            .retain(|(name, _)| !matches!(&**name, b"content-length" | b"transfer-encoding"));
        declared.unwrap_or(true).then_some(head)
    }

    pub fn field(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(own, _)| **own == *name)?;
        Some(&found.1)
    }

    /// Whether the app accepts range requests for it.
    pub fn has_ranges(&self) -> bool {
        let unit = self.field(b"accept-ranges");
        self.status == 200 && unit.is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes"))
    }

    /// What the client's conditions are compared with: the app's own validators, else those of the file.
    pub fn validators<'v>(&self, variant: &'v Variant) -> (Cow<'v, ETag>, FileStamp) {
        let given = self.field(b"etag").and_then(ETag::given);
        let tag = given.map_or(Cow::Borrowed(&variant.tag), Cow::Owned);
        let date = self.field(b"last-modified").and_then(seconds);
        let mut stamp = variant.stamp;
        if let Some(modified) = date.and_then(|date| i64::try_from(date).ok()) {
            stamp.modified = (modified, 0);
        }
        (tag, stamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_was_serialised() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nAccept-Ranges: bytes\r\nContent-Length: 5\r\nX: a:b\r\nEmpty: \r\n";
        let head = AppHead::begun(200, text, 5).expect("of that length");
        let names: Vec<_> = head.fields.iter().map(|(name, _)| &**name).collect();
        assert_eq!(
            names,
            [&b"content-type"[..], b"accept-ranges", b"x", b"empty"]
        );
        assert_eq!(head.field(b"x"), Some(&b"a:b"[..]));
        assert_eq!(head.field(b"empty"), Some(&b""[..]));
        assert!(head.has_ranges());
        assert!(AppHead::begun(200, text, 6).is_none());
        assert!(!AppHead::begun(206, text, 5).is_some_and(|head| head.has_ranges()));
    }
}
