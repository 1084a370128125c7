//! Whether a response is compressed, by its head and what its request has offered.

use super::media_types::MediaTypes;
use super::offer::{Offer, forbids_transformation};
use super::rules::Rules;
use crate::files::Coding;

/// How a response is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodingPlan {
    /// As the app gave it.
    Leave,
    /// As the app gave it; other clients get it compressed, so `Vary` is added.
    Vary,
    /// A 304 for a client that has it compressed: with the weak tag that the client has.
    Revalidate,
    /// Compressed. `length`: what the app declared, if it did.
    Code { coding: Coding, length: Option<u64> },
}

/// Fields whose value depends on the bytes as they are now.
const OF_THE_BYTES: [&[u8]; 7] = [
    b"content-encoding",
    b"content-range",
    b"content-md5",
    b"content-digest",
    b"repr-digest",
    b"digest",
    b"signature",
];

impl Rules {
    pub fn plan<'f>(
        &self,
        offer: &Offer,
        status: u16,
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
    ) -> CodingPlan {
        let mut seen = SeenFields::default();
        for (name, value) in fields {
            seen.field(name, value, &self.types);
        }
        let too_short = seen.length.is_some_and(|length| length < self.min_size);
        if status == 304 {
            return match (&offer.weak_tags, seen.etag) {
                (Some(tags), Some(etag)) if has_weak_form(tags, etag) => CodingPlan::Revalidate,
                // RFC 9110 §15.4.5: a 304 has the `Vary` of its 200, whose type it seldom names.
                _ if seen.excluded || too_short || seen.has_type == Some(false) => {
                    CodingPlan::Leave
                }
                _ => CodingPlan::Vary,
            };
        }
        // 205 has no content, 206 and 416 are about ranges of the bytes as they are.
        if seen.excluded
            || seen.has_type != Some(true)
            || too_short
            || matches!(status, 0..=199 | 204 | 205 | 206 | 416)
        {
            return CodingPlan::Leave;
        }
        match offer.coding {
            None => CodingPlan::Vary,
            Some(coding) => CodingPlan::Code {
                coding,
                length: seen.length,
            },
        }
    }
}

/// The relevant fields of a response.
#[derive(Default)]
struct SeenFields<'f> {
    excluded: bool,
    /// Whether its media type is one to compress; `None`: it names none.
    has_type: Option<bool>,
    length: Option<u64>,
    etag: Option<&'f [u8]>,
}

impl<'f> SeenFields<'f> {
    fn field(&mut self, name: &[u8], value: &'f [u8], types: &MediaTypes) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"content-type") {
            self.has_type = Some(types.has(value));
        } else if is(b"content-length") {
            let digits = Some(value.trim_ascii()).filter(|v| v.iter().all(u8::is_ascii_digit));
            let length = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            let length = length.and_then(|text| text.parse().ok());
            // One that is malformed or given twice is an error, which the server's own check reports.
            self.excluded |= length.is_none() || self.length.is_some();
            self.length = length;
        } else if is(b"etag") {
            self.etag = Some(value);
        } else if is(b"set-cookie") {
            self.excluded = true;
        } else if is(b"cache-control") {
            self.excluded |= forbids_transformation(value);
        } else {
            self.excluded |= OF_THE_BYTES.iter().any(|known| is(known));
        }
    }
}

/// Whether the weak form of a strong tag is in a list of tags.
fn has_weak_form(tags: &[u8], etag: &[u8]) -> bool {
    etag.starts_with(b"\"") && memchr::memmem::find(tags, &[b"W/", etag].concat()).is_some()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::files::Codings;

    pub fn rules() -> Rules {
        Rules {
            codings: Codings {
                zstd: true,
                brotli: false,
                gzip: true,
            },
            level: 4,
            min_size: 1024,
            types: MediaTypes::new(["text/*"]),
            credentials: false,
        }
    }

    fn planned(status: u16, fields: &str) -> CodingPlan {
        let offer = Offer {
            coding: Some(Coding::Gzip),
            ..Offer::default()
        };
        planned_for(&offer, status, fields)
    }

    fn planned_for(offer: &Offer, status: u16, fields: &str) -> CodingPlan {
        let fields = fields.split('\n').filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        rules().plan(offer, status, fields)
    }

    const CODED: CodingPlan = CodingPlan::Code {
        coding: Coding::Gzip,
        length: None,
    };

    #[test]
    fn by_type_size_and_status() {
        for (status, fields, plan) in [
            (200, "Content-Type: text/html", CODED),
            (404, "content-type: text/html", CODED),
            (500, "content-type: text/html", CODED),
            (200, "", CodingPlan::Leave),
            (200, "content-type: image/png", CodingPlan::Leave),
            (
                200,
                "content-type: text/html\nContent-Length: 1023",
                CodingPlan::Leave,
            ),
            (
                200,
                "content-type: text/html\nContent-Length: 1024",
                CodingPlan::Code {
                    coding: Coding::Gzip,
                    length: Some(1024),
                },
            ),
            (204, "content-type: text/html", CodingPlan::Leave),
            (205, "content-type: text/html", CodingPlan::Leave),
            (206, "content-type: text/html", CodingPlan::Leave),
            (304, "content-type: text/html", CodingPlan::Vary),
            (304, "cache-control: max-age=5", CodingPlan::Vary),
            (304, "content-type: image/png", CodingPlan::Leave),
            (304, "cache-control: no-transform", CodingPlan::Leave),
            (304, "content-length: 5", CodingPlan::Leave),
            (416, "content-type: text/html", CodingPlan::Leave),
        ] {
            assert_eq!(planned(status, fields), plan, "{status} {fields}");
        }
    }

    #[test]
    fn fields_that_exclude_a_response() {
        for field in [
            "Content-Encoding: br",
            "content-encoding: identity",
            "Content-Range: bytes 0-1/2",
            "Set-Cookie: a=b",
            "Cache-Control: public, no-transform",
            "Content-Digest: sha-256=:AA==:",
            "Content-Length: 5000x",
            "Content-Length: +5000",
            "Content-Length: 5000\nContent-Length: 5000",
        ] {
            let fields = format!("content-type: text/html\n{field}");
            assert_eq!(planned(200, &fields), CodingPlan::Leave, "{field}");
        }
    }

    #[test]
    fn who_does_not_get_it_compressed_learns_that_others_do() {
        let none = Offer::default();
        let html = "content-type: text/html";
        assert_eq!(planned_for(&none, 200, html), CodingPlan::Vary);
        assert_eq!(
            planned_for(&none, 200, "content-type: image/png"),
            CodingPlan::Leave
        );
        let small = "content-type: text/html\ncontent-length: 5";
        assert_eq!(planned_for(&none, 200, small), CodingPlan::Leave);
    }

    #[test]
    fn a_304_for_a_client_with_the_weak_tag() {
        let offer = Offer {
            weak_tags: Some(b"\"x\", W/\"abc\"".as_slice().into()),
            ..Offer::default()
        };
        for (etag, plan) in [
            ("\"abc\"", CodingPlan::Revalidate),
            ("\"ab\"", CodingPlan::Vary),
            ("\"x\"", CodingPlan::Vary),
            ("W/\"abc\"", CodingPlan::Vary),
        ] {
            let fields = format!("ETag: {etag}");
            assert_eq!(planned_for(&offer, 304, &fields), plan, "{etag}");
        }
        assert_eq!(planned(304, "ETag: \"abc\""), CodingPlan::Vary);
    }
}
