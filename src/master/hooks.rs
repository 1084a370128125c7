//! The process that calls the master's hooks of a configuration file: told what happens, heard without waiting. It decides nothing.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::program::{Child, Program};
use super::shell::{Shell, deliver};
use super::supervisor::{Event, Helper, HelperEnd, Incarnation};
use super::workers::Hearing;
use crate::config::{Hooks, PROGRAM, Settings};
use crate::sys::signals::Signal;
use crate::sys::{Pid, Wanted, process};

/// Those that do not run in a worker.
const SIDE: [&str; 7] = [
    "on_starting",
    "when_ready",
    "pre_fork",
    "on_reload",
    "child_exit",
    "nworkers_changed",
    "on_exit",
];

/// What the process has not read yet; beyond that it is stuck, and what happens meanwhile it does not hear of.
const MOST_UNSENT: usize = 4096;

/// The number of the last call; steps before the first worker are counted from 0.
const LAST: u64 = u64::MAX >> 1;

#[derive(Debug)]
pub struct Side {
    hooks: Arc<Hooks>,
    workers: u32,
    child: Option<Child>,
    hearing: Hearing,
    unsent: VecDeque<String>,
    lost: u64,
    /// The first workers wait for this step.
    waiting: Option<u32>,
    last_done: Option<u64>,
}

/// What a reload that goes on would bring: other hooks, or none.
#[derive(Debug)]
pub struct Following {
    side: Option<Side>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Done {
        done: u64,
    },
    Line {
        level: String,
        message: String,
        traceback: String,
    },
}

/// Whether a file has hooks that this process is for.
pub fn of_master(settings: &Settings) -> Option<&Arc<Hooks>> {
    let hooks = settings.hooks.as_ref()?;
    SIDE.iter().any(|name| hooks.has(name)).then_some(hooks)
}

/// Whether the first workers wait for hooks.
pub fn before_first_worker(settings: &Settings) -> bool {
    of_master(settings).is_some_and(|hooks| hooks.has("on_starting") || hooks.has("when_ready"))
}

impl Side {
    /// `None`: there is nothing to call.
    pub fn new(settings: &Settings, workers: &[(u64, i32)]) -> Option<Self> {
        let hooks = Arc::clone(of_master(settings)?);
        let mut side = Self {
            hooks,
            workers: settings.workers,
            child: None,
            hearing: Hearing::Open,
            unsent: VecDeque::new(),
            lost: 0,
            waiting: None,
            last_done: None,
        };
        side.start(workers);
        Some(side)
    }

    fn start(&mut self, workers: &[(u64, i32)]) {
        let cfg: Value = serde_json::from_str(&self.hooks.cfg).unwrap_or_else(|_| json!({}));
        let question = json!({
            "calls": true,
            "location": self.hooks.location,
            "directory": self.hooks.directory,
            "cfg": cfg,
            "master": Pid::this().as_raw(),
            "num_workers": self.workers,
            "workers": workers,
        });
        let program = Program {
            python: self.hooks.python.clone(),
            text: PROGRAM,
            question: question.to_string(),
            directory: self.hooks.directory.clone(),
        };
        match program.start() {
            Ok(child) => {
                tracing::debug!(pid = child.pid.as_raw(), "process for hooks started");
                self.child = Some(child);
                self.hearing = Hearing::Open;
            }
            Err(error) => {
                tracing::error!(%error, "process for hooks not started");
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.hooks.has(name)
    }

    fn send(&mut self, message: &Value) {
        if self.child.is_none() {
            return;
        }
        if self.unsent.len() >= MOST_UNSENT {
            self.lost += 1;
            if self.lost == 1 {
                tracing::warn!("a hook does not come to its end, and others are not called");
            }
            return;
        }
        self.unsent.push_back(format!("{message}\n"));
        self.flush();
    }

    fn flush(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        while let Some(message) = self.unsent.front_mut() {
            match child.input.write(message.as_bytes()) {
                Ok(written) if written < message.len() => drop(message.drain(..written)),
                Ok(_) => drop(self.unsent.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It is dead, or full; its death is an event.
                Err(_) => return,
            }
        }
    }

    /// What it says, and room for what it has not been sent yet.
    pub fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Wanted)> {
        let heard = self
            .child
            .iter()
            .filter(|_| self.hearing == Hearing::Open)
            .map(|child| (child.as_fd(), Wanted::Readable));
        let full = self.child.iter().filter(|_| !self.unsent.is_empty());
        heard.chain(full.map(|child| (child.input.as_fd(), Wanted::Writable)))
    }

    /// Takes what it has said; whether there can be more.
    fn hear(&mut self) -> Hearing {
        let Some(child) = &mut self.child else {
            return Hearing::Closed;
        };
        let (lines, ended) = child.lines();
        for line in lines {
            match serde_json::from_str(&line) {
                Ok(Said::Done { done }) => self.last_done = Some(done),
                Ok(Said::Line {
                    level,
                    message,
                    traceback,
                }) => say(
                    &level,
                    &message,
                    Some(traceback).filter(|text| !text.is_empty()),
                ),
                Err(_) => tracing::debug!(line, "the process for hooks speaks nonsense"),
            }
        }
        if ended {
            // A hook may have closed it while its process lives on.
            self.hearing = Hearing::Closed;
        }
        self.hearing
    }

    /// Nothing else will happen.
    fn call_last(&mut self) {
        self.send(&json!({"call": "on_exit", "number": LAST}));
    }

    /// The last hook has run, or cannot.
    fn is_done(&self) -> bool {
        self.child.is_none() || self.hearing == Hearing::Closed || self.last_done == Some(LAST)
    }

    pub fn kill(&self) {
        if let Some(child) = &self.child {
            child.kill();
        }
    }
}

/// A line of a hook's.
fn say(level: &str, message: &str, traceback: Option<String>) {
    match level {
        "debug" => tracing::debug!(traceback, "{message}"),
        "info" => tracing::info!(traceback, "{message}"),
        "warning" => tracing::warn!(traceback, "{message}"),
        "critical" => {
            tracing::error!(target: crate::observability::CRITICAL, traceback, "{message}");
        }
        _ => tracing::error!(traceback, "{message}"),
    }
}

impl Shell<'_> {
    fn ages(&self) -> Vec<(u64, i32)> {
        self.fleet
            .workers
            .iter()
            .map(|(incarnation, worker)| (incarnation.0, worker.pid.as_raw()))
            .collect()
    }

    /// Before the first worker; `Prepared` follows when the hooks have run.
    pub(super) fn call_first_hooks(&mut self, step: u32) {
        if let Some(side) = &mut self.helpers.hooks {
            side.waiting = Some(step);
            let workers = side.workers;
            side.send(&json!({"call": "nworkers_changed", "new": workers, "old": null}));
            side.send(&json!({"call": "on_starting"}));
            side.send(&json!({"call": "when_ready", "number": step}));
            if side.child.is_some() {
                return;
            }
        }
        self.events
            .pending
            .push_back(Event::Prepared { step, code: 0 });
    }

    /// Whoever stops the server does not wait for them.
    pub(super) fn give_up_first_hooks(&mut self) {
        if let Some(side) = &mut self.helpers.hooks
            && let Some(step) = side.waiting.take()
        {
            tracing::warn!("on_starting or when_ready has not come to its end");
            if let Some(child) = &side.child {
                child.kill();
            }
            self.events
                .pending
                .push_back(Event::Prepared { step, code: 0 });
        }
    }

    /// A worker that hangs gets to call `worker_abort`, if it can still run Python.
    pub(super) fn abort(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.fleet.workers.get(incarnation) else {
            return;
        };
        if process::catches(worker.pid, Signal::ABRT) {
            deliver(worker.pid, Signal::ABRT);
        } else {
            self.events
                .pending
                .push_back(Event::AbortInVain { incarnation });
        }
    }

    /// The last hook is called; there is nothing left that others could be called for.
    pub(super) fn end_hooks(&mut self) {
        if let Some(side) = &mut self.helpers.hooks {
            side.call_last();
        }
    }

    pub(super) fn hooks_are_done(&self) -> bool {
        self.helpers.hooks.as_ref().is_none_or(Side::is_done)
    }

    /// The pause of one that has died is over.
    pub(super) fn start_hooks(&mut self) {
        let ages = self.ages();
        let Some(side) = &mut self.helpers.hooks else {
            return;
        };
        if side.child.is_none() {
            side.unsent.clear();
            side.start(&ages);
            if side.child.is_none() {
                self.helper_ended(Helper::Hooks, HelperEnd::Failed);
            }
        }
    }

    pub(super) fn hook_pre_fork(&mut self, age: u64) {
        // What is forked during a reload is of the new file, whose on_reload comes before.
        let next = self
            .helpers
            .next_hooks
            .iter_mut()
            .find_map(|next| next.side.as_mut());
        if let Some(side) = next
            .or(self.helpers.hooks.as_mut())
            .filter(|side| side.has("pre_fork"))
        {
            side.send(&json!({"call": "pre_fork", "age": age}));
        }
    }

    pub(super) fn hook_forked(&mut self, age: u64, pid: Pid) {
        let next = self
            .helpers
            .next_hooks
            .iter_mut()
            .filter_map(|next| next.side.as_mut());
        for side in self.helpers.hooks.iter_mut().chain(next) {
            side.send(&json!({"call": "forked", "age": age, "pid": pid.as_raw()}));
        }
    }

    pub(super) fn hook_child_exit(&mut self, age: u64, pid: Pid) {
        if let Some(side) = &mut self.helpers.hooks {
            side.send(&json!({"call": "child_exit", "age": age, "pid": pid.as_raw()}));
        }
    }

    pub(super) fn hook_workers_changed(&mut self, old: u32, new: u32) {
        if let Some(side) = &mut self.helpers.hooks {
            side.workers = new;
            side.send(&json!({"call": "nworkers_changed", "new": new, "old": old}));
        }
    }

    /// The hooks of the file as it is now; they count when the reload has succeeded.
    pub(super) fn hook_reload(&mut self, settings: &Settings) {
        let mut side = Side::new(settings, &self.ages());
        let old = self
            .helpers
            .hooks
            .as_ref()
            .map_or(self.generations.first.workers, |side| side.workers);
        if let Some(side) = &mut side {
            let new = side.workers;
            side.send(&json!({"call": "nworkers_changed", "new": new, "old": old}));
            side.send(&json!({"call": "on_reload"}));
        }
        self.helpers.next_hooks = Some(Following { side });
    }

    pub(super) fn hook_reloaded(&mut self) {
        if let Some(next) = self.helpers.next_hooks.take() {
            self.helpers.hooks = next.side;
            let workers = self.ages();
            if self
                .helpers
                .hooks
                .as_ref()
                .is_some_and(|side| side.child.is_none())
            {
                self.helper_ended(Helper::Hooks, HelperEnd::Failed);
            }
            if let Some(side) = &mut self.helpers.hooks {
                side.send(&json!({"call": "workers", "workers": workers}));
            }
        }
    }

    pub(super) fn hook_reload_failed(&mut self) {
        self.helpers.next_hooks = None;
    }

    /// One of them has said something, takes more, or is to be started again.
    pub(super) fn hear_hooks(&mut self) {
        let next = self.helpers.next_hooks.iter_mut();
        for next in next.filter_map(|next| next.side.as_mut()) {
            next.flush();
            next.hear();
        }
        let Some(side) = &mut self.helpers.hooks else {
            return;
        };
        side.flush();
        side.hear();
        if let Some(step) = side.waiting
            && side.last_done == Some(u64::from(step))
        {
            side.waiting = None;
            self.events
                .pending
                .push_back(Event::Prepared { step, code: 0 });
        }
    }

    /// Whether the child that was reaped is one for hooks.
    pub(super) fn was_hooks(&mut self, pid: Pid) -> bool {
        let is_its = |side: &Side| side.child.as_ref().is_some_and(|child| child.pid == pid);
        let next = self.helpers.next_hooks.iter_mut();
        if let Some(next) = next
            .filter_map(|next| next.side.as_mut())
            .find(|next| is_its(next))
        {
            next.hear();
            next.child = None;
            return true;
        }
        let Some(side) = self.helpers.hooks.as_mut().filter(|side| is_its(side)) else {
            return false;
        };
        side.hear();
        side.child = None;
        tracing::warn!(%pid, "the process for hooks has died, starting it again");
        if let Some(step) = side.waiting.take() {
            self.events
                .pending
                .push_back(Event::Prepared { step, code: 0 });
        }
        self.helper_ended(Helper::Hooks, HelperEnd::Failed);
        true
    }

    /// That of now, and that of a reload that goes on.
    pub(super) fn sides(&self) -> impl Iterator<Item = &Side> {
        let next = self
            .helpers
            .next_hooks
            .iter()
            .filter_map(|next| next.side.as_ref());
        self.helpers.hooks.iter().chain(next)
    }
}
