//! A Python program of ours as a child: given a question, and heard without waiting. It does not know what is asked.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::child::PRIVATE;
use crate::sys::command::{kill_group, start_group};
use crate::sys::signals::Signal;
use crate::sys::{self, Pid, clock, pipe, process, wait_readable};

/// More than that is not an answer of ours.
const LONGEST: usize = 16 << 20;

/// Takes the program off its standard input and leaves what follows there.
const BOOTSTRAP: &str = "\
import os
n=int(os.sys.argv[1])
b=b''
while len(b)<n:b+=os.read(0,n-len(b))
d={'__name__':'_rgun_script'}
exec(compile(b,'<rgun script>','exec'),d)
d['main']()
";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The executable.
    pub python: PathBuf,
    /// Defines `main()`, which reads the question as the first line of standard input.
    pub text: &'static str,
    /// Without a line break.
    pub question: String,
    pub directory: PathBuf,
}

/// Dropping it lets it be.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    /// What is written here it reads.
    pub input: File,
    output: File,
    said: Vec<u8>,
}

impl Program {
    /// Starts it, with the question already in its pipe.
    pub fn start(&self) -> sys::Result<Child> {
        let (read, write) = pipe()?;
        let (hear, say) = pipe()?;
        let mut input = File::from(write);
        let failed = |error| sys::Error::new("write", "the pipe of a Python process", error);
        input.write_all(self.text.as_bytes()).map_err(failed)?;
        input.write_all(self.question.as_bytes()).map_err(failed)?;
        input.write_all(b"\n").map_err(failed)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-c", BOOTSTRAP])
            .arg(self.text.len().to_string())
            .current_dir(&self.directory)
            .stdin(Stdio::from(read))
            .stdout(Stdio::from(say));
        PRIVATE.iter().for_each(|name| {
            command.env_remove(name);
        });
        Ok(Child {
            pid: start_group(&mut command, None)?,
            input,
            output: File::from(hear),
            said: Vec::new(),
        })
    }

    /// Starts it and waits for its end.
    ///
    /// # Errors
    /// The system's, and that it took longer than `patience`.
    pub fn ask(&self, patience: Duration) -> sys::Result<Vec<u8>> {
        let until = clock::monotonic() + patience;
        let mut child = self.start()?;
        let said = loop {
            if let Some(said) = child.hear() {
                break Ok(said);
            }
            let left = until.saturating_sub(clock::monotonic());
            if left.is_zero() {
                let reason = io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it took more than {} s", patience.as_secs()),
                );
                break Err(sys::Error::new("run", self.python.display(), reason));
            }
            wait_readable(&[child.as_fd()], Some(left))?;
        };
        child.kill();
        process::wait(child.pid)?;
        said
    }
}

impl Child {
    /// Takes what there is; the whole of it once there can be no more.
    pub fn hear(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 8192];
        loop {
            match self.output.read(&mut buffer) {
                Ok(0) => return Some(std::mem::take(&mut self.said)),
                Ok(count) => {
                    self.said.extend(buffer.iter().take(count));
                    if self.said.len() > LONGEST {
                        return Some(Vec::new());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => return Some(std::mem::take(&mut self.said)),
            }
        }
    }

    /// The lines that are complete, and whether there can be more.
    pub fn lines(&mut self) -> (Vec<String>, bool) {
        let ended = match self.hear() {
            Some(rest) => {
                self.said = rest;
                true
            }
            None => false,
        };
        let complete = self.said.iter().rposition(|byte| *byte == b'\n');
        let rest = self.said.split_off(complete.map_or(0, |at| at + 1));
        let whole = std::mem::replace(&mut self.said, rest);
        let lines = String::from_utf8_lossy(&whole);
        (lines.lines().map(str::to_owned).collect(), ended)
    }

    /// With what it has started. It may be gone.
    pub fn kill(&self) {
        drop(kill_group(self.pid, Signal::KILL));
    }
}

impl AsFd for Child {
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
        let echo = program("import os\ndef main():\n os.write(1, os.read(0, 99)[::-1])\n");
        let said = echo.ask(Duration::from_secs(30)).unwrap();
        assert_eq!(String::from_utf8(said).unwrap(), "\n\"noitseuq\"");
    }

    #[test]
    fn one_that_hangs_is_ended() {
        let hangs = program("import time\ndef main():\n time.sleep(600)\n");
        let error = hangs.ask(Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("took more than"), "{error}");
    }
}
