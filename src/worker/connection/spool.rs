//! Output that waits for a slow client in a file, so that the thread which made it is free. It does not send it.

use std::io;
use std::os::unix::fs::FileExt;

use bytes::BytesMut;

use super::state::{FilePart, Whose};
use crate::worker::exchange::NewSpool;

/// Unsent bytes of a response that are kept in memory.
pub const KEPT: usize = 256 * 1024;
/// How large the file of a response becomes, in bytes. An app that makes more has to wait until the client has this.
const LARGEST: u64 = 512 * 1024 * 1024;

/// Keeps what the socket did not take: in `out`, or else in a file behind it. (Both are of one connection; its HTTP state,
/// which the pieces point into, is borrowed.)
pub fn keep(out: &mut BytesMut, file: &mut Option<FilePart>, pieces: &[&[u8]], new: NewSpool<'_>) {
    let more = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let made = if out.len() + more > KEPT { new() } else { None };
    match made {
        Some(made) => {
            let mut part = FilePart {
                file: made,
                offset: 0,
                left: 0,
                behind: BytesMut::new(),
                whose: Whose::Spool,
            };
            part.follow(pieces);
            *file = Some(part);
        }
        None => pieces.iter().for_each(|piece| out.extend_from_slice(piece)),
    }
}

impl FilePart {
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
        self.whose == Whose::Spool && self.behind.is_empty() && self.end() < LARGEST
    }

    fn end(&self) -> u64 {
        self.offset + self.left
    }

    /// All of them or none: what a full disk took of them is never sent.
    fn append(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let mut end = self.end();
        for piece in pieces {
            self.file.write_all_at(piece, end)?;
            end += piece.len() as u64;
        }
        self.left = end - self.offset;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_stands_behind_what_waits() {
        let file = crate::sys::unnamed_file(&std::env::temp_dir()).expect("a temporary file");
        let mut part = FilePart {
            file: file.try_clone().expect("a descriptor"),
            offset: 0,
            left: 0,
            behind: BytesMut::new(),
            whose: Whose::Spool,
        };
        part.follow(&[b"a", b"bc", b""]);
        (part.offset, part.left) = (2, 1);
        part.follow(&[b"d"]);
        let mut found = [0; 4];
        file.read_exact_at(&mut found, 0).expect("four bytes");
        assert_eq!((&found, part.left), (b"abcd", 2));
        // The app's own file is not written to.
        part.whose = Whose::Apps;
        part.follow(&[b"e"]);
        assert_eq!((&part.behind[..], part.left), (&b"e"[..], 2));
    }
}
