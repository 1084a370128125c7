//! Files over HTTP: the file that a path names, and the response for it. Paths, header fields and facts in, decisions out.
//!
//! Sources are RFC 9110 (sections 8.8, 12.5.3, 13 and 14) and RFC 8246 (`immutable`). `sys::beneath` opens files;
//! `worker::files` sends them.

mod coding;
mod etag;
mod freshness;
mod media_type;
mod mount;
mod multipart;
mod path;
mod precondition;
mod range;
mod selection;

pub use coding::{Coding, Codings, accepted};
pub use etag::{ETag, FileStamp};
pub use freshness::{IMMUTABLE, ManifestNames, has_hash, names_of_manifest};
pub use media_type::{media_type, with_charset};
pub use mount::{Mounts, Prefix};
pub use multipart::{Multipart, Section, content_range};
pub use path::{FilePath, Rejected};
pub use precondition::{Conditions, PreconditionResult, seconds};
pub use range::{MOST_RANGES, Ranges, Slice};
pub use selection::{Representation, Selected, select};
