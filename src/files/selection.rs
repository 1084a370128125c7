//! The response to a GET or HEAD for an existing file.

use super::etag::{ETag, FileStamp};
use super::precondition::{Conditions, PreconditionResult};
use super::range::{Ranges, Slice};
use crate::http::Method;

/// A file in one of its codings.
#[derive(Debug, Clone, Copy)]
pub struct Representation<'f> {
    pub stamp: &'f FileStamp,
    pub tag: &'f ETag,
}

/// Which part of it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// 200
    Whole,
    /// 206
    Part(Slice),
    /// 206, `multipart/byteranges`
    Parts(Vec<Slice>),
    /// 304
    NotModified,
    /// 412
    PreconditionFailed,
    /// 416
    Unsatisfiable,
}

/// `now` in seconds since 1970.
pub fn select(
    file: Representation<'_>,
    method: Method,
    conditions: &Conditions<'_>,
    range: Option<&[u8]>,
    now: u64,
) -> Selected {
    match conditions.evaluate(file.tag, file.stamp) {
        PreconditionResult::NotModified => return Selected::NotModified,
        PreconditionResult::Failed => return Selected::PreconditionFailed,
        PreconditionResult::Proceed => {}
    }
    // Range is defined for GET alone (RFC 9110 §14.2).
    let Some(range) = range.filter(|_| method == Method::Get) else {
        return Selected::Whole;
    };
    if !conditions.allows_range(file.tag, file.stamp, now) {
        return Selected::Whole;
    }
    match Ranges::of(range, file.stamp.size) {
        Ranges::Ignored => Selected::Whole,
        Ranges::Unsatisfiable => Selected::Unsatisfiable,
        Ranges::One(slice) => Selected::Part(slice),
        Ranges::Several(slices) => Selected::Parts(slices),
    }
}
