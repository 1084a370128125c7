//! Processes: fork, wait, kill, and what ties a child to its parent.

use std::fs;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::signals::SignalNumber;
use super::{Error, Pid, Result};

/// Which of the two processes this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    Parent { child: Pid },
    Child,
}

/// Forks, if this thread is the only one: a lock that another thread holds would stay locked in the child for ever.
///
/// # Errors
/// When there are other threads (if `/proc` is available), and when the system refuses.
pub fn fork() -> Result<Fork> {
    let threads = settled_threads();
    if threads > 1 {
        return Err(has_threads(threads));
    }
    // SAFETY: this is the only thread (just checked), so the child's copy of every lock and of the heap is consistent.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Child),
        raw => Pid::new(raw)
            .map(|child| Fork::Parent { child })
            .ok_or_else(|| Error::last("fork", "")),
    }
}

/// Whether a fork is refused where there are other threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadPolicy {
    Refused,
    /// They are not in the child, and what they had locked stays locked there.
    Allowed,
}

/// Forks a child that becomes one of the next subreaper above this process (`become_subreaper`), and is that by the time this
/// returns: its parent is a process in between, which was reaped.
///
/// # Errors
/// As `fork`.
pub fn fork_orphan(threads: ThreadPolicy) -> Result<Fork> {
    let count = settled_threads();
    if threads == ThreadPolicy::Refused && count > 1 {
        return Err(has_threads(count));
    }
    let (read, write) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| Error::new("pipe", "", e))?;
    // SAFETY: this is the only thread, or the caller allows for the others: both children then do what `fork(2)` lets them.
    match unsafe { libc::fork() } {
        0 => {
            // SAFETY: as above. Nothing else happens in the process in between.
            let child = unsafe { libc::fork() };
            if child == 0 {
                return Ok(Fork::Child);
            }
            let pid = if child > 0 { child } else { 0 };
            let bytes = pid.to_ne_bytes();
            // SAFETY: the buffer is valid for its length; `_exit` runs nothing of what this process is a copy of.
            unsafe {
                libc::write(write.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
                libc::_exit(0)
            }
        }
        raw => {
            drop(write);
            let between = Pid::new(raw).ok_or_else(|| Error::last("fork", ""))?;
            let mut bytes = [0; 4];
            let received = std::fs::File::from(read).read_exact(&mut bytes);
            wait(between)?;
            Pid::new(i32::from_ne_bytes(bytes))
                .filter(|_| received.is_ok())
                .map(|child| Fork::Parent { child })
                .ok_or_else(|| Error::new("fork", "", io::Error::from(io::ErrorKind::OutOfMemory)))
        }
    }
}

/// Whether a process is a child of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parentage {
    /// It can be waited for, or it can soon.
    Ours,
    /// Another process's child, or no process at all.
    NotOurs,
}

/// Does not reap: a child that has ended can still be waited for.
pub fn whose_child(pid: Pid) -> Parentage {
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    let id = libc::id_t::try_from(pid.as_raw()).unwrap_or(0);
    // SAFETY: all-zero is a valid siginfo to be written over, and the call only writes there.
    let found = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_PID, id, &raw mut info, flags)
    };
    if found == 0 {
        Parentage::Ours
    } else {
        Parentage::NotOurs
    }
}

fn has_threads(threads: usize) -> Error {
    let reason = io::Error::other(format!(
        "the process has {threads} threads, and only a single-threaded one may fork"
    ));
    Error::new("fork", "", reason)
}

/// The threads of this process, or 1 where `/proc` is not available. A thread that was joined may be
/// visible for some microseconds longer, hence the second looks.
fn settled_threads() -> usize {
    let count = || fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    for _ in 0..100 {
        if count() == 1 {
            return 1;
        }
        std::thread::yield_now();
    }
    count()
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessExit {
    Code(u8),
    Signal {
        signal: SignalNumber,
        core: CoreFile,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreFile {
    Written,
    No,
}

/// Reaps the next child that has ended, whichever it is; `None`: there is none now.
pub fn reap() -> Result<Option<(Pid, ProcessExit)>> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for an int.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            0 => return Ok(None),
            raw => match Pid::new(raw) {
                // By hand and not with nix, which takes death by a real-time signal for an error.
                Some(pid) if libc::WIFEXITED(status) => {
                    let code = u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX);
                    return Ok(Some((pid, ProcessExit::Code(code))));
                }
                Some(pid) if libc::WIFSIGNALED(status) => {
                    let core = if libc::WCOREDUMP(status) {
                        CoreFile::Written
                    } else {
                        CoreFile::No
                    };
                    let signal = SignalNumber::from_raw(libc::WTERMSIG(status));
                    return Ok(Some((pid, ProcessExit::Signal { signal, core })));
                }
                // Stopped or continued: not requested, and ignored.
                Some(_) => {}
                None => match io::Error::last_os_error() {
                    e if e.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
                    e if e.kind() == io::ErrorKind::Interrupted => {}
                    e => return Err(Error::new("waitpid", "", e)),
                },
            },
        }
    }
}

/// Waits for the end of that child.
pub fn wait(pid: Pid) -> Result<()> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for an int.
        if unsafe { libc::waitpid(pid.as_raw(), &raw mut status, 0) } >= 0 {
            return Ok(());
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error if error.raw_os_error() == Some(libc::ECHILD) => return Ok(()),
            error => return Err(Error::new("waitpid", pid, error)),
        }
    }
}

/// Whether that child has not been waited for yet: until then its pid is not reused.
pub fn is_ours(pid: Pid) -> bool {
    // SAFETY: all-zero is a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is a valid place for one. A `Pid` is never negative.
    unsafe {
        libc::waitid(
            libc::P_PID,
            pid.as_raw().cast_unsigned(),
            &raw mut info,
            flags,
        ) == 0
    }
}

/// Sends a signal.
pub fn kill(pid: Pid, signal: SignalNumber) -> Result<()> {
    // SAFETY: no pointers are passed; a `Pid` is never a group.
    if unsafe { libc::kill(pid.as_raw(), signal.as_raw()) } == 0 {
        Ok(())
    } else {
        Err(Error::last("kill", format_args!("{pid} with {signal}")))
    }
}

/// Whether there is such a process (also one that we may not signal, also a zombie).
pub fn exists(pid: Pid) -> bool {
    // SAFETY: no pointers are passed; signal 0 is not delivered.
    unsafe { libc::kill(pid.as_raw(), 0) == 0 || *libc::__errno_location() == libc::EPERM }
}

/// Whether there is such a process and it has not ended; a zombie is one that its parent has not reaped.
pub fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().map(str::trim_start);
    exists(pid) && !state.is_some_and(|state| state.starts_with(['Z', 'X']))
}

/// When a process began; `None` where `/proc` is not available.
pub fn began(pid: Pid) -> Option<SystemTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): field 22 of stat, in clock ticks since the boot; the second field is the name, which may hold anything.
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(19)?.parse().ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    // SAFETY: no pointers are passed.
    let a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let since = Duration::from_millis(ticks.saturating_mul(1000).checked_div(a_second)?);
    Some(UNIX_EPOCH + Duration::from_secs(boot.trim().parse().ok()?) + since)
}

/// The words of a process's command line, or the title that it has given itself.
pub fn command_line(pid: Pid) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

/// Resident memory of a process in bytes; `None` when it is gone, or `/proc` is not available.
pub fn resident(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(super::memory::page_size() as u64))
}

/// What a process adds to the memory in use, in bytes: pages that it shares count in part. Where that cannot be read, its
/// resident memory.
pub fn proportional(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes = number.and_then(|number| number.parse::<u64>().ok());
    kilobytes
        .map(|number| number.saturating_mul(1024))
        .or_else(|| resident(pid))
}

/// How readily the out-of-memory killer takes a process, from -1000 to 1000.
pub fn oom_score(pid: Pid) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).ok()?;
    text.trim().parse().ok()
}

/// # Errors
/// The system's: only a privileged process may go below what another privileged one has set.
pub fn set_oom_score(pid: Pid, score: i32) -> Result<()> {
    let path = format!("/proc/{pid}/oom_score_adj");
    fs::write(&path, score.to_string()).map_err(|e| Error::new("write", path, e))
}

/// Whether the process has a handler for that signal; its default action may be deadly.
pub fn catches(pid: Pid, signal: SignalNumber) -> bool {
    has_signal(pid, "SigCgt:", signal)
}

/// The name of process 1, where it is a shell that runs a script and leaves SIGTERM at its default action. For the first process
/// of a PID namespace that is to ignore it (pid_namespaces(7)).
pub fn first_process_without_term() -> Option<String> {
    const SHELLS: [&str; 7] = ["sh", "ash", "bash", "busybox", "dash", "ksh", "zsh"];
    let first = Pid::new(1).filter(|first| *first != Pid::this())?;
    let name = fs::read_to_string("/proc/1/comm").ok()?.trim().to_owned();
    let is_deaf = SHELLS.contains(&name.as_str())
        && fs::read("/proc/1/status").is_ok()
        && !catches(first, SignalNumber::TERM)
        // An interactive one.
        && !has_signal(first, "SigIgn:", SignalNumber::TERM);
    is_deaf.then_some(name)
}

/// `mask`: as `/proc/PID/status` names it.
fn has_signal(pid: Pid, mask: &str, signal: SignalNumber) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix(mask));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(signal.as_raw() - 1).ok();
    mask.zip(bit)
        .is_some_and(|(mask, bit)| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// Why a process is suspended from outside, if it is: no signal but SIGKILL reaches it now.
pub fn inactivity(pid: Pid) -> Option<&'static str> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    match text.rsplit(')').next()?.trim_start().chars().next()? {
        'T' => Some("stopped by a signal"),
        't' => Some("stopped by a debugger"),
        _ => None,
    }
}

/// Whether `parent` is still the parent after its death was arranged to send us a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    Alive,
    Gone,
}

/// When the parent dies, this process gets `signal`. Cleared by a fork and by a change of user: call it after both.
pub fn die_with_parent(parent: Pid, signal: SignalNumber) -> Result<Parent> {
    // SAFETY: no pointers are passed.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal.as_raw()) } != 0 {
        return Err(Error::last("prctl", "PR_SET_PDEATHSIG"));
    }
    // It may have died before the call, and then no signal would ever come.
    Ok(if Pid::parent() == Some(parent) {
        Parent::Alive
    } else {
        Parent::Gone
    })
}

/// When the parent dies, this process is continued if it is stopped, for as long as the calling thread lives: each thread has a
/// signal of its own for that, and all of them are sent. A stopped process could neither take another signal nor see that its
/// parent is gone.
pub fn continue_without_parent() -> Result<()> {
    // SAFETY: no pointers are passed.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGCONT) } != 0 {
        return Err(Error::last("prctl", "PR_SET_PDEATHSIG"));
    }
    Ok(())
}

/// Orphans below this process become its children.
pub fn become_subreaper() -> Result<()> {
    // SAFETY: no pointers are passed.
    if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) } == 0 {
        Ok(())
    } else {
        Err(Error::last("prctl", "PR_SET_CHILD_SUBREAPER"))
    }
}

/// Sets an environment variable of this process. Only where no other thread can be: in a child right after its fork.
pub fn set_variable(name: &str, value: &str) {
    // std panics on what it cannot set; such a variable cannot exist either.
    if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
        // SAFETY: the caller is the only thread (see above), so no other one reads the environment.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Removes an environment variable of this process; same rule.
pub fn remove_variable(name: &str) {
    // SAFETY: as in `set_variable`.
    unsafe { std::env::remove_var(name) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_does_not_fork() {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || wait.recv().is_err());
        let error = fork().expect_err("there are at least two threads");
        assert!(
            error
                .to_string()
                .contains("only a single-threaded one may fork"),
            "{error}"
        );
        drop(end);
        assert!(thread.join().expect("it only waits"));
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let bytes = resident(Pid::this()).expect("it lives");
        assert!((1 << 20..1 << 40).contains(&bytes), "{bytes}");
        assert_eq!(resident(Pid::new(i32::MAX).expect("positive")), None);
    }

    #[test]
    fn a_process_that_nobody_waits_for_is_not_alive() {
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("a program of every system");
        let pid = Pid::new(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        while is_alive(pid) {
            std::thread::yield_now();
        }
        assert!(exists(pid), "a zombie");
        child.wait().expect("our child");
    }

    #[test]
    fn a_process_began_before_now() {
        let began = began(Pid::this()).expect("Linux tells");
        let age = SystemTime::now().duration_since(began);
        assert!(
            age.is_ok_and(|age| age < Duration::from_secs(3600)),
            "{began:?}"
        );
    }

    #[test]
    fn only_a_stopped_process_is_inactive() {
        assert_eq!(inactivity(Pid::this()), None);
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a program of every system");
        let pid = Pid::new(i32::try_from(child.id()).expect("a pid")).expect("a pid");
        kill(pid, SignalNumber::from_raw(libc::SIGSTOP)).expect("our child");
        while inactivity(pid).is_none() {
            std::thread::yield_now();
        }
        assert_eq!(inactivity(pid), Some("stopped by a signal"));
        child.kill().expect("our child");
        child.wait().expect("our child");
    }

    #[test]
    fn this_process_exists_and_an_impossible_one_does_not() {
        assert!(exists(Pid::this()) && is_alive(Pid::this()));
        assert!(!exists(Pid::new(i32::MAX).expect("positive")));
    }
}
