//! A response without the app: status, fields and the source of the body.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use super::app_head::AppHead;
use super::cache::{Cached, CachedSource, LastModified, Variant};
use crate::files::{
    Coding, Conditions, Multipart, Representation, Selected, Slice, accepted, content_range, select,
};
use crate::http::{Date, KnownName, RequestHead, reason_phrase};
use crate::sys::{random, unix_seconds};

/// Name and value, borrowed from the reply.
pub type ReplyFields<'r> = SmallVec<[(&'r [u8], &'r [u8]); 12]>;

type StaticField = (Cow<'static, [u8]>, Cow<'static, [u8]>);

/// What describes the content of a response: a 304 has none. It keeps what its 200 would say beside that,
/// `Content-Location` among it (RFC 9110 §15.4.5).
const OF_THE_CONTENT: [&[u8]; 6] = [
    b"content-encoding",
    b"content-language",
    b"content-length",
    b"content-range",
    b"content-type",
    b"content-digest",
];

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Of the representation, for the metrics.
    pub coding: Coding,
    file: Option<(Arc<Cached>, usize)>,
    /// Of the file, where the response has it.
    modified: Option<LastModified>,
    /// Fields of this response alone.
    own: SmallVec<[StaticField; 4]>,
    pub content: ReplyBody,
}

/// The body.
#[derive(Debug)]
pub enum ReplyBody {
    /// No body, and no length of one.
    None,
    Memory(Bytes),
    File {
        file: Arc<std::fs::File>,
        slice: Slice,
    },
    Parts {
        file: Arc<std::fs::File>,
        parts: Multipart,
    },
}

impl Reply {
    pub fn of_file(file: &Arc<Cached>, head: &RequestHead) -> Reply {
        let there = file.codings;
        let header = head.list(KnownName::AcceptEncoding);
        let header = header.as_deref();
        let coding = if there.is_empty() && header.is_none_or(|header| !header.contains(&b'0')) {
            // Nothing to choose, and nothing is excluded.
            Some(Coding::Identity)
        } else {
            accepted(header, there)
        };
        let Some(coding) = coding else {
            return Reply::plain(406);
        };
        let at = file
            .variants
            .iter()
            .position(|variant| variant.coding == coding);
        let (at, variant) = at
            .and_then(|at| Some((at, file.variants.get(at)?)))
            .unwrap_or((0, &file.variants[0]));
        let selected = choose(variant.representation(), head);
        Reply::selected(file, at, selected, &file.content_type)
    }

    /// The app's own head around the file that it names. The client's ranges and conditions apply where the app
    /// allows it; without `head` there are none.
    pub fn named_by_app(
        file: &Arc<Cached>,
        head: Option<&RequestHead>,
        response: &AppHead,
    ) -> Reply {
        let variant = &file.variants[0];
        let has_ranges = response.has_ranges();
        let selected = match head.filter(|_| has_ranges) {
            Some(head) => {
                let (tag, stamp) = response.validators(variant);
                let (tag, stamp) = (&*tag, &stamp);
                choose(Representation { stamp, tag }, head)
            }
            None => Selected::Whole,
        };
        let content_type = response.field(b"content-type");
        let content_type = content_type.unwrap_or(&file.content_type);
        let mut reply = Reply::selected(file, 0, selected, content_type);
        if reply.file.take().is_none() {
            // A small response of its own.
            return reply;
        }
        if reply.status == 200 {
            reply.status = response.status;
        }
        if has_ranges && response.field(b"etag").is_none() {
            reply.add(b"etag", variant.tag.as_bytes().to_vec());
        }
        if !has_ranges || response.field(b"last-modified").is_some() {
            reply.modified = None;
        }
        let is_whole = reply.status != 304;
        if is_whole && !reply.has(b"content-length") {
            reply.add(b"content-length", variant.length.to_vec());
        }
        if is_whole && !reply.has(b"content-type") && response.field(b"content-type").is_none() {
            reply.add(b"content-type", file.content_type.to_vec());
        }
        let ours = reply.own.len();
        for (name, value) in &response.fields {
            let is_ours = reply.own.iter().take(ours).any(|(own, _)| **own == **name);
            if !is_ours && (is_whole || !OF_THE_CONTENT.contains(&&**name)) {
                let (name, value) = (name.to_vec(), value.to_vec());
                reply.own.push((name.into(), value.into()));
            }
        }
        reply
    }

    fn has(&self, wanted: &[u8]) -> bool {
        self.own.iter().any(|(name, _)| **name == *wanted)
    }

    /// `at`: the place of the variant.
    fn selected(file: &Arc<Cached>, at: usize, selected: Selected, content_type: &[u8]) -> Reply {
        let variant = &file.variants[at];
        let size = variant.stamp.size;
        let mut reply = Reply {
            status: 200,
            coding: variant.coding,
            file: Some((file.clone(), at)),
            modified: Some(variant.last_modified),
            own: SmallVec::new(),
            content: ReplyBody::None,
        };
        match selected {
            Selected::Whole => {
                reply.content = variant.source.content(Slice {
                    start: 0,
                    length: size,
                });
            }
            Selected::Part(slice) => {
                reply.status = 206;
                reply.add(b"content-range", content_range(slice, size).into_bytes());
                reply.add(b"content-length", slice.length.to_string().into_bytes());
                reply.content = variant.source.content(slice);
            }
            Selected::Parts(slices) => {
                reply.status = 206;
                let parts = Multipart::new(&slices, size, content_type, random());
                reply.add(b"content-type", parts.content_type.clone());
                reply.add(b"content-length", parts.length.to_string().into_bytes());
                reply.content = match &variant.source {
                    CachedSource::File(file) => ReplyBody::Parts {
                        file: file.clone(),
                        parts,
                    },
                    CachedSource::Memory(bytes) => ReplyBody::Memory(joined(&parts, bytes)),
                };
            }
            Selected::NotModified => reply.status = 304,
            Selected::PreconditionFailed => return Reply::plain(412),
            Selected::Unsatisfiable => {
                let mut reply = Reply::plain(416);
                reply.add(b"content-range", format!("bytes */{size}").into_bytes());
                return reply;
            }
        }
        reply
    }

    /// A status with its phrase as the body.
    fn plain(status: u16) -> Reply {
        let text = format!("{}\n", reason_phrase(status));
        Reply {
            status,
            coding: Coding::Identity,
            file: None,
            modified: None,
            own: smallvec![
                (
                    Cow::Borrowed(&b"content-type"[..]),
                    Cow::Borrowed(&b"text/plain; charset=utf-8"[..])
                ),
                (
                    Cow::Borrowed(&b"content-length"[..]),
                    text.len().to_string().into_bytes().into()
                ),
            ],
            content: ReplyBody::Memory(text.into()),
        }
    }

    pub fn not_found() -> Reply {
        Reply::plain(404)
    }

    pub fn forbidden() -> Reply {
        Reply::plain(403)
    }

    pub fn failed() -> Reply {
        Reply::plain(500)
    }

    pub fn method_not_allowed() -> Reply {
        let mut reply = Reply::plain(405);
        reply.add(b"allow", b"GET, HEAD".to_vec());
        reply
    }

    /// A redirect to the same path with a slash at its end. `root`: the path that the app is mounted at.
    pub fn to_directory(head: &RequestHead, root: &str) -> Reply {
        let path = head.target_path();
        if path.starts_with(b"//") {
            // It would name another host.
            return Reply::not_found();
        }
        let mut location = if is_below(path, root.as_bytes()) {
            [path, b"/"].concat()
        } else {
            beside(path)
        };
        if !head.query().is_empty() {
            location.push(b'?');
            location.extend_from_slice(head.query());
        }
        let mut reply = Reply::plain(301);
        reply.add(b"location", location);
        reply
    }

    fn add(&mut self, name: &'static [u8], value: Vec<u8>) {
        self.own.push((name.into(), value.into()));
    }

    /// `date` of the response.
    pub fn fields<'r>(&'r self, date: &'r Date) -> ReplyFields<'r> {
        let mut fields: ReplyFields<'r> = self
            .own
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        if let Some(modified) = &self.modified {
            fields.push((b"last-modified", modified.value(date)));
        }
        let Some((file, at)) = &self.file else {
            return fields;
        };
        let variant = &file.variants[*at];
        if self.status != 304 {
            if !self.has(b"content-type") {
                fields.push((b"content-type", &file.content_type));
            }
            if !self.has(b"content-length") {
                fields.push((b"content-length", &variant.length));
            }
            if variant.coding != Coding::Identity {
                fields.push((b"content-encoding", variant.coding.token().as_bytes()));
            }
        }
        fields.push((b"etag", variant.tag.as_bytes()));
        fields.extend(file.fields.iter().map(|(name, value)| (&**name, &**value)));
        fields
    }
}

fn is_below(path: &[u8], root: &[u8]) -> bool {
    let root = root.strip_suffix(b"/").unwrap_or(root);
    let rest = path.strip_prefix(root);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The last segment of the path with a slash, as a reference that is relative to the path: the proxy has removed the
/// prefix of what the client sees, or this path is outside of it.
fn beside(path: &[u8]) -> Vec<u8> {
    let start = path.iter().rposition(|&byte| byte == b'/');
    let segment = start.map_or(path, |slash| &path[slash + 1..]);
    // RFC 3986 §4.2: a colon would end a scheme.
    let dot: &[u8] = if segment.contains(&b':') { b"./" } else { b"" };
    [dot, segment, b"/"].concat()
}

/// The part of the file that the client wants.
fn choose(file: Representation<'_>, head: &RequestHead) -> Selected {
    let if_match = head.list(KnownName::IfMatch);
    let if_none_match = head.list(KnownName::IfNoneMatch);
    // A date that is given twice is not valid, and ignored (§13.1.3).
    let if_modified_since = head.list(KnownName::IfModifiedSince);
    let if_unmodified_since = head.list(KnownName::IfUnmodifiedSince);
    let if_range = head.list(KnownName::IfRange);
    let range = head.list(KnownName::Range);
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_modified_since: if_modified_since.as_deref(),
        if_unmodified_since: if_unmodified_since.as_deref(),
        if_range: if_range.as_deref(),
    };
    // The clock is read only for the one condition that needs it.
    let now = if conditions.if_range.is_some() {
        u64::try_from(unix_seconds()).unwrap_or(0)
    } else {
        0
    };
    select(
        file,
        head.known_method(),
        &conditions,
        range.as_deref(),
        now,
    )
}

impl Variant {
    fn representation(&self) -> Representation<'_> {
        Representation {
            stamp: &self.stamp,
            tag: &self.tag,
        }
    }
}

impl CachedSource {
    fn content(&self, slice: Slice) -> ReplyBody {
        match self {
            CachedSource::Memory(bytes) => {
                let start = usize::try_from(slice.start).unwrap_or(usize::MAX);
                let length = usize::try_from(slice.length).unwrap_or(usize::MAX);
                ReplyBody::Memory(bytes.slice(start..start + length))
            }
            CachedSource::File(file) => ReplyBody::File {
                file: file.clone(),
                slice,
            },
        }
    }
}

fn joined(parts: &Multipart, bytes: &Bytes) -> Bytes {
    let mut whole = Vec::new();
    for section in &parts.sections {
        whole.extend_from_slice(&section.preamble);
        let start = usize::try_from(section.slice.start).unwrap_or(usize::MAX);
        let length = usize::try_from(section.slice.length).unwrap_or(usize::MAX);
        whole.extend_from_slice(&bytes[start..start + length]);
    }
    whole.extend_from_slice(&parts.end);
    whole.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_ends_with_a_segment() {
        for (path, root, expected) in [
            ("/app/dir", "", true),
            ("/app/dir", "/app", true),
            ("/app/dir", "/app/", true),
            ("/app", "/app", true),
            ("/apple/dir", "/app", false),
            ("/static/dir", "/app", false),
        ] {
            let found = is_below(path.as_bytes(), root.as_bytes());
            assert_eq!(found, expected, "{path} {root}");
        }
    }

    #[test]
    fn a_relative_reference_is_one_segment() {
        for (path, expected) in [
            ("/static/dir", "dir/"),
            ("/a", "a/"),
            ("/a/b:c", "./b:c/"),
            ("/a/%2f%2fhost", "%2f%2fhost/"),
        ] {
            assert_eq!(beside(path.as_bytes()), expected.as_bytes(), "{path}");
        }
    }
}
