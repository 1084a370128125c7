//! Which listeners each generation has, from a reload's settings to the end of the last worker that accepts there.

use super::ListenerSet;
use crate::config::Settings;
use crate::master::Error;
use crate::master::generations::Generations;
use crate::master::listening::Listening;
use crate::master::monitor_process::MonitorHelper;
use crate::master::shell::Shell;
use crate::master::supervisor::{Generation, Supervisor};

/// Those of a new generation. Called last: what was opened is closed again when the generation does not come to serve.
pub fn open_for(shell: &mut Shell<'_>, settings: &Settings) -> Result<ListenerSet, Error> {
    let before = shell
        .generations
        .listeners_of(shell.supervisor.generation());
    let (listeners, start) = (&mut shell.listening.listeners, &shell.generations.first);
    let unnamed = listeners.unnamed(settings);
    let set = listeners.follow(settings, start)?;
    if settings.bind != start.bind && !unnamed.is_empty() {
        tracing::warn!(
            addresses = unnamed.join(", "),
            "sockets that were passed in at the start are served as before, a reload does not close them"
        );
    }
    let mut new = set.numbers();
    new.retain(|number| !before.has(*number));
    // Those that were open before may have been given to another user since.
    if let Some(identity) = &shell.fleet.identity {
        listeners.give(&new, identity);
    }
    for address in listeners.addresses_of(&set, &new) {
        tracing::info!(address, "listening, for the new generation");
    }
    Ok(set)
}

/// Whether generation `after` does without a listener of the one that serves.
pub fn gives_up(generations: &Generations<'_>, serving: Generation, after: &ListenerSet) -> bool {
    let before = generations.listeners_of(serving);
    before.members().any(|member| !after.has(member.number))
}

/// Closes the listeners at which no worker accepts any more, or will. Called before workers are ordered to drain: the last
/// process to close a listener empties its queue, and that is one of them.
pub fn close_unwanted(
    generations: &Generations<'_>,
    listening: &mut Listening,
    supervisor: &Supervisor,
) {
    let mut sets = generations.values().map(|config| &config.listeners);
    let first = sets.next();
    let listeners = &mut listening.listeners;
    if first.is_some_and(|first| listeners.are(first) && sets.all(|set| set == first)) {
        return;
    }
    let wanted: Vec<&ListenerSet> = generations
        .iter()
        .filter(|(generation, _)| supervisor.may_accept(*generation))
        .map(|(_, config)| &config.listeners)
        .collect();
    let known: Vec<_> = generations
        .values()
        .map(|config| &config.listeners)
        .chain([&listening.shown])
        .collect();
    let is_wanted = |number| wanted.iter().any(|set| set.has(number));
    for address in listeners.keep_only(is_wanted, &known) {
        tracing::info!(address, "no longer listening");
    }
}

/// That generation serves now: its addresses are shown in `status`, metrics and the monitor's page.
pub fn show(
    generations: &Generations<'_>,
    monitor: &mut MonitorHelper,
    listening: &mut Listening,
    generation: Generation,
) {
    let set = generations.listeners_of(generation);
    let addresses = listening.listeners.addresses(&set);
    if *addresses != *listening.addresses {
        listening.addresses = addresses.into();
        // It was started with the old ones.
        monitor.renew();
    }
    listening.shown = set;
}
