//! Handles messages of the master in this thread. Leaving is in `leaving.rs`.

use std::os::fd::AsFd;

use super::{AfterDrain, MasterCommand, Watching};
use crate::config::{LogLevel, Prints};
use crate::ipc::{DrainReason, Incoming, ToWorker};
use crate::observability;
use crate::worker::drain::DrainStage;
use crate::worker::python;

impl Watching {
    pub(super) fn listen_to_master(&mut self) {
        loop {
            match self.own.channel.try_receive() {
                Ok(Incoming::Message(ToWorker::Go)) if self.deadline.is_none() => {
                    self.go();
                }
                Ok(Incoming::Message(ToWorker::Preview)) if self.deadline.is_none() => {
                    self.preview();
                }
                Ok(Incoming::Message(ToWorker::Pause)) if self.deadline.is_none() => self.pause(),
                // A signal came first; or the message was handled before the sentinel was started.
                Ok(Incoming::Message(
                    ToWorker::Go | ToWorker::Preview | ToWorker::Pause | ToWorker::Begin,
                )) => {}
                Ok(Incoming::Message(ToWorker::Drain {
                    reason,
                    graceful_ms,
                })) => self.drain(reason, graceful_ms, AfterDrain::Exit),
                Ok(Incoming::Message(ToWorker::BecomeMold { graceful_ms })) => {
                    self.drain(DrainReason::Replaced, graceful_ms, AfterDrain::BecomeMold);
                }
                Ok(Incoming::Message(ToWorker::StopFast)) => self.stop_fast(),
                Ok(Incoming::Message(ToWorker::ReopenLogs)) => self.reopen_logs(),
                Ok(Incoming::Message(ToWorker::Stacks { number })) => self.ask_stacks(number),
                Ok(Incoming::Message(ToWorker::LoadCertificates)) => {
                    self.own.net.tls.reload();
                }
                Ok(Incoming::Message(ToWorker::CloseAfterAnswers)) => {
                    self.own.net.drain.close_after_answers();
                }
                Ok(Incoming::Message(ToWorker::LogLevel(level))) => {
                    LogLevel::of(level)
                        .into_iter()
                        .for_each(observability::set_level);
                }
                Ok(Incoming::Nothing) => return,
                Ok(Incoming::Closed) => {
                    drop(self.epoll.remove(self.own.channel.as_fd()));
                    return self.master_is_gone();
                }
                Err(error) => {
                    tracing::error!(%error, "invalid message from the master");
                    return;
                }
            }
        }
    }

    /// Here and not in the main thread: a worker that is stuck must not keep writing to a file that was rotated.
    pub(super) fn reopen_logs(&self) {
        if let Err(error) = observability::reopen() {
            tracing::error!(%error, "log files not reopened");
        }
        self.own.net.ledger.follow_rotation();
        if self.own.net.settings.logging.prints == Prints::ToErrorLog
            && let Err(error) = observability::capture_prints()
        {
            tracing::error!(%error, "stdout and stderr of the app still go to the old file");
        }
        if self.own.net.drain.stage() == DrainStage::Serving {
            python::reopen_python_files();
        }
    }

    /// Before the app is loaded the reactor is not turned; the master then requests the stacks by a signal.
    pub(super) fn ask_stacks(&self, number: u64) {
        if self.own.commands.is_listening() {
            self.own.commands.give(MasterCommand::Stacks { number });
            self.own.net.wake.wake();
        }
    }
}
