//! Random numbers of the kernel's. It keeps no state.

/// For names that are not to collide; no secret. Where the kernel has none yet, the time and the pid have to do.
#[must_use]
pub fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: the buffer is as long as is said.
    let count =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if usize::try_from(count) == Ok(bytes.len()) {
        return u64::from_ne_bytes(bytes);
    }
    let now = super::clock::monotonic().as_nanos();
    u64::try_from(now & u128::from(u64::MAX)).unwrap_or(0) ^ u64::from(std::process::id()) << 40
}
