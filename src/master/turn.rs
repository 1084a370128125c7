//! One turn of the master's loop: every source registers its descriptors and deadlines, and events are passed to
//! their sources.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Error;
use super::control;
use super::shell::Shell;
use super::supervisor::{Event, Generation, Incarnation};
use super::workers::Hearing;
use crate::observability;
use crate::sys::{Turn, Wanted, clock};

/// A worker that sends without end is read in turns with the others.
const MESSAGES_A_TURN: usize = 16;

/// Delay before lines that the log's reader did not accept are retried.
const LOG_RETRY: Duration = Duration::from_millis(100);

/// Interval of checks for clients that wait for something without an event: an idle server, written stacks.
const WAITS_RETRY: Duration = Duration::from_millis(25);

/// The event sources of the master, in the order in which they are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Before the workers' messages: one that got SIGTERM together with us is not replaced.
    Signals,
    Worker(Incarnation),
    Mold(Generation),
    Configuration,
    Watcher,
    Certificates,
    Control(control::Source),
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
        let due = self.supervisor.next_timeout();
        if due.is_some_and(|due| due <= self.now()) {
            self.events.pending.push_back(Event::Timeout);
        }
        Ok(())
    }

    fn sources(&self) -> Turn<'_, Source> {
        let now = clock::monotonic();
        let mut turn = Turn::default();
        turn.watch(
            Source::Signals,
            self.events.signals.as_fd(),
            Wanted::Readable,
        );
        for (incarnation, worker) in self.fleet.workers.iter() {
            if worker.hearing == Hearing::Open {
                let source = Source::Worker(incarnation);
                turn.watch(source, worker.channel.as_fd(), Wanted::Readable);
            }
        }
        for (generation, mold) in self.molds.iter() {
            for (fd, wanted) in mold.watched() {
                turn.watch(Source::Mold(generation), fd, wanted);
            }
        }
        if let Some(asking) = &self.helpers.reader {
            turn.watch(
                Source::Configuration,
                asking.child.as_fd(),
                Wanted::Readable,
            );
            turn.wake(Source::Configuration, asking.until);
        }
        if let Some(reports) = self.helpers.watcher.as_fd() {
            turn.watch(Source::Watcher, reports, Wanted::Readable);
        }
        if let Some(certificates) = &self.listening.certificates {
            if let Some(changes) = certificates.as_fd() {
                turn.watch(Source::Certificates, changes, Wanted::Readable);
            }
            turn.wake(Source::Certificates, certificates.due());
        }
        for (client, fd, wanted) in self.desk.control.watched(now) {
            turn.watch(Source::Control(client), fd, wanted);
        }
        for (source, at) in self.deadlines(now) {
            turn.wake(source, at);
        }
        turn
    }

    /// All deadlines, monotonic.
    fn deadlines(&self, now: Duration) -> impl Iterator<Item = (Source, Duration)> {
        let every_turn = [
            self.supervisor
                .next_timeout()
                .map(|due| self.events.began + due.0),
            self.reporting.service.due(),
            self.desk.control.due(),
            self.upgrade.due(),
            // A slow reader of the log is retried often; the channels are still what wakes us.
            observability::is_behind().then_some(now + LOG_RETRY),
            self.has_waiting_clients().then_some(now + WAITS_RETRY),
        ];
        let due = every_turn.into_iter().flatten();
        due.map(|due| (Source::EveryTurn, due))
    }

    fn has_waiting_clients(&self) -> bool {
        !self.desk.waits.is_empty() || !self.desk.errands.is_empty() || self.awaits_stacks()
    }

    fn attend(&mut self, source: Source) -> Result<(), Error> {
        match source {
            Source::Signals => {
                while let Some(arrival) = self.events.signals.next()? {
                    self.signal(arrival)?;
                }
            }
            Source::Worker(incarnation) => self.listen(incarnation, MESSAGES_A_TURN),
            Source::Mold(generation) => self.hear_mold_in_turn(generation),
            Source::Configuration => self.hear_configuration(),
            Source::Watcher => self.hear_lookout(),
            Source::Certificates => self.keep_certificates(),
            Source::Control(client) => self.desk.control.attend(client),
            Source::EveryTurn => {}
        }
        Ok(())
    }
}
