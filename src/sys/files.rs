//! Files without a name. It does not know what is in them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::random;

/// A new file in `directory`, for this process alone, gone with its last descriptor.
pub fn unnamed_file(directory: &Path) -> io::Result<File> {
    let unnamed = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .mode(0o600)
        .open(directory);
    match unnamed {
        // Some file systems (NFS, older overlays) cannot; old kernels take the flag for O_DIRECTORY.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            // A name that can be foreseen could be taken on purpose.
            let path = directory.join(format!("rgun-{:016x}", random()));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            std::fs::remove_file(path)?;
            Ok(file)
        }
        result => result,
    }
}
