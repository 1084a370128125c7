//! Handles messages of the master in this thread. Leaving is in `leaving.rs`.

use std::os::fd::AsFd;

use super::commands::{AfterDrain, MasterCommand};
use super::watching::Watching;
use super::{accepting, leaving};
use crate::config::{LogLevel, Prints};
use crate::ipc::{DrainReason, Incoming, ToWorker};
use crate::observability;
use crate::worker::drain::DrainStage;
use crate::worker::python;

/// Handles what has arrived.
pub(super) fn listen(watching: &mut Watching) {
    loop {
        match watching.own.channel.try_receive() {
            Ok(Incoming::Message(ToWorker::Go)) if watching.deadline.is_none() => {
                accepting::go(watching);
            }
            Ok(Incoming::Message(ToWorker::Preview)) if watching.deadline.is_none() => {
                accepting::preview(watching);
            }
            Ok(Incoming::Message(ToWorker::Pause)) if watching.deadline.is_none() => {
                leaving::pause(watching)
            }
            // A signal came first; or the message was handled before the sentinel was started.
            Ok(Incoming::Message(
                ToWorker::Go | ToWorker::Preview | ToWorker::Pause | ToWorker::Begin,
            )) => {}
            Ok(Incoming::Message(ToWorker::Drain {
                reason,
                graceful_ms,
            })) => leaving::drain(watching, reason, graceful_ms, AfterDrain::Exit),
            Ok(Incoming::Message(ToWorker::BecomeMold { graceful_ms })) => {
                leaving::drain(
                    watching,
                    DrainReason::Replaced,
                    graceful_ms,
                    AfterDrain::BecomeMold,
                );
            }
            Ok(Incoming::Message(ToWorker::StopFast)) => leaving::stop_fast(watching),
            Ok(Incoming::Message(ToWorker::ReopenLogs)) => reopen_logs(watching),
            Ok(Incoming::Message(ToWorker::Stacks { number })) => ask_stacks(watching, number),
            Ok(Incoming::Message(ToWorker::LoadCertificates)) => {
                watching.own.net.tls.reload();
            }
            Ok(Incoming::Message(ToWorker::CloseAfterAnswers)) => {
                watching.own.net.drain.close_after_answers();
            }
            Ok(Incoming::Message(ToWorker::LogLevel(level))) => {
                LogLevel::of(level)
                    .into_iter()
                    .for_each(observability::set_level);
            }
            Ok(Incoming::Nothing) => return,
            Ok(Incoming::Closed) => {
                drop(watching.epoll.remove(watching.own.channel.as_fd()));
                return leaving::master_is_gone(watching);
            }
            Err(error) => {
                tracing::error!(%error, "invalid message from the master");
                return;
            }
        }
    }
}

/// Here and not in the main thread: a worker that is stuck must not keep writing to a file that was rotated.
fn reopen_logs(watching: &Watching) {
    if let Err(error) = observability::reopen() {
        tracing::error!(%error, "log files not reopened");
    }
    watching.own.net.ledger.follow_rotation();
    if watching.own.net.settings.logging.prints == Prints::ToErrorLog
        && let Err(error) = observability::capture_prints()
    {
        tracing::error!(%error, "stdout and stderr of the app still go to the old file");
    }
    if watching.own.net.drain.stage() == DrainStage::Serving {
        python::reopen_python_files();
    }
}

/// Before the app is loaded the reactor is not turned; the master then requests the stacks by a signal.
fn ask_stacks(watching: &Watching, number: u64) {
    if watching.own.commands.is_listening() {
        watching.own.commands.give(MasterCommand::Stacks { number });
        watching.own.net.wake.wake();
    }
}
