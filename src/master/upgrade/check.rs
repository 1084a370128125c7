//! The new program is tried before this process becomes it: as a child with the state, first with an option that makes it answer and
//! nothing else, then with exactly the words and the environment that it will have (a rehearsal).

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::master::commands::PRIVATE;
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
/// The same; of a program that knows what a rehearsal is.
const REHEARSES: &str = "rgun rehearses: ";
/// Of what a program says that refuses, the last characters.
const LONGEST: usize = 2000;

/// How a program is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// `--upgrade-check`
    Check,
    /// As it will be started, up to the moment at which it would take over.
    Rehearsal,
}

/// What follows a trial that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCheck {
    Rehearse,
    TakeOver,
}

/// A program that is being tried.
#[derive(Debug)]
pub struct Check {
    kind: CheckKind,
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
    format!("{ANSWER}{secret}\n{REHEARSES}{secret}\n")
}

/// What is handed over in a trial.
pub struct HandedOver<'a> {
    pub state: &'a MemFile,
    /// In the state, and in the answer of the program that has read it.
    pub secret: String,
    /// They are there under the same numbers.
    pub descriptors: &'a [RawFd],
}

impl Check {
    /// # Errors
    /// There is no such program, or it cannot be run.
    pub fn start(
        kind: CheckKind,
        launch: &Launch,
        directory: &Path,
        handed: HandedOver<'_>,
        patience: Duration,
    ) -> sys::Result<Self> {
        let said = MemFile::new(c"rgun-upgrade-check")?;
        let stream = || -> sys::Result<Stdio> { Ok(OwnedFd::from(said.again()?).into()) };
        let mut command = match kind {
            CheckKind::Check => asking(launch),
            CheckKind::Rehearsal => as_it_will_be(launch),
        };
        let variables = launch.variables.iter();
        command
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(stream()?)
            .stderr(stream()?)
            .envs(variables.map(|(name, value)| (name, value)))
            .env(STATE_VARIABLE, handed.state.as_raw_fd().to_string());
        let state = handed.state.as_raw_fd();
        let kept: Vec<RawFd> = handed.descriptors.iter().copied().chain([state]).collect();
        Ok(Self {
            kind,
            pid: start_group(&mut command, None, &kept)?,
            said,
            secret: handed.secret,
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
    pub fn verdict(&self, exit: ProcessExit) -> Result<AfterCheck, String> {
        let (when, unanswered) = match self.kind {
            CheckKind::Check => ("", "did not answer --upgrade-check"),
            CheckKind::Rehearsal => (
                ", started as for the upgrade,",
                "ended without having read the state",
            ),
        };
        if self.late {
            let seconds = self.patience.as_secs();
            return Err(format!(
                "the new program{when} gave no answer within {seconds} s"
            ));
        }
        let said = self.said.read();
        let says = |before: &str| said.contains(&format!("{before}{}\n", self.secret));
        let failed = |how: String| format!("the new program{when} {how}{}", last_words(&said));
        match exit {
            ProcessExit::Code(0) if says(ANSWER) => Ok(match self.kind {
                CheckKind::Check if says(REHEARSES) => AfterCheck::Rehearse,
                CheckKind::Check | CheckKind::Rehearsal => AfterCheck::TakeOver,
            }),
            ProcessExit::Code(0) => Err(failed(unanswered.to_owned())),
            ProcessExit::Code(code) => Err(failed(format!("ended with exit code {code}"))),
            ProcessExit::Signal { signal, .. } => Err(failed(format!("was ended by {signal}"))),
        }
    }
}

fn asking(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.path);
    let (before, own) = launch.words_before_own();
    command.args(before).arg(CHECK).args(own);
    PRIVATE.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// What has another effect than later would hide what fails later.
fn as_it_will_be(launch: &Launch) -> Command {
    let mut command = Command::new(&launch.path);
    if let Some((name, words)) = launch.words.split_first() {
        command.arg0(name).args(words);
    }
    command
}

/// Behind a colon, in one line; empty where it said nothing.
fn last_words(said: &str) -> String {
    let lines = said.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !is_excerpt(line));
    let said = lines.collect::<Vec<_>>().join("; ");
    let start = said.char_indices().rev().nth(LONGEST).map_or(0, |it| it.0);
    match said.get(start..).unwrap_or_default() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}

/// `3 | wokers = 2`, and what underlines it: the message before names the line.
fn is_excerpt(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.trim_start().starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_said_is_one_line() {
        let said = "error: rgun.toml:2: there is no setting `wokers`\n  |\n2 | wokers = 2\n  | ^^^^^^\nhint: did you mean `workers`?\n";
        let expected =
            ": error: rgun.toml:2: there is no setting `wokers`; hint: did you mean `workers`?";
        assert_eq!(last_words(said), expected);
        assert_eq!(last_words(" \n"), "");
        assert_eq!(last_words(&"x".repeat(2 * LONGEST)).len(), LONGEST + 3);
    }
}
