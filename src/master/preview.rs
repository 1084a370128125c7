//! Opens the preview sockets of a stage.

use super::binds::Binds;
use super::error::Error;
use super::generations::Generations;
use super::listeners::has_to_be_looked_up;
use super::previews::Previews;
use super::shell::Shell;
use super::supervisor::{Generation, Supervisor, Token};
use super::worker_processes::WorkerProcesses;
use crate::config::preview_address;

/// Workers learn which generation is held before anybody is answered that it is, and before its workers stop.
pub fn show_held(shell: &Shell<'_>) {
    if shell.listening.previews.channels.is_none() {
        return;
    }
    let held = shell.supervisor.held();
    let held = held.filter(|held| {
        has_same_listeners(&shell.generations, shell.supervisor.generation(), *held)
    });
    let is_sticky = held.is_some_and(|held| {
        has_sticky_visitors(
            &shell.generations,
            &shell.listening.previews,
            &shell.supervisor,
            held,
        )
    });
    (shell.fleet.scoreboard).set_held(held.map(|held| u64::from(held.0)), is_sticky);
}

/// It is a canary, and the workers of both versions know the same cookie.
fn has_sticky_visitors(
    generations: &Generations<'_>,
    previews: &Previews,
    supervisor: &Supervisor,
    canary: Generation,
) -> bool {
    let serving = supervisor.generation();
    let cookie = |generation| {
        let config = generations.get(generation)?;
        config.settings.canary_cookie.as_ref()
    };
    supervisor.is_canary()
        && previews.without_way_back != Some(serving)
        && cookie(canary).is_some_and(|name| cookie(serving) == Some(name))
}

/// As the serving one: workers of both name a listener by its place among them.
fn has_same_listeners(
    generations: &Generations<'_>,
    serving: Generation,
    generation: Generation,
) -> bool {
    generations.listeners_of(generation) == generations.listeners_of(serving)
}

pub fn note_canary(
    generations: &Generations<'_>,
    previews: &Previews,
    supervisor: &Supervisor,
    generation: Generation,
) {
    let config = generations.get(generation);
    let wanted = config.is_some_and(|config| config.settings.canary_cookie.is_some());
    let works = has_same_listeners(generations, supervisor.generation(), generation)
        && has_sticky_visitors(generations, previews, supervisor, generation);
    if wanted && !works {
        tracing::warn!(
            generation = generation.0,
            "--canary-cookie is without effect: the generation that serves has other addresses, or was started without it"
        );
    }
}

pub fn note_held(generations: &Generations<'_>, serving: Generation, generation: Generation) {
    let config = generations.get(generation);
    let wanted = config.is_some_and(|config| config.settings.preview_header.is_some());
    if wanted && !has_same_listeners(generations, serving, generation) {
        tracing::warn!(
            generation = generation.0,
            "--preview-header is without effect: the generation has other addresses than the one that serves"
        );
    }
}

/// Called before the stage is begun, so that an unusable address changes nothing.
pub fn open(
    fleet: &WorkerProcesses,
    generations: &Generations<'_>,
    previews: &mut Previews,
    token: Token,
    addresses: &[String],
) -> Result<(), String> {
    if addresses.is_empty() {
        return Ok(());
    }
    let read = addresses
        .iter()
        .map(|address| preview_address(address, "--bind"));
    let read = read.collect::<Result<Vec<_>, _>>()?;
    if let Some(name) = read.iter().find(|bind| has_to_be_looked_up(&bind.endpoint)) {
        let error = Error::NameAtReload(name.endpoint.to_string());
        return Err(format!("{error}; write the address in numbers"));
    }
    let settings = &generations.first;
    let binds = Binds::open_preview(&read, settings).map_err(|error| error.to_string())?;
    if let Some(identity) = &fleet.identity {
        binds.give(identity);
    }
    previews.asked.insert(token, binds);
    Ok(())
}
