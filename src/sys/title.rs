//! The name of a process in ps and top.

use std::fs;
use std::sync::OnceLock;

use nix::sys::prctl::set_name;

/// Where the kernel keeps the arguments of this process: address and length. Looked up once; children inherit it.
static ARGUMENTS: OnceLock<Option<(usize, usize)>> = OnceLock::new();

/// Calls this process `title` where `ps` shows arguments, and `name` (its first 15 bytes) where it shows names.
///
/// Arguments are overwritten, as far as there is room. Nothing may read them from there afterwards: the command line was
/// parsed (std and CPython have made their copies).
pub fn set_title(name: &str, title: &str) {
    let short: Vec<u8> = name.bytes().filter(|byte| *byte != 0).take(15).collect();
    if let Ok(name) = std::ffi::CString::new(short) {
        // It is only for display.
        let _ = set_name(&name);
    }
    let Some((start, length)) = *ARGUMENTS.get_or_init(arguments) else {
        return;
    };
    let text = title.as_bytes();
    // The last byte stays a NUL: without it the kernel goes on reading in the environment.
    let room = length.saturating_sub(1).min(text.len());
    let start = start as *mut u8;
    // SAFETY: the kernel names this range as the memory of our own arguments: mapped, writable, `length` bytes long, and
    // read by no other code (see above). The title is in other memory.
    unsafe {
        std::ptr::write_bytes(start, 0, length);
        std::ptr::copy_nonoverlapping(text.as_ptr(), start, room);
    }
}

/// `arg_start` and `arg_end` (proc(5), fields 48 and 49 of stat).
fn arguments() -> Option<(usize, usize)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(45);
    let start: usize = fields.next()?.parse().ok()?;
    let end: usize = fields.next()?.parse().ok()?;
    (start > 0 && end > start).then(|| (start, end - start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_that_of_the_arguments() {
        let (start, length) = arguments().expect("Linux tells");
        let shown = fs::read("/proc/self/cmdline").expect("Linux tells");
        assert!(start > 4096);
        assert_eq!(length, shown.len());
    }
}
