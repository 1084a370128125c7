//! One turn of the master's loop: every source registers its descriptors and deadlines, and events are passed to
//! their sources.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Error;
use super::control;
use super::shell::Shell;
use super::supervisor::{CompanionId, Event, Generation, Incarnation};
use super::workers::Hearing;
use crate::observability;
use crate::sys::{PollInterest, Turn, clock};

/// A worker that sends without end is read in turns with the others.
const MESSAGES_A_TURN: usize = 16;

/// Delay before lines that the log's reader did not accept are retried.
const LOG_RETRY: Duration = Duration::from_millis(100);

/// Interval of checks for clients that wait for something without an event: an idle server, written stacks.
const WAITS_RETRY: Duration = Duration::from_millis(25);

/// The event sources of the master, in the order in which they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EventSource {
    /// Before the workers' messages: one that got SIGTERM together with us is not replaced.
    Signals,
    Worker(Incarnation),
    Mold(Generation),
    Companion(CompanionId),
    Configuration,
    Watcher,
    Certificates,
    Control(control::ControlSource),
    /// A deadline of something that every turn checks in any case.
    EveryTurn,
}

impl Shell<'_> {
    /// Waits for events and queues them.
    pub(super) fn turn(&mut self) -> Result<(), Error> {
        observability::lookups::report();
        observability::flush_pending();
        observability::statsd::workers(u32::try_from(self.fleet.workers.count()).unwrap_or(0));
        for source in self.sources().wait()? {
            self.attend(source)?;
        }
        self.tell_service();
        self.take_requests();
        self.look_for_stacks();
        self.look_for_helpers_end();
        self.advance_upgrade();
        self.look_for_first_master();
        let due = self.supervisor.next_timeout();
        if due.is_some_and(|due| due <= self.now()) {
            self.events.pending.push_back(Event::Timeout);
        }
        Ok(())
    }

    fn sources(&self) -> Turn<'_, EventSource> {
        let now = clock::monotonic();
        let mut turn = Turn::default();
        turn.watch(
            EventSource::Signals,
            self.events.signals.as_fd(),
            PollInterest::Readable,
        );
        for (incarnation, worker) in self.fleet.workers.iter() {
            if worker.hearing == Hearing::Open {
                let source = EventSource::Worker(incarnation);
                turn.watch(source, worker.channel.as_fd(), PollInterest::Readable);
            }
        }
        for (generation, mold) in self.molds.iter() {
            for (fd, wanted) in mold.watched() {
                turn.watch(EventSource::Mold(generation), fd, wanted);
            }
        }
        for (companion, output) in self.helpers.companions.outputs() {
            let source = EventSource::Companion(companion);
            if let Some(pipe) = output.watched() {
                turn.watch(source, pipe, PollInterest::Readable);
            }
            if let Some(due) = output.due() {
                turn.wake(source, due);
            }
        }
        if let Some(asking) = &self.helpers.reader {
            turn.watch(
                EventSource::Configuration,
                asking.child.as_fd(),
                PollInterest::Readable,
            );
            turn.wake(EventSource::Configuration, asking.until);
        }
        if let Some(reports) = self.helpers.watcher.as_fd() {
            turn.watch(EventSource::Watcher, reports, PollInterest::Readable);
        }
        if let Some(certificates) = &self.listening.certificates {
            if let Some(changes) = certificates.as_fd() {
                turn.watch(EventSource::Certificates, changes, PollInterest::Readable);
            }
            turn.wake(EventSource::Certificates, certificates.due());
        }
        for (client, fd, wanted) in self.handlers.control.watched(now) {
            turn.watch(EventSource::Control(client), fd, wanted);
        }
        for (source, at) in self.deadlines(now) {
            turn.wake(source, at);
        }
        turn
    }

    /// All deadlines, monotonic.
    fn deadlines(&self, now: Duration) -> impl Iterator<Item = (EventSource, Duration)> {
        let every_turn = [
            self.supervisor
                .next_timeout()
                .map(|due| self.events.began + due.0),
            self.reporting.service.due(),
            self.handlers.control.due(),
            self.upgrade.due(),
            // A slow reader of the log is retried often; the channels are still what wakes us.
            observability::is_behind().then_some(now + LOG_RETRY),
            self.has_waiting_clients().then_some(now + WAITS_RETRY),
        ];
        let due = every_turn.into_iter().flatten();
        due.map(|due| (EventSource::EveryTurn, due))
    }

    fn has_waiting_clients(&self) -> bool {
        !self.handlers.waits.is_empty()
            || !self.handlers.stack_requests.is_empty()
            || self.awaits_stacks()
    }

    fn attend(&mut self, source: EventSource) -> Result<(), Error> {
        match source {
            EventSource::Signals => {
                while let Some(arrival) = self.events.signals.next()? {
                    self.signal(arrival)?;
                }
            }
            EventSource::Worker(incarnation) => self.listen(incarnation, MESSAGES_A_TURN),
            EventSource::Mold(generation) => self.hear_mold_in_turn(generation),
            EventSource::Companion(companion) => self.hear_companion(companion),
            EventSource::Configuration => self.hear_configuration(),
            EventSource::Watcher => self.hear_lookout(),
            EventSource::Certificates => self.keep_certificates(),
            EventSource::Control(client) => self.handlers.control.attend(client),
            EventSource::EveryTurn => {}
        }
        Ok(())
    }
}
