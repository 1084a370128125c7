//! Requests for the stacks of workers: first by message, and by a signal where a worker does not reply.

use super::protocol::{ControlResponse, StackSource, WorkerStacks};
use super::stack_requests::{StackMethod, StackRequest};
use crate::ipc::ToWorker;
use crate::master::child_signal::deliver;
use crate::master::control::ControlClients;
use crate::master::stack_dump::StackDump;
use crate::master::supervisor::{Incarnation, Token};
use crate::master::tidy_stacks::tidy;
use crate::master::workers::Workers;
use crate::sys::clock;
use crate::sys::process::catches;
use crate::sys::signals::DUMP_STACKS;

/// Time for a worker to reply by itself; its threads may all be in code that does not let Python run.
const INSIDE_MS: u64 = 1_000;

pub fn begin(clients: &mut ControlClients, workers: &mut Workers, token: Token, slot: Option<u32>) {
    let now = clock::monotonic_ms();
    let mut open = Vec::new();
    for (incarnation, worker) in workers.iter_mut() {
        if slot.is_none_or(|slot| slot == worker.slot.0) {
            worker.reported_stacks = None;
            let about = WorkerStacks {
                slot: worker.slot.0,
                pid: worker.pid.as_raw(),
                ..WorkerStacks::default()
            };
            open.push((incarnation, about, StackMethod::Inside { at: now }));
        }
    }
    if open.is_empty() {
        let slot = slot.map_or_else(String::new, |slot| format!(" in slot {slot}"));
        let response = ControlResponse::failed(format!("there is no worker{slot}"));
        return clients.control.answer(token, &response);
    }
    for (incarnation, ..) in &open {
        if let Some(worker) = workers.get(*incarnation) {
            worker.send(&ToWorker::Stacks { number: token.0 });
        }
    }
    clients.stack_requests.0.push(StackRequest {
        token,
        open,
        answered: Vec::new(),
    });
}

/// Called once per turn.
pub fn settle(clients: &mut ControlClients, workers: &Workers) {
    for mut stack_request in std::mem::take(&mut clients.stack_requests.0) {
        for (incarnation, mut stacks, asked) in std::mem::take(&mut stack_request.open) {
            match look(
                workers,
                incarnation,
                asked,
                stack_request.token,
                &mut stacks,
            ) {
                Some(asked) => stack_request.open.push((incarnation, stacks, asked)),
                None => stack_request.answered.push(stacks),
            }
        }
        if stack_request.open.is_empty() {
            stack_request
                .answered
                .sort_by_key(|one| (one.slot, one.pid));
            let response = ControlResponse {
                stacks: Some(stack_request.answered),
                ..ControlResponse::done("")
            };
            clients.control.answer(stack_request.token, &response);
        } else if clients.control.still_asks(stack_request.token) {
            clients.stack_requests.0.push(stack_request);
        }
    }
}

/// `None`: there is nothing more to wait for.
fn look(
    workers: &Workers,
    incarnation: Incarnation,
    asked: StackMethod,
    token: Token,
    stacks: &mut WorkerStacks,
) -> Option<StackMethod> {
    let now = clock::monotonic_ms();
    let Some(worker) = workers.get(incarnation) else {
        "it has ended meanwhile".clone_into(&mut stacks.text);
        return None;
    };
    if let Some((number, text)) = &worker.reported_stacks
        && *number == token.0
    {
        stacks.text.clone_from(text);
        stacks.way = StackSource::Inside;
        return None;
    }
    match asked {
        StackMethod::Inside { at } if now.saturating_sub(at) < INSIDE_MS => Some(asked),
        // The default action of the signal would kill it.
        StackMethod::Inside { .. } if !catches(worker.pid, DUMP_STACKS) => {
            "no answer; it is too early in its boot to be asked by a signal"
                .clone_into(&mut stacks.text);
            None
        }
        StackMethod::Inside { .. } => {
            worker.stacks.clear();
            deliver(worker.pid, DUMP_STACKS);
            Some(StackMethod::Signal(StackDump::asked(now)))
        }
        StackMethod::Signal(mut dump) => {
            if !dump.is_over(now, worker.stacks.len()) {
                return Some(StackMethod::Signal(dump));
            }
            stacks.way = StackSource::Signal;
            stacks.text = tidy(&worker.stacks.read());
            if stacks.text.is_empty() {
                "no answer, not even to a signal: the process is stopped, or waits for the kernel"
                    .clone_into(&mut stacks.text);
            }
            None
        }
    }
}
