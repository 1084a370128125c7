//! The settings for compression.

use super::media_types::MediaTypes;
use crate::files::Codings;

#[derive(Debug, Clone)]
pub struct Rules {
    pub codings: Codings,
    /// From 1, the fastest, to 9.
    pub level: u8,
    /// Bodies below this many bytes are left alone.
    pub min_size: u64,
    pub types: MediaTypes,
    /// Also for requests with `Authorization` or `Cookie`.
    pub credentials: bool,
}
