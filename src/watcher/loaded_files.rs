//! Messages of workers: the files that they have loaded.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::sys::{Packet, Result, receive_packet};

/// The paths of one message; `None`: there is none now.
pub fn receive(from: &OwnedFd, buffer: &mut [u8]) -> Result<Option<Vec<PathBuf>>> {
    Ok(match receive_packet(from, buffer)? {
        Packet::Message(length) => Some(paths(buffer.get(..length).unwrap_or_default())),
        Packet::TooLong(_) => Some(Vec::new()),
        Packet::Nothing | Packet::Closed => None,
    })
}

fn paths(message: &[u8]) -> Vec<PathBuf> {
    message
        .split(|byte| *byte == 0)
        .filter(|path| path.first() == Some(&b'/'))
        .map(|path| PathBuf::from(OsString::from_vec(path.to_vec())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_absolute_paths_count() {
        assert_eq!(
            paths(b"/a.py\0b.py\0/c d.py\0"),
            [PathBuf::from("/a.py"), PathBuf::from("/c d.py")]
        );
    }
}
