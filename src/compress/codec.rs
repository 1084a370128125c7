//! What each encoder is asked, and how it may fail.

/// What the piece that is encoded is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// More, at some time: what has been given can be decoded by then.
    Sync,
    /// Nothing.
    Finish,
}

/// The library cannot go on: a bug. What came before it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {0} encoder failed")]
pub struct Failed(pub(super) &'static str);

impl Failed {
    pub const NONE: Failed = Failed("missing");
}

/// Room for what `length` bytes become, in most cases; never nothing.
pub(super) fn room(length: usize) -> usize {
    (length / 2).clamp(256, 64 * 1024)
}
