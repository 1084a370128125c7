//! The mold process: the master's requests, and the workers that it forks. Python is handled by its host.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::seed::MoldSeed;
use crate::config::Settings;
use crate::ipc::{
    Board, ForkOrder, FromMold, FromWorker, HeldChannels, HeldGeneration, Incoming, MoldChannel,
    Phase, ScoreboardState, ToMold, ToWorker, TransferChannel, Transfers, WorkerChannel,
};
use crate::master::certificates::SharedCertificates;
use crate::master::names;
use crate::master::worker_init::{FAILED_TO_BOOT, WorkerInit};
use crate::observability;
use crate::sys::process::{Fork, Parent, ThreadPolicy, die_with_parent, fork_orphan};
use crate::sys::signals::{SignalNumber, start_as_child};
use crate::sys::{
    self, Audience, Identity, Listener, ListenerAddress, MemFile, Pid, Protection, clock, exit_now,
};

/// State of the mold. It forks only where it is the only thread of its process.
#[derive(Debug)]
pub struct MoldChild {
    pub settings: Arc<Settings>,
    /// Initial state for the hooks of a configuration file.
    pub hooks: String,
    pub generation: u64,
    /// The user for the app, while this process has not changed to it.
    pub(super) identity: Option<Identity>,
    pub(super) channel: MoldChannel,
    pub(super) lifeline: OwnedFd,
    pub(super) board: Board,
    pub(super) loaded_files: Option<OwnedFd>,
    pub(super) transfers: Option<Arc<TransferChannel>>,
    pub(super) previews: Option<Arc<HeldChannels>>,
    pub(super) certificates: Option<SharedCertificates>,
    /// Of the listeners that come with each order; those of a preview last.
    pub(super) addresses: Vec<(ListenerAddress, Protection, Audience)>,
    pub(super) master: Pid,
}

/// A request of the master.
#[derive(Debug)]
pub enum MoldRequest {
    Fork(ForkRequest),
    /// For the hooks of a configuration file.
    Call(String),
    /// Nothing: a signal arrived, for a handler of the user.
    Nothing,
    End,
}

#[derive(Debug)]
pub struct ForkRequest {
    order: ForkOrder,
    descriptors: Vec<OwnedFd>,
}

impl ForkRequest {
    /// As in gunicorn: number of workers started so far, including this one.
    pub fn age(&self) -> u64 {
        self.order.incarnation
    }
}

/// The process after `MoldChild::fork`.
#[derive(Debug)]
pub enum Forked {
    /// The worker's pid, if it was forked.
    Mold(MoldChild, Option<i32>),
    Worker(Newborn),
}

impl MoldChild {
    /// In a worker that has ended its requests and its threads: asks the master to be the mold, and waits for its answer. `None`:
    /// it is to exit.
    ///
    /// # Errors
    /// What this process cannot have.
    pub fn succeed(
        seed: MoldSeed,
        settings: Arc<Settings>,
        generation: u64,
        (channel, lifeline): (WorkerChannel, OwnedFd),
        master: Pid,
    ) -> sys::Result<Option<Self>> {
        if die_with_parent(master, SignalNumber::KILL)? == Parent::Gone {
            return Ok(None);
        }
        let asked = channel.send(&FromWorker::CanFork);
        if asked.is_err() || !begins(&channel) {
            return Ok(None);
        }
        sys::set_title("rgun: mold", &names::mold(&settings, generation));
        let MoldSeed {
            board,
            transfers,
            previews,
            certificates,
            addresses,
        } = seed;
        Ok(Some(Self {
            settings,
            hooks: String::new(),
            generation,
            identity: None,
            channel: OwnedFd::from(channel).into(),
            lifeline,
            board,
            loaded_files: None,
            transfers,
            previews,
            certificates,
            addresses,
            master,
        }))
    }

    pub fn ready(&self) {
        self.send(&FromMold::Ready);
    }

    pub fn failed(&self, phase: Phase, summary: &str, traceback: &str) {
        self.send(&FromMold::Failed {
            phase,
            summary: summary.to_owned(),
            traceback: traceback.to_owned(),
        });
    }

    fn send(&self, message: &FromMold) {
        if let Err(error) = self.channel.send(message) {
            // The next read of the channel returns its end.
            tracing::debug!(%error, "the master does not listen");
        }
    }

    /// Waits for a request of the master.
    pub fn next(&self) -> MoldRequest {
        loop {
            match self.channel.receive() {
                Ok((Incoming::Message(ToMold::Fork(order)), descriptors)) => {
                    return MoldRequest::Fork(ForkRequest { order, descriptors });
                }
                Ok((Incoming::Message(ToMold::Call(text)), _)) => return MoldRequest::Call(text),
                Ok((Incoming::Message(ToMold::ReopenLogs), _)) => {
                    if let Err(error) = observability::reopen() {
                        tracing::error!(%error, "log files not reopened");
                    }
                }
                Ok((Incoming::Message(ToMold::LogLevel(level)), _)) => {
                    let level = crate::config::LogLevel::of(level);
                    level.into_iter().for_each(observability::set_level);
                }
                Ok((Incoming::Nothing, _)) => return MoldRequest::Nothing,
                Ok((Incoming::Closed, _)) => return MoldRequest::End,
                Err(error) => {
                    tracing::error!(%error, "message of the master not understood, leaving");
                    return MoldRequest::End;
                }
            }
        }
    }

    pub fn master(&self) -> i32 {
        self.master.as_raw()
    }

    /// Whether workers run as another user than this process.
    pub fn changes_user(&self) -> bool {
        self.identity.is_some()
    }

    /// Called before the app is loaded here.
    ///
    /// # Errors
    /// Why the process cannot change, as text.
    pub fn become_user(&mut self) -> Result<(), String> {
        let Some(identity) = self.identity.take() else {
            return Ok(());
        };
        identity.assume().map_err(|e| e.to_string())?;
        // The change of user has reset it.
        let parent = die_with_parent(self.master, SignalNumber::KILL);
        parent.map(drop).map_err(|e| e.to_string())
    }

    /// The caller handles the interpreter's own preparations. `threads`: those of a configuration file do not exist
    /// in the worker.
    pub fn fork(self, request: ForkRequest, threads: ThreadPolicy) -> Forked {
        let ForkRequest { order, descriptors } = request;
        let incarnation = order.incarnation;
        match fork_orphan(threads) {
            Ok(Fork::Child) => Forked::Worker(Newborn {
                mold: self,
                order,
                descriptors,
            }),
            Ok(Fork::Parent { child }) => {
                let pid = child.as_raw();
                self.send(&FromMold::Forked { incarnation, pid });
                Forked::Mold(self, Some(pid))
            }
            Err(error) => {
                let reason = error.to_string();
                self.send(&FromMold::NotForked {
                    incarnation,
                    reason,
                });
                Forked::Mold(self, None)
            }
        }
    }
}

/// Waits for `Begin`. False: this process is to exit.
fn begins(channel: &WorkerChannel) -> bool {
    loop {
        let message = match channel.receive(None) {
            Ok(Incoming::Message(message)) => message,
            Ok(Incoming::Nothing) => continue,
            Ok(Incoming::Closed) | Err(_) => return false,
        };
        match message {
            ToWorker::Begin => return true,
            ToWorker::Drain { .. } | ToWorker::StopFast | ToWorker::BecomeMold { .. } => {
                return false;
            }
            ToWorker::ReopenLogs => {
                if let Err(error) = observability::reopen() {
                    tracing::error!(%error, "log files not reopened");
                }
            }
            ToWorker::LogLevel(level) => {
                let level = crate::config::LogLevel::of(level);
                level.into_iter().for_each(observability::set_level);
            }
            // For the worker that this process was, or is not yet.
            ToWorker::Go
            | ToWorker::Preview
            | ToWorker::Pause
            | ToWorker::Stacks { .. }
            | ToWorker::LoadCertificates
            | ToWorker::CloseAfterAnswers => {}
        }
    }
}

/// A worker right after its fork from a mold.
#[derive(Debug)]
pub struct Newborn {
    mold: MoldChild,
    order: ForkOrder,
    descriptors: Vec<OwnedFd>,
}

impl Newborn {
    /// Waits until the master has registered this process, and takes what a worker needs. A worker that the master
    /// does not want exits.
    pub fn begin(self) -> WorkerInit {
        match self.try_begin() {
            Ok(Some(worker_init)) => worker_init,
            // The master is gone, and nothing was begun.
            Ok(None) => exit_now(0),
            Err(error) => {
                tracing::error!(%error, "worker not started");
                exit_now(FAILED_TO_BOOT.into())
            }
        }
    }

    fn try_begin(self) -> sys::Result<Option<WorkerInit>> {
        let Self {
            mold,
            order,
            descriptors,
        } = self;
        observability::after_fork();
        start_as_child()?;
        let mut descriptors = descriptors.into_iter();
        let (Some(channel), Some(stacks), Some(page), Some(leadership)) = (
            descriptors.next(),
            descriptors.next(),
            self::page(&mold.board, order.page),
            mold.board.leadership(order.incarnation),
        ) else {
            return Ok(None);
        };
        let channel = WorkerChannel::from(channel);
        // Until then the page and the pid must not be used.
        if !begins(&channel) {
            return Ok(None);
        }
        sys::set_title(
            &format!("rgun: worker {}", order.slot),
            &names::worker(&mold.settings, order.slot, mold.generation),
        );
        page.set_state(ScoreboardState::Booting);
        page.beat(clock::monotonic_ms());
        if let Some(identity) = &mold.identity {
            identity.assume()?;
        }
        if die_with_parent(mold.master, SignalNumber::TERM)? == Parent::Gone {
            return Ok(None);
        }
        let seed = mold.settings.refork_after.map(|_| MoldSeed {
            board: mold.board,
            transfers: mold.transfers.clone(),
            previews: mold.previews.clone(),
            certificates: mold.certificates.clone(),
            addresses: mold.addresses.clone(),
        });
        let listeners = mold.addresses.into_iter().zip(descriptors);
        Ok(Some(WorkerInit {
            slot: order.slot,
            age: order.incarnation,
            leadership,
            generation: mold.generation,
            settings: mold.settings,
            listeners: listeners
                .map(|((address, protection, audience), fd)| Listener {
                    fd,
                    address,
                    protection,
                    audience,
                })
                .collect(),
            transfers: mold
                .transfers
                .map(|channel| Transfers::new(channel, mold.board, page)),
            held: (mold.previews)
                .and_then(|channel| HeldGeneration::new(channel, mold.board, page)),
            certificates: mold.certificates,
            channel,
            lifeline: mold.lifeline,
            page,
            stacks: MemFile::from(stacks),
            loaded_files: mold.loaded_files,
            mold: seed,
            master: mold.master,
        }))
    }
}

fn page(board: &Board, number: u32) -> Option<crate::ipc::Page> {
    board.page(usize::try_from(number).ok()?)
}
