//! System calls for the threads of a worker: blocked signals, immediate exit.

use std::io;

/// Runs `f` with every signal blocked, so that a thread it starts inherits that: signals are for the main thread.
pub fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> io::Result<T> {
    let all = nix::sys::signal::SigSet::all();
    let before = all.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    let result = f();
    before.thread_set_mask()?;
    Ok(result)
}

/// Ends the process at once: no destructors, no atexit hooks, no flushed buffers.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: no precondition; nothing of ours runs after it.
    unsafe { libc::_exit(code) }
}
