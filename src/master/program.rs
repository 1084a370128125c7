//! Runs a Python program of ours as a child process: it gets a question, and its output is read without blocking.

use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::commands::PRIVATE;
use crate::sys::command::{kill_group, start_group};
use crate::sys::crash_return::ends_too;
use crate::sys::signals::{FirstProcessSignals, SignalNumber};
use crate::sys::{self, MemFile, Pid, clock, pipe, process, wait_readable};

/// A longer output is not one of ours.
const LONGEST: usize = 16 << 20;

/// Ends an answer, as the end of the output does: processes that a configuration file has forked
/// (`multiprocessing.Manager`) keep the output open.
const END_OF_ANSWER: u8 = 0;

/// Reads the program and the question from the file whose descriptor is the argument. While the program is loaded it
/// must import only Python's own library: `-c` has put the working directory on the path, and `PYTHONPATH` may name
/// the project's as well.
const BOOTSTRAP: &str = "\
import sys
path=sys.path[:]
sys.path[:]=[e for e in path if e]
import os
p=os.path
theirs={p.abspath(e) for e in os.environ.get('PYTHONPATH','').split(os.pathsep) if e}
theirs.add(os.getcwd())
sys.path[:]=[e for e in path if e and p.abspath(e) not in theirs]
with open(int(sys.argv[1]),'rb') as f:text,question=f.read().split(b'\\0',1)
names={'__name__':'_rgun_script'}
exec(compile(text,'<rgun script>','exec'),names)
sys.path[:]=path
names['main'](question)
";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable.
    pub python: PathBuf,
    /// Defines `main(question)`.
    pub text: &'static str,
    pub question: String,
    pub directory: PathBuf,
}

/// Dropping it leaves the process running.
#[derive(Debug)]
pub struct ProgramProcess {
    pub pid: Pid,
    output: File,
    answer: Vec<u8>,
}

impl Program {
    /// Starts it. Program and question are in a file in memory, which has room for any question; a pipe may not
    /// (pipe(7): 64 KiB, or a page if the user has many of them).
    pub fn start(&self) -> sys::Result<ProgramProcess> {
        let (reader, writer) = pipe()?;
        let parts = [self.text.as_bytes(), b"\0", self.question.as_bytes()];
        let given = MemFile::holding(c"rgun-script", &parts)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-c", BOOTSTRAP])
            .arg(given.as_raw_fd().to_string())
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(Stdio::from(writer));
        PRIVATE.iter().for_each(|name| {
            command.env_remove(name);
        });
        Ok(ProgramProcess {
            pid: start_group(&mut command, None, &[given.as_raw_fd()])?,
            output: File::from(reader),
            answer: Vec::new(),
        })
    }

    /// Starts it and waits for its exit. As the first process of a container it ends when that is stopped.
    ///
    /// # Errors
    /// System errors, a timeout after `patience`, and a signal that stops the server (`ErrorKind::Interrupted`).
    pub fn ask(&self, patience: Duration) -> sys::Result<Vec<u8>> {
        let until = clock::monotonic() + patience;
        let stops = [SignalNumber::TERM, SignalNumber::INT, SignalNumber::QUIT];
        let signals = FirstProcessSignals::open(&stops)?;
        let mut child = self.start()?;
        ends_too(Some(child.pid));
        let answer = self.await_answer(&mut child, signals.as_ref(), patience, until);
        child.kill();
        let ended = process::wait(child.pid);
        ends_too(None);
        ended?;
        answer
    }

    fn await_answer(
        &self,
        child: &mut ProgramProcess,
        signals: Option<&FirstProcessSignals>,
        patience: Duration,
        until: Duration,
    ) -> sys::Result<Vec<u8>> {
        let failed = |kind, text: String| {
            let reason = io::Error::new(kind, text);
            Err(sys::Error::new("run", self.python.display(), reason))
        };
        loop {
            if let Some(signals) = signals
                && let Some(arrival) = signals.next()?
            {
                let text = format!("{} came meanwhile", arrival.signal);
                return failed(io::ErrorKind::Interrupted, text);
            }
            if let Some(answer) = child.read_output() {
                return Ok(answer);
            }
            let left = until.saturating_sub(clock::monotonic());
            if left.is_zero() {
                let text = format!("it took more than {} s", patience.as_secs());
                return failed(io::ErrorKind::TimedOut, text);
            }
            let watched = iter::once(child.as_fd()).chain(signals.map(AsFd::as_fd));
            wait_readable(&watched.collect::<Vec<_>>(), Some(left))?;
        }
    }
}

impl ProgramProcess {
    /// Reads what is available; returns the whole answer at its end.
    pub fn read_output(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 8192];
        loop {
            match self.output.read(&mut buffer) {
                Ok(0) => return Some(std::mem::take(&mut self.answer)),
                Ok(count) => {
                    self.answer.extend(buffer.iter().take(count));
                    if self.answer.pop_if(|last| *last == END_OF_ANSWER).is_some() {
                        return Some(std::mem::take(&mut self.answer));
                    }
                    if self.answer.len() > LONGEST {
                        return Some(Vec::new());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(std::mem::take(&mut self.answer)),
            }
        }
    }

    /// Kills it and the processes that it has started. It may have exited.
    pub fn kill(&self) {
        drop(kill_group(self.pid, SignalNumber::KILL));
    }
}

impl AsFd for ProgramProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(text: &'static str) -> Program {
        let python = env!("RGUN_PYTHON");
        Program {
            python: if python.is_empty() { "python3" } else { python }.into(),
            text,
            question: "\"question\"".to_owned(),
            directory: std::env::temp_dir(),
        }
    }

    #[test]
    fn it_answers() {
        let echo = program("import os\ndef main(question):\n os.write(1, question[::-1])\n");
        let answer = echo.ask(Duration::from_secs(30)).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), "\"noitseuq\"");
    }

    #[test]
    fn a_question_may_be_longer_than_a_pipe_is() {
        let mut long =
            program("import os\ndef main(question):\n os.write(1, b'%d' % len(question))\n");
        long.question = "x".repeat(300_000);
        let answer = long.ask(Duration::from_secs(30)).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), "300000");
    }

    #[test]
    fn its_imports_are_not_the_projects() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["json.py", "ast.py", "os.py", "types.py"] {
            std::fs::write(directory.path().join(name), "raise SystemExit(7)").unwrap();
        }
        std::fs::write(directory.path().join("theirs.py"), "found = True").unwrap();
        let mut program = program(
            "import ast, json, os, types\ndef main(question):\n import theirs\n os.write(1, str(theirs.found).encode())\n",
        );
        program.directory = directory.path().to_owned();
        let answer = program.ask(Duration::from_secs(30)).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), "True");
    }

    #[test]
    fn processes_that_it_has_forked_do_not_delay_the_answer() {
        let forks = program(
            "import os, time\ndef main(question):\n if os.fork() == 0:\n  time.sleep(600)\n os.write(1, b'answer\\0')\n time.sleep(600)\n",
        );
        let answer = forks.ask(Duration::from_secs(30)).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), "answer");
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let hangs = program("import time\ndef main(question):\n time.sleep(600)\n");
        let error = hangs.ask(Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("took more than"), "{error}");
    }
}
