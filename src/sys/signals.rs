//! Signals: their names, how the master receives them, what a forked child starts with.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Known, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Error, Pid, Result};

/// A signal by its number; also a real-time one, which has no name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalNumber(i32);

/// Asks a worker for the Python stack of every thread (`faulthandler.register`). A real-time signal in the middle of the
/// range, so that it is neither glibc's own (32, 33; musl: 34) nor one an application is likely to use. The
/// default action kills: only for workers that have registered it.
pub const DUMP_STACKS: SignalNumber = SignalNumber(42);

/// Interrupts the request in the main thread of a worker that leaves; chosen as `DUMP_STACKS`.
pub const CANCEL: SignalNumber = SignalNumber(43);

/// Sends a signal to the main thread of this process, also when another thread would take it.
pub fn signal_main_thread(signal: SignalNumber) {
    // SAFETY: no pointers are passed. A process that runs has its main thread (under its pid), so the call cannot fail.
    unsafe {
        let pid = libc::getpid();
        libc::syscall(libc::SYS_tgkill, pid, pid, signal.as_raw());
    }
}

impl SignalNumber {
    pub const ABRT: Self = Self(libc::SIGABRT);
    pub const HUP: Self = Self(libc::SIGHUP);
    pub const INT: Self = Self(libc::SIGINT);
    pub const QUIT: Self = Self(libc::SIGQUIT);
    pub const KILL: Self = Self(libc::SIGKILL);
    pub const USR1: Self = Self(libc::SIGUSR1);
    pub const USR2: Self = Self(libc::SIGUSR2);
    pub const TERM: Self = Self(libc::SIGTERM);
    pub const CHLD: Self = Self(libc::SIGCHLD);
    pub const TTIN: Self = Self(libc::SIGTTIN);
    pub const TTOU: Self = Self(libc::SIGTTOU);
    pub const WINCH: Self = Self(libc::SIGWINCH);

    /// A number as `waitpid` and `signalfd` report it.
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    pub fn as_raw(self) -> i32 {
        self.0
    }
}

/// `SIGKILL`; `signal 42` for those without a name.
impl fmt::Display for SignalNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Known::try_from(self.0) {
            Ok(known) => f.write_str(known.as_str()),
            Err(_) => write!(f, "signal {}", self.0),
        }
    }
}

/// A signal that was received, and the pid of its sender (0: the kernel, or a process outside of our PID namespace).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub signal: SignalNumber,
    pub sender: i32,
}

/// Signals as a queue to read. Made by blocking them (signalfd), not by handlers: there is nothing that a forked child
/// could run in the parent's place, and no call that a signal interrupts. The price is a blocked mask, which
/// `start_as_child` undoes.
#[derive(Debug)]
pub struct SignalQueue {
    fd: SignalFd,
}

impl SignalQueue {
    /// From here on these signals arrive through the queue alone, also those that were ignored before.
    pub fn open(signals: &[SignalNumber]) -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in signals {
            let known = Known::try_from(signal.0).map_err(|e| Error::new("signalfd", signal, e))?;
            set.add(known);
        }
        reset_sigchld();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)
            .map_err(|e| Error::new("sigprocmask", "", e))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let fd = SignalFd::with_flags(&set, flags).map_err(|e| Error::new("signalfd", "", e))?;
        Ok(Self { fd })
    }

    /// The next one, without waiting. Several SIGCHLD may be one.
    pub fn next(&self) -> Result<Option<Arrival>> {
        loop {
            match self.fd.read_signal() {
                Ok(Some(info)) => {
                    let signal = SignalNumber(i32::try_from(info.ssi_signo).unwrap_or(0));
                    let sender = i32::try_from(info.ssi_pid).unwrap_or(0);
                    return Ok(Some(Arrival { signal, sender }));
                }
                Ok(None) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::new("read", "signalfd", e)),
            }
        }
    }
}

/// A queue of signals for the time in which the first process of a container waits for something: the kernel drops what it has no
/// handler for. Its end restores the mask; other processes have none, and end by the default action.
#[derive(Debug)]
pub struct FirstProcessSignals {
    queue: SignalQueue,
    before: SigSet,
}

impl FirstProcessSignals {
    pub fn open(signals: &[SignalNumber]) -> Result<Option<Self>> {
        if Pid::this().as_raw() != 1 {
            return Ok(None);
        }
        let before = SigSet::thread_get_mask().map_err(|e| Error::new("sigprocmask", "", e))?;
        let queue = SignalQueue::open(signals)?;
        Ok(Some(Self { queue, before }))
    }

    /// The next one, without waiting.
    pub fn next(&self) -> Result<Option<Arrival>> {
        self.queue.next()
    }
}

impl AsFd for FirstProcessSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Drop for FirstProcessSignals {
    fn drop(&mut self) {
        // The mask was valid before.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What a child starts with: default actions, and nothing blocked.
///
/// Ignored stay only those that were and that a program expects to be: SIGPIPE and SIGXFSZ (CPython's choice), and
/// what a terminal sends, when `nohup` or a shell had it ignored. The mask goes last: until then nothing can arrive.
pub fn start_as_child() -> Result<()> {
    const MAY_STAY_IGNORED: [i32; 5] = [
        libc::SIGPIPE,
        libc::SIGXFSZ,
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
    ];
    for signal in 1..=libc::SIGRTMAX() {
        if signal == libc::SIGPIPE {
            // Rust and CPython ignore it; an embedding program may not have: writes must fail, not kill.
            ignore(signal);
        } else if !(MAY_STAY_IGNORED.contains(&signal) && is_ignored(signal)) {
            default_action(signal);
        }
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
        .map_err(|e| Error::new("sigprocmask", "", e))
}

/// What another program starts with: as a child, and with the default action of the signals that Rust and CPython ignore for
/// themselves (`restore_signals` of Python's subprocess). A pipeline must end when its reader exits.
pub fn start_as_program() -> Result<()> {
    start_as_child()?;
    default_action(libc::SIGPIPE);
    default_action(libc::SIGXFSZ);
    Ok(())
}

/// Our children are ours to reap: with an inherited "ignore" the kernel would do it.
pub fn reset_sigchld() {
    default_action(libc::SIGCHLD);
}

/// These signals do nothing from here on. By a handler: a program that this process starts does not inherit that.
pub fn ignore_by_handler(signals: &[SignalNumber]) {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all-zero is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    for signal in signals {
        // SAFETY: the handler touches nothing. It fails, harmlessly, for signals that cannot be handled.
        unsafe { libc::sigaction(signal.0, &raw const action, std::ptr::null_mut()) };
    }
}

/// Writing beyond a limit on file sizes is an error and not a death, as in any Python program.
pub fn ignore_file_size_signal() {
    ignore(libc::SIGXFSZ);
}

fn default_action(signal: i32) {
    // SAFETY: sets no handler. It fails, harmlessly, for SIGKILL, SIGSTOP and those glibc keeps for itself.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

fn ignore(signal: i32) {
    // SAFETY: sets no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

fn is_ignored(signal: i32) -> bool {
    // SAFETY: all-zero is a valid sigaction to be written over.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: with no new action given the call only writes the present one to `action`.
    let code = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    code == 0 && action.sa_sigaction == libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        assert_eq!(SignalNumber::KILL.to_string(), "SIGKILL");
        assert_eq!(DUMP_STACKS.to_string(), "signal 42");
        assert_eq!(CANCEL.to_string(), "signal 43");
    }

    #[test]
    fn the_signal_for_stacks_is_a_real_time_one() {
        for signal in [DUMP_STACKS, CANCEL] {
            assert!((libc::SIGRTMIN() + 1..libc::SIGRTMAX()).contains(&signal.as_raw()));
        }
    }
}
