//! The interface of each encoder, and its error.

/// What follows the piece that is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// More, at some time: all data so far can be decoded by then.
    Sync,
    /// Nothing.
    Finish,
}

/// The library cannot continue: a bug. The output before it is correct.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {0} encoder failed")]
pub struct Failed(pub(super) &'static str);

impl Failed {
    pub const NONE: Failed = Failed("missing");
}

/// Output space for `length` bytes, enough in most cases; never zero.
pub(super) fn room(length: usize) -> usize {
    (length / 2).clamp(256, 64 * 1024)
}
