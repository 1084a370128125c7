//! An upgrade that was asked for, and how far it is.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{AfterCheck, Check};
use crate::master::launch::Launch;
use crate::master::supervisor::Token;
use crate::sys::Pid;
use crate::sys::process::ProcessExit;

/// What the master knows of upgrades.
#[derive(Debug, Default)]
pub struct UpgradeAttempt {
    pub(super) attempt: Option<Attempt>,
    /// Of this process, whatever lies at its path by now.
    pub(super) executable: Option<File>,
    /// As it was written at the start.
    pub pid_file: Option<PathBuf>,
    pub other: OtherMaster,
    /// Who waits for the reload that follows one, and what goes before its answer.
    pub done: Option<(Vec<Token>, String)>,
}

/// Another master beside this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtherMaster {
    #[default]
    None,
    /// This one has started it.
    Second(Pid),
    /// It has started this one.
    First(Pid),
}

/// One that was asked for.
#[derive(Debug)]
pub struct Attempt {
    pub(super) callers: Vec<Token>,
    pub(super) then: Then,
    pub(super) launch: Launch,
    pub(super) check: Check,
    pub(super) stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// It is tried, and has not answered yet.
    Asked,
    /// It has answered, and is tried as it will be started when nothing is left to handle.
    Answered,
    /// It can take over, and does when nothing is left to handle.
    Ready,
    Failed(String),
}

impl UpgradeAttempt {
    /// # Errors
    /// Another master lives beside this one.
    pub fn is_alone(&self) -> Result<(), String> {
        match self.other {
            OtherMaster::None => Ok(()),
            OtherMaster::Second(pid) => Err(format!("a second master runs already, pid {pid}")),
            OtherMaster::First(pid) => {
                Err(format!("the master before this one still runs, pid {pid}"))
            }
        }
    }

    /// When the answer is overdue, monotonic.
    pub fn due(&self) -> Option<Duration> {
        let attempt = self.attempt.as_ref();
        let asked = attempt.filter(|attempt| attempt.stage == Stage::Asked)?;
        asked.check.due()
    }

    /// What goes before the answer of the reload that follows one.
    pub fn done_for(&mut self, token: Token) -> Option<String> {
        let (waiting, done) = self.done.as_mut()?;
        let at = waiting.iter().position(|one| *one == token)?;
        waiting.remove(at);
        Some(done.clone())
    }

    /// Whether that was the program that is asked.
    pub fn ended(&mut self, pid: Pid, exit: ProcessExit) -> bool {
        let Some(attempt) = self.attempt.as_mut().filter(|it| it.check.is(pid)) else {
            return false;
        };
        attempt.stage = match attempt.check.verdict(exit) {
            Ok(AfterCheck::Rehearse) => Stage::Answered,
            Ok(AfterCheck::TakeOver) => Stage::Ready,
            Err(why) => Stage::Failed(why),
        };
        true
    }
}

/// What follows when the new program has taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Then {
    Reload,
    Nothing,
}
