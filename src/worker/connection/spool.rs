//! Output that waits for a slow client in a file, so that the thread that produced it is free.

use super::pending_body::{BodySource, PendingBody};
use crate::worker::spool::SpoolFile;

/// Unsent bytes of a response that stay in memory.
pub const KEPT: usize = 256 * 1024;

impl PendingBody {
    /// A part for bytes that the socket did not take, in a file.
    pub fn spooled(file: SpoolFile, rest: &[&[u8]]) -> Self {
        let mut spool = Self::spool(file);
        spool.follow(rest);
        spool
    }

    /// Appends output: to the file, if it is a spool, or behind it.
    pub fn follow(&mut self, pieces: &[&[u8]]) {
        if self.takes_more() && self.append(pieces) {
            return;
        }
        pieces
            .iter()
            .for_each(|piece| self.behind.extend_from_slice(piece));
    }

    /// False: an app that produces more has to wait until the client has read this.
    pub fn takes_more(&self) -> bool {
        match &self.source {
            BodySource::Spool { file, .. } => self.behind.is_empty() && !file.is_full(),
            BodySource::File { .. } | BodySource::Block(_) => false,
        }
    }

    /// All of them or none.
    fn append(&mut self, pieces: &[&[u8]]) -> bool {
        let BodySource::Spool { file, offset } = &mut self.source else {
            return false;
        };
        let appended = file.append(pieces).is_ok();
        self.left = file.length() - *offset;
        appended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_stands_behind_what_waits() {
        let spool = crate::worker::spool::of_size(5);
        let mut part = PendingBody::spool(spool.file(1).expect("a temporary file"));
        part.follow(&[b"a", b"bc", b""]);
        if let BodySource::Spool { offset, .. } = &mut part.source {
            (*offset, part.left) = (2, 1);
        }
        part.follow(&[b"d"]);
        // Where the file has no room for all, the rest follows it in memory.
        part.follow(&[b"ef"]);
        part.follow(&[b"g"]);
        let BodySource::Spool { file, .. } = &part.source else {
            unreachable!("it was made as one");
        };
        let mut found = [0; 5];
        assert_eq!(file.read_at(&mut found, 0).expect("readable"), 4);
        assert_eq!((&found[..4], part.left), (&b"abcd"[..], 2));
        assert_eq!(&part.behind[..], b"efg");
        assert!(!part.takes_more());
        // The app's own file is not written to.
        let file = crate::sys::unnamed_file(&std::env::temp_dir()).expect("a temporary file");
        let mut apps = PendingBody::file(file.into(), 0, 2, b"");
        apps.follow(&[b"e"]);
        assert_eq!((&apps.behind[..], apps.left), (&b"e"[..], 2));
    }
}
