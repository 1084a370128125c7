//! Another program in place of this one when this one crashes or hangs: everything for its start is prepared beforehand, and the
//! handler of the signal makes system calls alone.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicI32, AtomicPtr};
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigSet, SigevNotify, SigmaskHow, Signal, sigprocmask};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use super::successor::{environment_with, words_of};
use super::{Error, Pid, Result, restore_descriptor_limit};

/// What ends a program that has an error in it, and the end of its time.
const ENDINGS: [Signal; 7] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
    Signal::SIGABRT,
    Signal::SIGSYS,
    TIME_IS_OVER,
];
const TIME_IS_OVER: Signal = Signal::SIGALRM;
/// Of the handler: where the ordinary stack has overflown, it has this one.
const STACK: usize = 64 << 10;

/// What the handler starts; null: nothing.
static PREPARED: AtomicPtr<PreparedExec> = AtomicPtr::new(ptr::null_mut());
/// The leader of a group of processes that ends with this program; 0: none.
static ENDS_TOO: AtomicI32 = AtomicI32::new(0);

/// Why this program is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashEnding {
    Crashed(Signal),
    TookTooLong,
}

/// While it lives, a crash or the end of its time starts the other program. A later exec ends it as its drop does.
#[derive(Debug)]
pub struct CrashReturn {
    timer: Option<Timer>,
    actions: Vec<(Signal, libc::sigaction)>,
    mask: SigSet,
    alternate: libc::stack_t,
    _stack: Box<[u8]>,
}

struct PreparedExec {
    process: Pid,
    path: CString,
    words: ExecStrings,
    environments: Vec<(Signal, ExecStrings)>,
}

/// As `execve` takes them.
struct ExecStrings {
    pointers: Vec<*const libc::c_char>,
    _strings: Vec<CString>,
}

impl ExecStrings {
    fn new(strings: Vec<CString>) -> Self {
        let each = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: each.chain([ptr::null()]).collect(),
            _strings: strings,
        }
    }
}

impl CrashReturn {
    /// `variables`: those that the other program is started with, for each reason.
    ///
    /// # Errors
    /// The system's; then nothing has changed that counts.
    pub fn arm(
        path: &OsStr,
        words: &[OsString],
        variables: impl Fn(CrashEnding) -> Vec<(String, String)>,
        patience: Duration,
    ) -> Result<Self> {
        let failed = |error: io::Error| Error::new("prepare", path.to_string_lossy(), error);
        let mut environments = Vec::new();
        for signal in ENDINGS {
            let ending = match signal {
                TIME_IS_OVER => CrashEnding::TookTooLong,
                crash => CrashEnding::Crashed(crash),
            };
            let environment = environment_with(&variables(ending)).map_err(failed)?;
            environments.push((signal, ExecStrings::new(environment)));
        }
        let prepared = PreparedExec {
            process: Pid::this(),
            path: CString::new(path.as_bytes()).map_err(|error| failed(error.into()))?,
            words: ExecStrings::new(words_of(words).map_err(failed)?),
            environments,
        };
        let notify = SigevNotify::SigevSignal {
            signal: TIME_IS_OVER,
            si_value: 0,
        };
        // Not an interval timer: that one would outlive the exec.
        let timer = Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify));
        let mut timer = timer.map_err(|error| Error::new("timer_create", "", error))?;
        let mut stack = vec![0; STACK].into_boxed_slice();
        release(PREPARED.swap(Box::into_raw(Box::new(prepared)), AcqRel));
        let alternate = use_stack(&mut stack);
        let actions = ENDINGS.map(|signal| (signal, handle(signal)));
        let mut mask = SigSet::empty();
        let asked = sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask));
        // From here on dropping it takes everything back.
        let mut armed = Self {
            actions: actions.into(),
            mask,
            alternate,
            _stack: stack,
            timer: None,
        };
        asked.map_err(|error| Error::new("sigprocmask", "", error))?;
        let mut all = SigSet::empty();
        all.extend(ENDINGS);
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&all), None)
            .map_err(|error| Error::new("sigprocmask", "", error))?;
        let expiration = Expiration::OneShot(patience.into());
        timer
            .set(expiration, TimerSetTimeFlags::empty())
            .map_err(|error| Error::new("timer_settime", "", error))?;
        armed.timer = Some(timer);
        Ok(armed)
    }
}

impl Drop for CrashReturn {
    fn drop(&mut self) {
        // Before its signal has its default action again, which ends the process.
        self.timer = None;
        for (signal, action) in &self.actions {
            // SAFETY: the action is the one that was there before.
            unsafe { libc::sigaction(*signal as i32, action, ptr::null_mut()) };
        }
        // The mask and the stack were valid before.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None);
        // SAFETY: the stack is the one of before, or none; no handler runs on ours: this is not one.
        unsafe { libc::sigaltstack(&raw const self.alternate, ptr::null_mut()) };
        release(PREPARED.swap(ptr::null_mut(), AcqRel));
    }
}

/// This group of processes is killed where the other program is started by a signal: its parent does not end.
pub fn ends_too(leader: Option<Pid>) {
    ENDS_TOO.store(leader.map_or(0, Pid::as_raw), Relaxed);
}

fn release(prepared: *mut PreparedExec) {
    if !prepared.is_null() {
        // SAFETY: it came from a box, was swapped out, and no handler can be between its load and its exec: this is the only thread.
        drop(unsafe { Box::from_raw(prepared) });
    }
}

/// Returns the one of before.
fn use_stack(stack: &mut [u8]) -> libc::stack_t {
    let ours = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: stack.len(),
    };
    let mut before = libc::stack_t {
        ss_sp: ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: the memory lives for as long as it is the handlers' stack.
    unsafe { libc::sigaltstack(&raw const ours, &raw mut before) };
    before
}

/// Returns the action of before.
fn handle(signal: Signal) -> libc::sigaction {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all-zero is a valid sigaction: no flags, an empty mask. The handler only makes system calls.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = start_other as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // The other program must not start with the signal blocked.
        action.sa_flags = libc::SA_NODEFER | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigaction(signal as i32, &raw const action, before.as_mut_ptr());
        before.assume_init()
    }
}

extern "C" fn start_other(signal: libc::c_int) {
    let prepared = PREPARED.load(Acquire);
    // SAFETY: not null, it is what `arm` has made, and is released only where no handler runs.
    let prepared = unsafe { prepared.as_ref() };
    if let Some(prepared) = prepared.filter(|it| it.process == Pid::this()) {
        let of_signal = |(own, _): &&(Signal, ExecStrings)| *own as i32 == signal;
        if let Some((_, environment)) = prepared.environments.iter().find(of_signal) {
            restore_descriptor_limit();
            let group = ENDS_TOO.load(Relaxed);
            // SAFETY: kill(2) takes no pointers; the strings and the lists of pointers, each with a null at its end, live as long
            // as `prepared`.
            unsafe {
                if group > 0 {
                    libc::kill(-group, libc::SIGKILL);
                }
                libc::execve(
                    prepared.path.as_ptr(),
                    prepared.words.pointers.as_ptr(),
                    environment.pointers.as_ptr(),
                );
            }
        }
    }
    // There is nothing else: the signal does what it does without a handler, which is reset.
    // SAFETY: no pointers are passed.
    unsafe { libc::raise(signal) };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Output};

    use super::*;

    /// A process that may be left, and does this.
    fn run(patience: Duration, act: fn()) -> Output {
        let mut command = Command::new("/bin/echo");
        command.arg("it went on");
        let arm = move || {
            let words = ["sh", "-c", "echo $WHY; kill -ALRM $$; echo blocked"].map(OsString::from);
            let why = |ending| vec![("WHY".to_owned(), format!("left: {ending:?}"))];
            let armed = CrashReturn::arm(OsStr::new("/bin/sh"), &words, why, patience);
            let armed = armed.map_err(|error| error.source)?;
            act();
            drop(armed);
            Ok(())
        };
        // SAFETY: the closure runs in a child with one thread.
        unsafe { command.pre_exec(arm) };
        command.output().expect("a child")
    }

    fn said(output: &Output) -> String {
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn a_crash_starts_the_other_program_with_the_reason_and_without_blocked_signals() {
        let crash = || {
            let nothing = std::hint::black_box(ptr::null_mut::<u8>());
            // SAFETY: none: this is the crash.
            unsafe { nothing.write_volatile(1) };
        };
        let left = run(Duration::from_secs(60), crash);
        assert_eq!(said(&left), "left: Crashed(SIGSEGV)\n");
        let abort = || {
            // SAFETY: no pointers are passed.
            unsafe { libc::raise(libc::SIGABRT) };
        };
        let left = run(Duration::from_secs(60), abort);
        assert_eq!(said(&left), "left: Crashed(SIGABRT)\n");
    }

    #[test]
    fn an_overflown_stack_is_a_crash_like_any_other() {
        #[expect(unconditional_recursion, reason = "this is the crash")]
        fn deeper(above: &[u64; 512]) -> u64 {
            let own = std::hint::black_box(*above);
            deeper(&own) + 1
        }
        let left = run(Duration::from_secs(60), || {
            std::hint::black_box(deeper(&[0; 512]));
        });
        assert_eq!(said(&left), "left: Crashed(SIGSEGV)\n");
    }

    #[test]
    fn a_program_that_takes_too_long_is_left() {
        let hang = || nix::unistd::pause();
        let left = run(Duration::from_millis(20), hang);
        assert_eq!(said(&left), "left: TookTooLong\n");
    }

    #[test]
    fn what_goes_on_has_neither_timer_nor_handlers() {
        let done = run(Duration::from_secs(60), || {});
        assert_eq!(said(&done), "it went on\n");
    }
}
