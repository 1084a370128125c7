//! One turn of the master's loop: every source registers its descriptors and deadlines, and events are passed to
//! their sources.

use std::os::fd::AsFd;
use std::time::Duration;

use super::control::{self, ControlClients};
use super::shell::Shell;
use super::supervisor::{CompanionId, Event, Generation, Incarnation};
use super::upgrade::second;
use super::workers::{Hearing, Workers};
use super::{
    Error, certificates, condition, configuration_reading, hang, helpers, molds, signals, upgrade,
    watcher_helper, worker_messages,
};
use crate::observability;
use crate::sys::{PollInterest, Turn, clock};

/// A worker or a mold that sends without end is read in turns with the others.
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

/// Waits for events and queues them.
pub fn turn(shell: &mut Shell<'_>) -> Result<(), Error> {
    observability::lookups::report();
    observability::flush_pending();
    observability::statsd::workers(u32::try_from(shell.fleet.workers.count()).unwrap_or(0));
    for source in sources(shell).wait()? {
        attend(shell, source)?;
    }
    condition::tell_service(shell);
    control::take_requests(shell);
    hang::look_for_stacks(
        &mut shell.events,
        &shell.generations,
        &mut shell.fleet.workers,
    );
    helpers::look_for_end(&mut shell.events, &mut shell.helpers, &shell.molds);
    upgrade::advance(shell);
    second::look_for_first_master(shell);
    let due = shell.supervisor.next_timeout();
    if due.is_some_and(|due| due <= shell.events.now()) {
        shell.events.push(Event::Timeout);
    }
    Ok(())
}

fn sources<'a>(shell: &'a Shell<'_>) -> Turn<'a, EventSource> {
    let now = clock::monotonic();
    let mut turn = Turn::default();
    turn.watch(
        EventSource::Signals,
        shell.events.as_fd(),
        PollInterest::Readable,
    );
    for (incarnation, worker) in shell.fleet.workers.iter() {
        if worker.hearing == Hearing::Open {
            let source = EventSource::Worker(incarnation);
            turn.watch(source, worker.channel.as_fd(), PollInterest::Readable);
        }
    }
    for (generation, mold) in shell.molds.iter() {
        for (fd, wanted) in mold.watched() {
            turn.watch(EventSource::Mold(generation), fd, wanted);
        }
    }
    for (companion, output) in shell.helpers.companions.outputs() {
        let source = EventSource::Companion(companion);
        if let Some(pipe) = output.watched() {
            turn.watch(source, pipe, PollInterest::Readable);
        }
        if let Some(due) = output.due() {
            turn.wake(source, due);
        }
    }
    if let Some(asking) = &shell.helpers.reader {
        turn.watch(
            EventSource::Configuration,
            asking.child.as_fd(),
            PollInterest::Readable,
        );
        turn.wake(EventSource::Configuration, asking.until);
    }
    if let Some(reports) = shell.helpers.watcher.as_fd() {
        turn.watch(EventSource::Watcher, reports, PollInterest::Readable);
    }
    if let Some(certificates) = &shell.listening.certificates {
        if let Some(changes) = certificates.as_fd() {
            turn.watch(EventSource::Certificates, changes, PollInterest::Readable);
        }
        turn.wake(EventSource::Certificates, certificates.due());
    }
    for (client, fd, wanted) in shell.clients.control.watched(now) {
        turn.watch(EventSource::Control(client), fd, wanted);
    }
    for (source, at) in deadlines(shell, now) {
        turn.wake(source, at);
    }
    turn
}

/// All deadlines, monotonic.
fn deadlines(shell: &Shell<'_>, now: Duration) -> impl Iterator<Item = (EventSource, Duration)> {
    let every_turn = [
        shell
            .supervisor
            .next_timeout()
            .map(|due| shell.events.began + due.0),
        shell.reporting.service.due(),
        shell.clients.control.due(),
        shell.upgrade.due(),
        // A slow reader of the log is retried often; the channels are still what wakes us.
        observability::is_behind().then_some(now + LOG_RETRY),
        has_waiting_clients(&shell.clients, &shell.fleet.workers).then_some(now + WAITS_RETRY),
    ];
    let due = every_turn.into_iter().flatten();
    due.map(|due| (EventSource::EveryTurn, due))
}

fn has_waiting_clients(clients: &ControlClients, workers: &Workers) -> bool {
    !clients.waits.is_empty() || !clients.stack_requests.is_empty() || hang::awaits_stacks(workers)
}

fn attend(shell: &mut Shell<'_>, source: EventSource) -> Result<(), Error> {
    match source {
        EventSource::Signals => {
            while let Some(arrival) = shell.events.next_signal()? {
                signals::handle(shell, arrival)?;
            }
        }
        EventSource::Worker(incarnation) => {
            worker_messages::receive(shell, incarnation, MESSAGES_A_TURN)
        }
        EventSource::Mold(generation) => molds::receive(shell, generation, MESSAGES_A_TURN),
        EventSource::Companion(companion) => shell.helpers.companions.read(companion),
        EventSource::Configuration => configuration_reading::advance(shell),
        EventSource::Watcher => watcher_helper::receive(&mut shell.events, &shell.helpers.watcher),
        EventSource::Certificates => certificates::advance(shell),
        EventSource::Control(client) => shell.clients.control.attend(client),
        EventSource::EveryTurn => {}
    }
    Ok(())
}
