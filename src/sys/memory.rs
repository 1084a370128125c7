//! Shared memory as a slice of atomics, and memory given back. It does not know what the words mean.

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

/// Threads that hand memory to each other share it, from here on: with an arena for each, all keep what another one has given
/// back. Unless the environment says how many there are to be (`mallopt(3)`).
#[cfg(target_env = "gnu")]
pub fn share_arenas() {
    let chosen = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];
    if chosen.iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: no preconditions; it only notes a number.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 2) };
    }
}

#[cfg(not(target_env = "gnu"))]
pub fn share_arenas() {}

/// Gives memory that was freed, and the pages of code that are mapped, back to the system. Worth it once, when starting up is
/// over: what it used (parsers, help texts) is not needed again, here or in a process forked from this one. Code that is
/// needed is mapped again from the page cache.
pub fn trim() {
    // SAFETY: no preconditions; the allocator's own locks make it safe beside other threads.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    if let Some((start, length)) = std::fs::read_to_string("/proc/self/maps")
        .ok()
        .and_then(|maps| code(&maps, trim as fn() as usize))
    {
        // SAFETY: the pages are the unchanged ones of an executable file (mapped without write permission), and whoever
        // runs into one that is gone gets it from there. An error changes nothing.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// The executable mapping of a file which contains `address`, by start and length.
fn code(maps: &str, address: usize) -> Option<(usize, usize)> {
    maps.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        let end = usize::from_str_radix(end, 16).ok()?;
        let of_a_file = words.next()? == "r-xp" && words.nth(3)?.starts_with('/');
        (of_a_file && (start..end).contains(&address)).then_some((start, end - start))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn our_code_is_found_and_can_be_done_without() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
        let (start, length) = code(&maps, trim as fn() as usize).expect("this is code");
        assert!((start..start + length).contains(&(code as fn(_, _) -> _ as usize)));
        assert_eq!(code(&maps, (&raw const maps).addr()), None);
        trim();
        assert!(maps.contains("r-xp"));
    }

    #[test]
    fn words_start_at_zero_and_keep_what_is_stored() {
        let (_fd, words) = shared_words(c"rgun-test", 1024).expect("a small mapping");
        assert_eq!(words.len(), 1024);
        assert!(words.iter().all(|word| word.load(Relaxed) == 0));
        words[1023].store(7, Relaxed);
        assert_eq!(words[1023].load(Relaxed), 7);
    }
}
