//! Conditional requests (RFC 9110 §13), evaluated in the order of §13.2.2.

use std::time::{Duration, UNIX_EPOCH};

use super::etag::{Comparison, ETag, FileStamp, Listed, entity_tag, lists};

/// The fields of a request that make it conditional. Where a list came in several fields, they are joined with commas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conditions<'r> {
    pub if_match: Option<&'r [u8]>,
    pub if_none_match: Option<&'r [u8]>,
    pub if_modified_since: Option<&'r [u8]>,
    pub if_unmodified_since: Option<&'r [u8]>,
    pub if_range: Option<&'r [u8]>,
}

/// The result of the conditions, for GET and HEAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreconditionResult {
    Proceed,
    /// 304
    NotModified,
    /// 412
    Failed,
}

impl Conditions<'_> {
    /// Steps 1 to 4 of RFC 9110 §13.2.2.
    pub fn evaluate(&self, tag: &ETag, stamp: &FileStamp) -> PreconditionResult {
        let modified = stamp.seconds();
        match (self.if_match, self.if_unmodified_since.and_then(seconds)) {
            (Some(list), _) => {
                if lists(list, tag, Comparison::Strong) != Listed::Yes {
                    return PreconditionResult::Failed;
                }
            }
            (None, Some(since)) if modified > since => return PreconditionResult::Failed,
            (None, _) => {}
        }
        let unchanged = match (self.if_none_match, self.if_modified_since.and_then(seconds)) {
            (Some(list), _) => lists(list, tag, Comparison::Weak) == Listed::Yes,
            (None, Some(since)) => modified <= since,
            (None, None) => false,
        };
        if unchanged {
            PreconditionResult::NotModified
        } else {
            PreconditionResult::Proceed
        }
    }

    /// Step 5: whether a Range field applies. `now` in seconds since 1970.
    pub fn allows_range(&self, tag: &ETag, stamp: &FileStamp, now: u64) -> bool {
        let Some(value) = self.if_range.map(<[u8]>::trim_ascii) else {
            return true;
        };
        match entity_tag(value) {
            Some((weak, opaque, b"")) => !(weak || tag.is_weak()) && opaque == tag.opaque(),
            Some(_) => false,
            // A date is a strong validator only when the file cannot have changed again within its second (§8.8.2.2).
            None => seconds(value) == Some(stamp.seconds()) && stamp.seconds() < now,
        }
    }
}

/// Seconds since 1970 of an HTTP date, in each of its three forms (RFC 9110 §5.6.7). `None`: no date, and the field is ignored.
pub fn seconds(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    let since = date.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Some(since.as_secs())
}
