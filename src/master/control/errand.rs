//! Requests for the stacks of workers: first by message, and by a signal where a worker does not reply.

use super::protocol::{Response, Stacks, Way};
use super::stacks::tidy;
use crate::ipc::ToWorker;
use crate::master::shell::{Shell, deliver};
use crate::master::supervisor::{Incarnation, Token};
use crate::sys::clock;
use crate::sys::process::catches;
use crate::sys::signals::DUMP_STACKS;

/// Time for a worker to reply by itself; its threads may all be in code that does not let Python run.
const INSIDE_MS: u64 = 1_000;
/// Time for the signal.
const SIGNAL_MS: u64 = 1_000;
/// Output that has not grown for this long is complete.
const SETTLED_MS: u64 = 50;

/// The request, and the workers that have not replied.
#[derive(Debug, Default)]
pub struct Errands(Vec<Errand>);

#[derive(Debug)]
struct Errand {
    token: Token,
    open: Vec<(Incarnation, Stacks, Asked)>,
    answered: Vec<Stacks>,
}

/// Times are monotonic milliseconds.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Inside { at: u64 },
    Signal { at: u64, grown_at: u64, length: u64 },
}

impl Errands {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Shell<'_> {
    pub(super) fn ask_stacks(&mut self, token: Token, slot: Option<u32>) {
        let now = clock::monotonic_ms();
        let mut open = Vec::new();
        for (incarnation, worker) in self.fleet.workers.iter_mut() {
            if slot.is_none_or(|slot| slot == worker.slot.0) {
                worker.told = None;
                let about = Stacks {
                    slot: worker.slot.0,
                    pid: worker.pid.as_raw(),
                    ..Stacks::default()
                };
                open.push((incarnation, about, Asked::Inside { at: now }));
            }
        }
        if open.is_empty() {
            let slot = slot.map_or_else(String::new, |slot| format!(" in slot {slot}"));
            let response = Response::failed(format!("there is no worker{slot}"));
            return self.desk.control.answer(token, &response);
        }
        for (incarnation, ..) in &open {
            if let Some(worker) = self.fleet.workers.get(*incarnation) {
                worker.tell(&ToWorker::Stacks { number: token.0 });
            }
        }
        self.desk.errands.0.push(Errand {
            token,
            open,
            answered: Vec::new(),
        });
    }

    /// Called once per turn.
    pub(in crate::master) fn settle_errands(&mut self) {
        for mut errand in std::mem::take(&mut self.desk.errands.0) {
            for (incarnation, mut stacks, asked) in std::mem::take(&mut errand.open) {
                match self.look(incarnation, asked, errand.token, &mut stacks) {
                    Some(asked) => errand.open.push((incarnation, stacks, asked)),
                    None => errand.answered.push(stacks),
                }
            }
            if errand.open.is_empty() {
                errand.answered.sort_by_key(|one| (one.slot, one.pid));
                let response = Response {
                    stacks: Some(errand.answered),
                    ..Response::done("")
                };
                self.desk.control.answer(errand.token, &response);
            } else if self.desk.control.still_asks(errand.token) {
                self.desk.errands.0.push(errand);
            }
        }
    }

    /// `None`: there is nothing more to wait for.
    fn look(
        &self,
        incarnation: Incarnation,
        asked: Asked,
        token: Token,
        stacks: &mut Stacks,
    ) -> Option<Asked> {
        let now = clock::monotonic_ms();
        let Some(worker) = self.fleet.workers.get(incarnation) else {
            "it has ended meanwhile".clone_into(&mut stacks.text);
            return None;
        };
        if let Some((number, text)) = &worker.told
            && *number == token.0
        {
            stacks.text.clone_from(text);
            stacks.way = Way::Inside;
            return None;
        }
        match asked {
            Asked::Inside { at } if now.saturating_sub(at) < INSIDE_MS => Some(asked),
            // The default action of the signal would kill it.
            Asked::Inside { .. } if !catches(worker.pid, DUMP_STACKS) => {
                "no answer; it is too early in its boot to be asked by a signal"
                    .clone_into(&mut stacks.text);
                None
            }
            Asked::Inside { .. } => {
                worker.stacks.clear();
                deliver(worker.pid, DUMP_STACKS);
                Some(Asked::Signal {
                    at: now,
                    grown_at: now,
                    length: 0,
                })
            }
            Asked::Signal {
                at,
                grown_at,
                length,
            } => {
                let over = now.saturating_sub(at) >= SIGNAL_MS;
                let found = worker.stacks.len();
                if !over && found > length {
                    return Some(Asked::Signal {
                        at,
                        grown_at: now,
                        length: found,
                    });
                }
                if !over && (length == 0 || now.saturating_sub(grown_at) < SETTLED_MS) {
                    return Some(asked);
                }
                stacks.way = Way::Signal;
                stacks.text = tidy(&worker.stacks.read());
                if stacks.text.is_empty() {
                    "no answer, not even to a signal: the process is stopped, or waits for the kernel"
                        .clone_into(&mut stacks.text);
                }
                None
            }
        }
    }
}
