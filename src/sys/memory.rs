//! Shared memory as a slice of atomics. It does not know what the words mean.

use std::ffi::CStr;
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::ftruncate;

use super::{Error, Result};

/// Zeroed words shared with every process forked from here on, and the memfd behind them (close-on-exec).
///
/// The mapping is never unmapped: it lives as long as the process, so that nothing can dangle after a fork.
pub fn shared_words(name: &CStr, count: usize) -> Result<(OwnedFd, &'static [AtomicU64])> {
    let object = name.to_string_lossy();
    let bytes = count.saturating_mul(size_of::<AtomicU64>());
    let too_large = || Error::new("memfd_create", &object, std::io::ErrorKind::InvalidInput);
    let length = NonZeroUsize::new(bytes).ok_or_else(too_large)?;
    let offset = i64::try_from(bytes).map_err(|_| too_large())?;
    let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)
        .map_err(|e| Error::new("memfd_create", &object, e))?;
    ftruncate(&fd, offset).map_err(|e| Error::new("ftruncate", &object, e))?;
    // SAFETY: a fresh shared mapping at an address of the kernel's choice; it aliases nothing in this process.
    let start = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            &fd,
            0,
        )
    }
    .map_err(|e| Error::new("mmap", &object, e))?;
    // SAFETY: `start` is page-aligned and valid for `bytes` zeroed bytes, for ever (never unmapped, and the file never
    // shrinks: only this function has resized it); every access from every process goes through atomics.
    let words = unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count) };
    Ok((fd, words))
}

/// Gives memory that was freed back to the system. Worth it once, when starting up is over: what it used is not needed again.
pub fn trim() {
    // SAFETY: no preconditions; the allocator's own locks make it safe beside other threads.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn words_start_at_zero_and_keep_what_is_stored() {
        let (_fd, words) = shared_words(c"rgun-test", 1024).expect("a small mapping");
        assert_eq!(words.len(), 1024);
        assert!(words.iter().all(|word| word.load(Relaxed) == 0));
        words[1023].store(7, Relaxed);
        assert_eq!(words[1023].load(Relaxed), 7);
    }
}
