//! Random numbers from the kernel.

/// For names that must not collide, not for secrets. Where the kernel has none yet, the time and the pid are used.
#[must_use]
pub fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: pointer and length are those of one buffer.
    let count =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if usize::try_from(count) == Ok(bytes.len()) {
        return u64::from_ne_bytes(bytes);
    }
    let now = super::clock::monotonic().as_nanos();
    u64::try_from(now & u128::from(u64::MAX)).unwrap_or(0) ^ u64::from(std::process::id()) << 40
}
