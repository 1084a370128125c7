//! Regular files whose attributes give no size although they have content, as those of `/proc`: they have to be read to their end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Files with more content than this are not read, in bytes.
pub const MOST_UNSIZED: usize = 4 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// The content from `offset` on of a file whose size is 0 by its attributes; the file's own position does not move.
pub fn unsized_content(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read_at(&mut piece, offset + content.len() as u64) {
            Ok(0) => return Ok(content),
            Ok(count) => content.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if content.len() > MOST_UNSIZED {
            let text = format!("its size is unknown, and it has more than {MOST_UNSIZED} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_proc_is_read_to_its_end() {
        let file = File::open("/proc/self/status").expect("a file");
        assert_eq!(file.metadata().expect("attributes").len(), 0);
        let content = unsized_content(&file, 0).expect("content");
        assert!(content.starts_with(b"Name:\t") && content.ends_with(b"\n"));
        let rest = unsized_content(&file, 5).expect("content");
        assert!(content[5..].starts_with(&rest[..3]));
    }

    #[test]
    fn an_empty_file_has_no_content() {
        let file = tempfile::tempfile().expect("a file");
        assert!(unsized_content(&file, 0).expect("no content").is_empty());
    }

    #[test]
    fn there_is_a_bound() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(MOST_UNSIZED as u64).expect("room");
        let content = unsized_content(&file, 0).expect("content");
        assert_eq!(content.len(), MOST_UNSIZED);
        file.set_len(MOST_UNSIZED as u64 + 1).expect("room");
        let error = unsized_content(&file, 0).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
