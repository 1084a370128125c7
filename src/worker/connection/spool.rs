//! Output that waits for a slow client in a file, so that the thread which made it is free. It does not send it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::part::{Part, Source};

/// Unsent bytes of a response that are kept in memory.
pub const KEPT: usize = 256 * 1024;
/// How large the file of a response becomes, in bytes. An app that makes more has to wait until the client has this.
const LARGEST: u64 = 512 * 1024 * 1024;

impl Part {
    /// What the socket did not take, in a file.
    pub fn spooled(file: File, rest: &[&[u8]]) -> Self {
        let mut spool = Self::spool(file);
        spool.follow(rest);
        spool
    }

    /// More output: in the file, if it is for that, or behind it.
    pub fn follow(&mut self, pieces: &[&[u8]]) {
        if self.takes_more() && self.append(pieces).is_ok() {
            return;
        }
        pieces
            .iter()
            .for_each(|piece| self.behind.extend_from_slice(piece));
    }

    pub fn takes_more(&self) -> bool {
        match self.source {
            Source::Spool { offset, .. } => self.behind.is_empty() && offset + self.left < LARGEST,
            Source::File { .. } | Source::Block(_) => false,
        }
    }

    /// All of them or none: what a full disk took of them is never sent.
    fn append(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let Source::Spool { file, offset } = &self.source else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut end = offset + self.left;
        for piece in pieces {
            file.write_all_at(piece, end)?;
            end += piece.len() as u64;
        }
        self.left = end - offset;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_stands_behind_what_waits() {
        let file = crate::sys::unnamed_file(&std::env::temp_dir()).expect("a temporary file");
        let mut part = Part::spool(file.try_clone().expect("a descriptor"));
        part.follow(&[b"a", b"bc", b""]);
        if let Source::Spool { offset, .. } = &mut part.source {
            (*offset, part.left) = (2, 1);
        }
        part.follow(&[b"d"]);
        let mut found = [0; 4];
        file.read_exact_at(&mut found, 0).expect("four bytes");
        assert_eq!((&found, part.left), (b"abcd", 2));
        // The app's own file is not written to.
        let mut apps = Part::file(file, 0, 2, b"");
        apps.follow(&[b"e"]);
        assert_eq!((&apps.behind[..], apps.left), (&b"e"[..], 2));
    }
}
