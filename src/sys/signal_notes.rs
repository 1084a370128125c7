//! Signals that a handler records, for a thread that acts on them later.
//!
//! A handler, and not a blocked mask with a signalfd: both a mask and "ignore" are inherited by the programs that a process
//! starts, a handler is not. No system call of other code is interrupted for good (`SA_RESTART`).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering::SeqCst};

use super::epoll::Wake;
use super::signals::SignalNumber;

/// What the handler writes to. There is one per process, as there is one action per signal: a worker whose mold was a worker has its
/// own. Never freed, since a handler may run at any moment.
static NOTED: AtomicPtr<SignalNotes> = AtomicPtr::new(ptr::null_mut());

pub struct SignalNotes {
    /// The process that records signals. A child that is forked without an exec has the handler too.
    owner: libc::pid_t,
    wake: Wake,
    /// One bit per signal.
    pending: AtomicU64,
}

impl SignalNotes {
    /// The record of this process; a child that is forked later does not use it.
    pub fn open() -> io::Result<&'static Self> {
        // SAFETY: no precondition.
        let owner = unsafe { libc::getpid() };
        let before = Self::current();
        if let Some(signal_notes) = before.filter(|it| it.owner == owner) {
            return Ok(signal_notes);
        }
        let signal_notes: &'static Self = Box::leak(Box::new(Self {
            owner,
            wake: Wake::new()?,
            pending: AtomicU64::new(0),
        }));
        let before = before.map_or(ptr::null_mut(), |it| ptr::from_ref(it).cast_mut());
        let ours = ptr::from_ref(signal_notes).cast_mut();
        match NOTED.compare_exchange(before, ours, SeqCst, SeqCst) {
            Ok(_) => Ok(signal_notes),
            // Another thread was first.
            Err(_) => Self::open(),
        }
    }

    fn current() -> Option<&'static Self> {
        // SAFETY: null, or a value that is never freed and never changed but through atomics.
        unsafe { NOTED.load(SeqCst).as_ref() }
    }

    /// From here on these are recorded, in place of their default action. What other code has set (a handler, or to ignore it)
    /// stays, and a handler that is set later replaces ours.
    pub fn handle(&self, signals: &[SignalNumber]) {
        for signal in signals {
            let raw = signal.as_raw();
            if action(raw) != Some(libc::SIG_DFL) {
                continue;
            }
            // SAFETY: all-zero is a valid sigaction: an empty mask and no flags.
            let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
            ours.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
            ours.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
            // SAFETY: `note` does only what a signal handler may. It fails for SIGKILL and SIGSTOP alone.
            unsafe { libc::sigaction(raw, &raw const ours, std::ptr::null_mut()) };
        }
    }

    /// Those that came since the last call; several of a kind are one.
    pub fn take(&self) -> impl Iterator<Item = SignalNumber> + use<> {
        self.wake.clear();
        let pending = self.pending.swap(0, SeqCst);
        (1..64)
            .filter(move |raw| pending >> raw & 1 == 1)
            .map(SignalNumber::from_raw)
    }
}

/// Readable when something was noted.
impl AsFd for SignalNotes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The present action of a signal, as a number.
fn action(signal: libc::c_int) -> Option<libc::sighandler_t> {
    // SAFETY: all-zero is a valid sigaction to be written over.
    let mut present: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with no new action given the call only writes the present one.
    let code = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut present) };
    (code == 0).then_some(present.sa_sigaction)
}

/// The handler. Only what is allowed at any moment: atomics, write(2), getpid(2), signal(2), raise(3).
extern "C" fn note(signal: libc::c_int) {
    // SAFETY: the address of this thread's errno; the code that was interrupted may be about to read it.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: no precondition.
    let this = unsafe { libc::getpid() };
    match SignalNotes::current() {
        Some(signal_notes) if signal_notes.owner == this => {
            signal_notes.pending.fetch_or(1 << signal, SeqCst);
            signal_notes.wake.wake();
        }
        // A child that the app has forked: there the signal has its default action, as soon as this handler returns.
        _ => {
            // SAFETY: sets no handler, and sends this thread a signal that is blocked until we return.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_default_is_noted_and_nothing_else_is_touched() {
        let signal_notes = SignalNotes::open().unwrap();
        // SAFETY: sets no handler.
        unsafe { libc::signal(libc::SIGWINCH, libc::SIG_IGN) };
        let usual = SignalNumber::from_raw(libc::SIGURG);
        signal_notes.handle(&[usual, SignalNumber::WINCH, SignalNumber::KILL]);
        assert_eq!(action(libc::SIGWINCH), Some(libc::SIG_IGN));
        assert_eq!(signal_notes.take().count(), 0);
        // SAFETY: no pointers are passed; both are harmless to this process.
        unsafe {
            libc::raise(libc::SIGURG);
            libc::raise(libc::SIGURG);
            libc::raise(libc::SIGWINCH);
        }
        assert_eq!(signal_notes.take().collect::<Vec<_>>(), [usual]);
        assert_eq!(signal_notes.take().count(), 0);
    }
}
