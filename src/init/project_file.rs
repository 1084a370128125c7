//! Texts of a project's files.

use std::fs;
use std::path::Path;

/// Files of source and configuration are far smaller.
const LARGEST: u64 = 4 << 20;

/// `None`: there is no such file. A FIFO or a device of that name would be waited for.
pub fn text(path: &Path) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    let is_usual = about.is_file() && about.len() <= LARGEST;
    is_usual.then(|| fs::read_to_string(path).ok())?
}
