//! The messages of a worker, as events and as facts of its process.

use super::child_signal::deliver;
use super::shell::Shell;
use super::supervisor::{Event, Incarnation, WorkerMessage};
use super::workers::{Hearing, WorkerFailure, boot_phase};
use crate::ipc::{FromWorker, Incoming, ToWorker};
use crate::sys::clock;
use crate::sys::signals::SignalNumber;

/// Handles the messages of a worker.
pub fn receive(shell: &mut Shell<'_>, incarnation: Incarnation, most: usize) {
    let Some(worker) = shell.fleet.workers.get_mut(incarnation) else {
        return;
    };
    let preview = shell.listening.previews.of(worker.generation).is_some()
        || shell.listening.previews.channels.is_some()
            && shell.supervisor.will_hold(worker.generation);
    for _ in 0..most {
        if worker.hearing == Hearing::Closed {
            return;
        }
        let message = match worker.channel.receive() {
            Ok(Incoming::Message(message)) => message,
            Ok(Incoming::Nothing) => return,
            Ok(Incoming::Closed) => {
                worker.hearing = Hearing::Closed;
                return;
            }
            Err(error) => {
                // From here on its messages cannot be trusted; its exit is an event like any other.
                tracing::error!(slot = worker.slot.0, pid = worker.pid.as_raw(), %error, "invalid message from worker, killing it");
                worker.hearing = Hearing::Closed;
                deliver(worker.pid, SignalNumber::KILL);
                return;
            }
        };
        let message = match message {
            FromWorker::Booted => WorkerMessage::Booted,
            FromWorker::Ready => {
                worker.ready_ms = Some(clock::monotonic_ms());
                if preview {
                    worker.send(&ToWorker::Preview);
                }
                WorkerMessage::Ready
            }
            FromWorker::Entered(phase) => {
                worker.boot.phase = phase;
                continue;
            }
            FromWorker::Description(text) => {
                shell.reporting.description = text;
                continue;
            }
            FromWorker::StaticFiles(text) => {
                shell.reporting.static_files = text;
                continue;
            }
            FromWorker::StoppedAccepting => WorkerMessage::StoppedAccepting,
            FromWorker::CanFork => WorkerMessage::CanFork,
            FromWorker::Stacks { number, text } => {
                worker.reported_stacks = Some((number, text));
                continue;
            }
            FromWorker::Failed {
                phase,
                summary,
                traceback,
            } => {
                worker.failure = Some(WorkerFailure {
                    phase,
                    summary,
                    traceback,
                });
                WorkerMessage::Failed {
                    phase: boot_phase(phase),
                }
            }
        };
        shell.events.push(Event::Worker {
            incarnation,
            message,
        });
    }
}
