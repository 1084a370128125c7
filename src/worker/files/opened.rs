//! A whole file that the app has opened itself as its body: `wsgi.file_wrapper`, ASGI's `http.response.pathsend` and
//! `http.response.zerocopysend`.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use super::app_head::AppHead;
use super::cache::{Cached, CachedSource, LastModified, Variant};
use super::reply::Reply;
use crate::files::{Coding, Codings, ETag, FileStamp};
use crate::http::RequestHead;

const UNKNOWN_TYPE: &[u8] = b"application/octet-stream";

impl Reply {
    /// `head` of a request that has conditions or ranges.
    pub fn of_opened(
        file: File,
        facts: &Metadata,
        head: Option<&RequestHead>,
        response: &AppHead,
    ) -> Reply {
        let stamp = FileStamp {
            inode: facts.ino(),
            size: facts.len(),
            modified: (
                facts.mtime(),
                u32::try_from(facts.mtime_nsec()).unwrap_or(0),
            ),
        };
        let variant = Variant {
            coding: Coding::Identity,
            tag: ETag::of(&stamp, Coding::Identity),
            last_modified: LastModified::of(&stamp),
            length: itoa::Buffer::new().format(stamp.size).as_bytes().into(),
            stamp,
            source: CachedSource::File(Arc::new(file)),
        };
        let content_type = response.field(b"content-type").unwrap_or(UNKNOWN_TYPE);
        let opened = Cached {
            variants: vec![variant],
            codings: Codings::default(),
            fields: Vec::new(),
            content_type: content_type.into(),
            manifest: None,
        };
        Reply::named_by_app(&Arc::new(opened), head, response)
    }
}
