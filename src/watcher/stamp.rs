//! Distinguishes one state of a file from another.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The time of the last write, and what differs where a clock is too coarse: a save by rename has another inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    seconds: i64,
    nanoseconds: i64,
    size: u64,
    inode: u64,
}

impl Stamp {
    pub fn of(found: &Metadata) -> Self {
        Self {
            seconds: found.mtime(),
            nanoseconds: found.mtime_nsec(),
            size: found.size(),
            inode: found.ino(),
        }
    }
}
