//! Shared memory as a slice of atomics, and memory that is given back to the system.

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
    let words = map(&fd, length, &object)?;
    Ok((fd, words))
}

/// The words that another program has shared, behind their memfd.
///
/// The caller vouches that nothing makes the file shorter: only `shared_words` has resized it.
pub fn shared_words_of(fd: &OwnedFd) -> Result<&'static [AtomicU64]> {
    let failed = |e: std::io::Error| Error::new("map", "shared memory", e);
    let found = nix::sys::stat::fstat(fd).map_err(|e| failed(e.into()))?;
    let length = usize::try_from(found.st_size)
        .ok()
        .and_then(NonZeroUsize::new);
    let length = length.ok_or_else(|| failed(std::io::ErrorKind::UnexpectedEof.into()))?;
    map(fd, length, "shared memory")
}

fn map(fd: &OwnedFd, length: NonZeroUsize, object: &str) -> Result<&'static [AtomicU64]> {
    // SAFETY: a fresh shared mapping at an address of the kernel's choice; it aliases nothing in this process.
    let start = unsafe {
        mmap(
            None,
            length,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_SHARED,
            fd,
            0,
        )
    }
    .map_err(|e| Error::new("mmap", object, e))?;
    let count = length.get() / size_of::<AtomicU64>();
    // SAFETY: `start` is page-aligned and valid for `length` bytes, for ever (never unmapped, and the file never shrinks: only
    // `shared_words` has resized it); every access from every process goes through atomics.
    Ok(unsafe { std::slice::from_raw_parts(start.cast::<AtomicU64>().as_ptr(), count) })
}

/// Limits the allocator to two arenas, from here on, for threads that pass memory to each other: with an arena each, every one
/// keeps what another has freed. Unless the environment sets the number of arenas (`mallopt(3)`).
#[cfg(target_env = "gnu")]
pub fn share_arenas() {
    let chosen = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];
    if chosen.iter().all(|name| std::env::var_os(name).is_none()) {
        // SAFETY: no preconditions; it only stores a number.
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
    if let Some((start, length)) = code(trim as fn() as usize) {
        // SAFETY: the pages are the unchanged ones of an executable file (mapped without write permission): the next access
        // to a page that is gone reads it from there. An error changes nothing.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

/// The pages of executable code of the loaded file that contains `address`: start and length in bytes. The loader lists
/// them (`dl_iterate_phdr(3)`), so that no file of /proc has to be opened and read.
fn code(address: usize) -> Option<(usize, usize)> {
    let mut search = MappingSearch {
        address,
        page: page_size(),
        found: None,
    };
    // SAFETY: the callback gets a valid description of each loaded file, and the pointer to `search`, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut search).cast()) };
    search.found
}

/// Bytes of a page of memory.
pub fn page_size() -> usize {
    // SAFETY: no pointers are passed.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

struct MappingSearch {
    address: usize,
    page: usize,
    found: Option<(usize, usize)>,
}

/// Ends the iteration with 1 when the segment is found.
unsafe extern "C" fn visit(
    file: *mut libc::dl_phdr_info,
    _size: usize,
    search: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `search` is what `code` has passed, and only this thread uses it.
    let search = unsafe { &mut *search.cast::<MappingSearch>() };
    // SAFETY: the loader passes a description that is valid during the call, with `dlpi_phnum` program headers.
    let (file, headers) = unsafe {
        let file = &*file;
        (
            file,
            std::slice::from_raw_parts(file.dlpi_phdr, usize::from(file.dlpi_phnum)),
        )
    };
    for header in headers {
        let (flags, start) = (
            header.p_flags,
            file.dlpi_addr as usize + header.p_vaddr as usize,
        );
        let end = start + header.p_memsz as usize;
        let is_code =
            header.p_type == libc::PT_LOAD && flags & libc::PF_X != 0 && flags & libc::PF_W == 0;
        if is_code && (start..end).contains(&search.address) {
            let first = start & !(search.page - 1);
            let last = (end + search.page - 1) & !(search.page - 1);
            search.found = Some((first, last - first));
            return 1;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn our_code_is_found_and_can_be_done_without() {
        let (start, length) = code(trim as fn() as usize).expect("this is code");
        assert!((start..start + length).contains(&(code as fn(_) -> _ as usize)));
        let maps = std::fs::read_to_string("/proc/self/maps").expect("there is /proc");
        let mapped = maps
            .lines()
            .find(|line| line.starts_with(&format!("{start:x}-{:x} r-xp", start + length)));
        assert!(mapped.is_some(), "the kernel has the same mapping: {maps}");
        assert_eq!(code((&raw const maps).addr()), None);
        trim();
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
