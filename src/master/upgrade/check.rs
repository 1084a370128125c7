//! The new program is asked before it is started: run as a child with the state, it reads it and the configuration, and answers.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::master::launch::Launch;
use crate::sys::command::{kill_group, start_group};
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;
use crate::sys::{self, MemFile, Pid, clock};

/// Names the descriptor of the state.
pub const STATE_VARIABLE: &str = "__RGUN_STATE";
/// Why the program that is started again was left, and could not be replaced.
pub const FAILED_VARIABLE: &str = "__RGUN_UPGRADE_FAILED";
/// The first argument of a program that is asked.
pub const CHECK: &str = "--upgrade-check";
/// Before the secret, on a line of its own.
const ANSWER: &str = "rgun can take over: ";
/// Of what a program says that refuses, the last characters.
const LONGEST: usize = 2000;

/// A program that is being asked.
#[derive(Debug)]
pub struct Check {
    pid: Pid,
    /// Its output and its errors.
    said: MemFile,
    secret: String,
    /// Monotonic.
    until: Duration,
    patience: Duration,
    late: bool,
}

/// What a program prints that can take over.
pub fn answer(secret: &str) -> String {
    format!("{ANSWER}{secret}\n")
}

impl Check {
    /// # Errors
    /// There is no such program, or it cannot be run.
    pub fn start(
        (launch, removed): (&Launch, &[&str]),
        directory: &Path,
        state: &MemFile,
        secret: String,
        patience: Duration,
    ) -> sys::Result<Self> {
        let said = MemFile::new(c"rgun-upgrade-check")?;
        let stream = || -> sys::Result<Stdio> { Ok(OwnedFd::from(said.again()?).into()) };
        let mut command = Command::new(&launch.path);
        let (before, own) = launch.words_before_own();
        command
            .args(before)
            .arg(CHECK)
            .args(own)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(stream()?)
            .stderr(stream()?);
        removed.iter().for_each(|name| {
            command.env_remove(name);
        });
        let variables = launch.variables.iter();
        command.envs(variables.map(|(name, value)| (name, value)));
        command.env(STATE_VARIABLE, state.as_raw_fd().to_string());
        Ok(Self {
            pid: start_group(&mut command, None, Some(state.as_fd()))?,
            said,
            secret,
            until: clock::monotonic() + patience,
            patience,
            late: false,
        })
    }

    pub fn is(&self, pid: Pid) -> bool {
        self.pid == pid
    }

    /// When it is ended, monotonic; `None`: it was.
    pub fn due(&self) -> Option<Duration> {
        (!self.late).then_some(self.until)
    }

    /// Ends one that takes too long; its end follows.
    pub fn enforce(&mut self) {
        if self.until <= clock::monotonic() && !self.late {
            self.late = true;
            self.kill();
        }
    }

    /// With what it has started.
    pub fn kill(&self) {
        drop(kill_group(self.pid, SignalNumber::KILL));
    }

    /// It has ended.
    ///
    /// # Errors
    /// Why it cannot take over.
    pub fn verdict(&self, exit: ProcessExit) -> Result<(), String> {
        if self.late {
            let seconds = self.patience.as_secs();
            return Err(format!("the new program gave no answer within {seconds} s"));
        }
        let said = self.said.read();
        let answered = said.contains(&answer(&self.secret));
        match exit {
            ProcessExit::Code(0) if answered => Ok(()),
            ProcessExit::Code(0) => Err(format!(
                "the new program did not answer {CHECK}{}",
                last_words(&said)
            )),
            ProcessExit::Code(code) => Err(format!(
                "the new program ended with exit code {code}{}",
                last_words(&said)
            )),
            ProcessExit::Signal { signal, .. } => Err(format!(
                "the new program was ended by {signal}{}",
                last_words(&said)
            )),
        }
    }
}

/// Behind a colon; empty where it said nothing.
fn last_words(said: &str) -> String {
    let said = said.trim();
    let start = said.char_indices().rev().nth(LONGEST).map_or(0, |it| it.0);
    match said.get(start..).unwrap_or_default() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}
