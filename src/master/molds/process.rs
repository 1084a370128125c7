//! The master's record of a mold process: its queue of requested workers, and its channel.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::ipc::{
    Error, ForkOrder, MasterChannel, MoldHandle, Page, Result, ToMold, WorkerChannel,
};
use crate::master::supervisor::{Incarnation, Slot};
use crate::master::workers::Hearing;
use crate::sys::signals::SignalNumber;
use crate::sys::{MemFile, Pid, PollInterest};

#[derive(Debug)]
pub struct MoldProcess {
    pub pid: Pid,
    pub hearing: Hearing,
    pub handle: MoldHandle,
    /// Workers to be forked, in this order.
    asked: VecDeque<Unborn>,
    state: ForkState,
}

/// State of the first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForkState {
    Idle,
    /// Its channel is full.
    Blocked,
    /// It was sent, and not answered.
    Forking,
}

/// A worker without a process.
#[derive(Debug)]
pub struct Unborn {
    pub incarnation: Incarnation,
    pub slot: Slot,
    /// The master's end.
    pub channel: MasterChannel,
    pub page: Page,
    pub stacks: MemFile,
    /// The signal that it gets once it exists, because it is no longer wanted.
    pub unwanted: Option<SignalNumber>,
    order: ForkOrder,
    /// For the worker; closed here after they were sent.
    descriptors: Vec<OwnedFd>,
}

impl Unborn {
    pub fn new(
        incarnation: Incarnation,
        slot: Slot,
        (ours, theirs): (MasterChannel, WorkerChannel),
        (page, number): (Page, u32),
        (stacks, their_stacks): (MemFile, MemFile),
        listeners: Vec<OwnedFd>,
    ) -> Self {
        let mut descriptors = vec![theirs.into(), their_stacks.into()];
        descriptors.extend(listeners);
        Self {
            incarnation,
            slot,
            channel: ours,
            page,
            stacks,
            unwanted: None,
            order: ForkOrder {
                incarnation: incarnation.0,
                slot: slot.0,
                page: number,
            },
            descriptors,
        }
    }
}

impl MoldProcess {
    pub fn new(pid: Pid, handle: MoldHandle) -> Self {
        Self {
            pid,
            hearing: Hearing::Open,
            handle,
            asked: VecDeque::new(),
            state: ForkState::Idle,
        }
    }

    pub fn ask(&mut self, unborn: Unborn) {
        self.asked.push_back(unborn);
    }

    /// There are workers that it is to fork.
    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Sends the next request, if the mold is free. A request that cannot be sent is returned with the reason.
    pub fn advance(&mut self) -> Option<(Unborn, Error)> {
        if self.state == ForkState::Forking {
            return None;
        }
        self.state = ForkState::Idle;
        let next = self.asked.front_mut()?;
        match send(&self.handle, next) {
            Ok(()) => {
                next.descriptors.clear();
                self.state = ForkState::Forking;
                None
            }
            // Its exit is an event of its own.
            Err(Error::Closed) => None,
            Err(Error::Full) => {
                self.state = ForkState::Blocked;
                None
            }
            Err(error) => self.asked.pop_front().map(|unborn| (unborn, error)),
        }
    }

    /// Handles the answer; `None`: it is for another worker than the requested one.
    pub fn answered(&mut self, incarnation: Incarnation) -> Option<Unborn> {
        let next = self.asked.front();
        if self.state != ForkState::Forking || next?.incarnation != incarnation {
            return None;
        }
        self.state = ForkState::Idle;
        self.asked.pop_front()
    }

    pub fn is_forking(&self) -> bool {
        self.state == ForkState::Forking
    }

    /// Withdraws a worker that is no longer wanted: returned, unless the mold is about to fork it.
    pub fn withdraw(&mut self, incarnation: Incarnation, signal: SignalNumber) -> Option<Unborn> {
        let at = self
            .asked
            .iter()
            .position(|one| one.incarnation == incarnation)?;
        if at > 0 || self.state != ForkState::Forking {
            return self.asked.remove(at);
        }
        if let Some(first) = self.asked.front_mut() {
            first.unwanted = Some(signal);
        }
        None
    }

    /// The workers that it will not fork any more.
    pub fn abandon(&mut self) -> impl Iterator<Item = Unborn> {
        self.asked.drain(..)
    }

    pub fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollInterest)> {
        let heard =
            (self.hearing == Hearing::Open).then(|| (self.handle.as_fd(), PollInterest::Readable));
        let full = (self.state == ForkState::Blocked)
            .then(|| (self.handle.as_fd(), PollInterest::Writable));
        heard.into_iter().chain(full)
    }
}

fn send(handle: &MoldHandle, next: &Unborn) -> Result<()> {
    let descriptors: Vec<_> = next.descriptors.iter().map(AsFd::as_fd).collect();
    handle.send(&ToMold::Fork(next.order), &descriptors)
}
