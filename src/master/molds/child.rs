//! The mold process: its first steps, the master's requests, and the workers that it forks. Python is handled by its
//! host.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::config::Settings;
use crate::ipc::{
    Board, ForkOrder, FromMold, Incoming, MoldChannel, Phase, State, ToMold, ToWorker,
    WorkerChannel,
};
use crate::master::child::{FAILED_TO_BOOT, settle};
use crate::master::generation::{Edition, Logs};
use crate::master::names;
use crate::master::seat::{Host, Seat, SharedCertificates};
use crate::observability;
use crate::sys::process::{Fork, Parent, Threads, die_with_parent, fork_orphan};
use crate::sys::signals::{Signal, outlive, start_as_child};
use crate::sys::{
    self, Audience, Identity, Listener, ListenerAddress, Pid, Protection, Scratch, clock, exit_now,
};

/// When sent to a whole group they are meant for the master, which ends a mold by closing its channel.
const FOR_THE_MASTER: [Signal; 8] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::TTIN,
    Signal::TTOU,
];

/// What a forked mold takes along from the master's loop.
#[derive(Debug)]
pub struct MoldInit {
    pub generation: u64,
    pub edition: Edition,
    pub logs: Logs,
    /// Initial state for the hooks of a configuration file.
    pub hooks: String,
    pub identity: Option<Identity>,
    pub channel: MoldChannel,
    pub lifeline: OwnedFd,
    pub board: Board,
    pub news: Option<OwnedFd>,
    pub certificates: Option<SharedCertificates>,
    /// Of the listeners that come with each order; those of a preview last.
    pub addresses: Vec<(ListenerAddress, Protection, Audience)>,
    pub master: Pid,
}

/// Runs the mold, and each worker that it forks; returns the exit code.
pub fn live(init: MoldInit, host: &dyn Host) -> u8 {
    let MoldInit {
        generation,
        edition,
        logs,
        hooks,
        identity,
        channel,
        lifeline,
        board,
        news,
        certificates,
        addresses,
        master,
    } = init;
    let settings = Arc::clone(&edition.settings);
    sys::set_title("rgun: mold", &names::mold(&settings, generation));
    outlive(&FOR_THE_MASTER);
    // As gunicorn's master: the file and its hooks run as the user that started the server. The app does not.
    let (early, identity) = match settings.hooks {
        Some(_) => (None, identity),
        None => (identity, None),
    };
    let mold = Mold {
        settings,
        hooks,
        generation,
        identity,
        channel,
        lifeline,
        board,
        news,
        certificates,
        addresses,
        master,
    };
    if let Err(summary) = settle(&edition, logs, early.as_ref(), host) {
        mold.failed(Phase::Boot, &summary, "");
        return FAILED_TO_BOOT;
    }
    match die_with_parent(master, Signal::KILL) {
        Ok(Parent::Alive) => host.run_mold(mold),
        Ok(Parent::Gone) => 0,
        Err(error) => {
            mold.failed(Phase::Boot, &error.to_string(), "");
            FAILED_TO_BOOT
        }
    }
}

/// State of the mold. It forks only where it is the only thread of its process.
#[derive(Debug)]
pub struct Mold {
    pub settings: Arc<Settings>,
    /// Initial state for the hooks of a configuration file.
    pub hooks: String,
    pub generation: u64,
    /// The user for the app, while this process has not changed to it.
    identity: Option<Identity>,
    channel: MoldChannel,
    lifeline: OwnedFd,
    board: Board,
    news: Option<OwnedFd>,
    certificates: Option<SharedCertificates>,
    addresses: Vec<(ListenerAddress, Protection, Audience)>,
    master: Pid,
}

/// A request of the master.
#[derive(Debug)]
pub enum Asked {
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

/// The process after `Mold::fork`.
#[derive(Debug)]
pub enum Forked {
    /// The worker's pid, if it was forked.
    Mold(Mold, Option<i32>),
    Worker(Newborn),
}

impl Mold {
    pub fn ready(&self) {
        self.say(&FromMold::Ready);
    }

    pub fn failed(&self, phase: Phase, summary: &str, traceback: &str) {
        self.say(&FromMold::Failed {
            phase,
            summary: summary.to_owned(),
            traceback: traceback.to_owned(),
        });
    }

    fn say(&self, message: &FromMold) {
        if let Err(error) = self.channel.send(message) {
            // The next read of the channel returns its end.
            tracing::debug!(%error, "the master does not listen");
        }
    }

    /// Waits for a request of the master.
    pub fn next(&self) -> Asked {
        loop {
            match self.channel.receive() {
                Ok((Incoming::Message(ToMold::Fork(order)), descriptors)) => {
                    return Asked::Fork(ForkRequest { order, descriptors });
                }
                Ok((Incoming::Message(ToMold::Call(text)), _)) => return Asked::Call(text),
                Ok((Incoming::Message(ToMold::ReopenLogs), _)) => {
                    if let Err(error) = observability::reopen() {
                        tracing::error!(%error, "log files not reopened");
                    }
                }
                Ok((Incoming::Message(ToMold::LogLevel(level)), _)) => {
                    let level = crate::config::LogLevel::of(level);
                    level.into_iter().for_each(observability::set_level);
                }
                Ok((Incoming::Nothing, _)) => return Asked::Nothing,
                Ok((Incoming::Closed, _)) => return Asked::End,
                Err(error) => {
                    tracing::error!(%error, "message of the master not understood, leaving");
                    return Asked::End;
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
        let parent = die_with_parent(self.master, Signal::KILL);
        parent.map(drop).map_err(|e| e.to_string())
    }

    /// The caller handles the interpreter's own preparations. `threads`: those of a configuration file do not exist
    /// in the worker.
    pub fn fork(self, request: ForkRequest, threads: Threads) -> Forked {
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
                self.say(&FromMold::Forked { incarnation, pid });
                Forked::Mold(self, Some(pid))
            }
            Err(error) => {
                let reason = error.to_string();
                self.say(&FromMold::NotForked {
                    incarnation,
                    reason,
                });
                Forked::Mold(self, None)
            }
        }
    }
}

/// A worker right after its fork from a mold.
#[derive(Debug)]
pub struct Newborn {
    mold: Mold,
    order: ForkOrder,
    descriptors: Vec<OwnedFd>,
}

impl Newborn {
    /// Waits until the master has registered this process, and takes what a worker needs. A worker that the master
    /// does not want exits.
    pub fn begin(self) -> Seat {
        match self.try_begin() {
            Ok(Some(seat)) => seat,
            // The master is gone, and nothing was begun.
            Ok(None) => exit_now(0),
            Err(error) => {
                tracing::error!(%error, "worker not started");
                exit_now(FAILED_TO_BOOT.into())
            }
        }
    }

    fn try_begin(self) -> sys::Result<Option<Seat>> {
        let Self {
            mold,
            order,
            descriptors,
        } = self;
        observability::after_fork();
        start_as_child()?;
        let mut descriptors = descriptors.into_iter();
        let (Some(channel), Some(stacks), Some(page)) = (
            descriptors.next(),
            descriptors.next(),
            self::page(&mold.board, order.page),
        ) else {
            return Ok(None);
        };
        let channel = WorkerChannel::from(channel);
        // Until then the page and the pid must not be used.
        loop {
            match channel.receive(None) {
                Ok(Incoming::Message(ToWorker::Begin)) => break,
                Ok(Incoming::Nothing) => {}
                Ok(Incoming::Message(_) | Incoming::Closed) | Err(_) => return Ok(None),
            }
        }
        sys::set_title(
            &format!("rgun: worker {}", order.slot),
            &names::worker(&mold.settings, order.slot, mold.generation),
        );
        page.set_state(State::Booting);
        page.beat(clock::monotonic_ms());
        if let Some(identity) = &mold.identity {
            identity.assume()?;
        }
        if die_with_parent(mold.master, Signal::TERM)? == Parent::Gone {
            return Ok(None);
        }
        let listeners = mold.addresses.into_iter().zip(descriptors);
        Ok(Some(Seat {
            slot: order.slot,
            age: order.incarnation,
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
            certificates: mold.certificates,
            channel,
            lifeline: mold.lifeline,
            page,
            stacks: Scratch::from(stacks),
            news: mold.news,
            master: mold.master,
        }))
    }
}

fn page(board: &Board, number: u32) -> Option<crate::ipc::Page> {
    board.page(usize::try_from(number).ok()?)
}
