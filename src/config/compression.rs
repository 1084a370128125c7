//! How responses of the app are compressed.

/// `--compress` and the settings beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseCompression {
    /// At least one.
    pub codings: Vec<ResponseCoding>,
    /// From 1 to 9.
    pub level: u8,
    /// In bytes.
    pub min_size: u64,
    /// Media types, in which a star stands for any characters.
    pub types: Vec<String>,
    /// Also for requests with credentials.
    pub credentials: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseCoding {
    Gzip,
    Zstd,
}
