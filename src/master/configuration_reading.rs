//! Reading the configuration again for a reload: in this process, or by a program that is waited for in the loop.

use std::time::Duration;

use super::configuration::{Asking, ConfigurationStep, Misconfigured};
use super::generation::{GenerationConfig, Logs, fixed_at_start, logs, plan};
use super::shell::Shell;
use super::supervisor::{ConfigResult, Event, Generation};
use super::{Error, certificates, listeners};
use crate::config::Settings;
use crate::observability;
use crate::sys::clock;

fn with_hint(error: Error) -> Misconfigured {
    let hint = error.hint().map(|hint| format!(" ({hint})"));
    Misconfigured::from(format!("{error}{}", hint.unwrap_or_default()))
}

pub fn begin(shell: &mut Shell<'_>, generation: Generation) {
    // The previous one took too long.
    shell.helpers.stop_reader();
    match shell.generations.configuration.read() {
        Ok(ConfigurationStep::Settings(settings)) => {
            take_settings(shell, generation, Ok(*settings))
        }
        Ok(ConfigurationStep::Ask(program)) => match program.start() {
            Ok(child) => {
                let until = clock::monotonic() + shell.generations.first.boot_timeout;
                shell.helpers.reader = Some(Asking {
                    generation,
                    child,
                    until,
                });
            }
            Err(error) => take_settings(shell, generation, Err(error.to_string().into())),
        },
        Err(error) => take_settings(shell, generation, Err(error)),
    }
}

/// Called once per turn.
pub fn advance(shell: &mut Shell<'_>) {
    let Some(asking) = &mut shell.helpers.reader else {
        return;
    };
    let settings = match asking.child.read_output() {
        Some(output) => shell.generations.configuration.answered(&output),
        None if asking.until <= clock::monotonic() => Err(Misconfigured::from(format!(
            "the configuration file took more than {} s",
            shell.generations.first.boot_timeout.as_secs()
        ))),
        None => return,
    };
    let generation = asking.generation;
    shell.helpers.stop_reader();
    take_settings(shell, generation, settings);
}

fn take_settings(
    shell: &mut Shell<'_>,
    generation: Generation,
    settings: Result<Settings, Misconfigured>,
) {
    let possible = |settings: Settings| match shell.capacity.check(settings.most_workers()) {
        Ok(()) => Ok(settings),
        Err(error) => Err(Misconfigured::from(error.to_string())),
    };
    let read = settings.and_then(possible).and_then(|mut settings| {
        let first = &shell.generations.first;
        let fixed = fixed_at_start(first, &settings);
        if !fixed.is_empty() {
            tracing::warn!(
                settings = fixed.join(", "),
                "changed settings that only a restart applies"
            );
        }
        if first.tls.is_none() || settings.tls.is_none() {
            settings.tls.clone_from(&first.tls);
        }
        let certificates = certificates::read(&shell.listening, &settings).map_err(with_hint)?;
        Ok((settings, certificates, fixed))
    });
    let read = read.and_then(|(settings, certificates, fixed)| {
        let listeners = listeners::open_for(shell, &settings).map_err(with_hint)?;
        Ok((settings, certificates, fixed, listeners))
    });
    let result = match read {
        Ok((settings, certificates, fixed, listeners)) => {
            // A name server that does not answer blocks neither the loop nor a boot.
            if logs(&shell.generations.logging, &settings) == Logs::ToOpen {
                // Lookups of a reload that failed.
                observability::lookups::keep(&shell.generations.logging.logging);
                if let Err(error) = observability::lookups::begin(&settings.logging) {
                    tracing::warn!(%error, "host of a log or metrics server is not looked up");
                }
            }
            let mut plan = plan(&settings, shell.capacity);
            if !plan.rollback_window.is_zero()
                && listeners::gives_up(
                    &shell.generations,
                    shell.supervisor.generation(),
                    &listeners,
                )
            {
                tracing::warn!(
                    "addresses are removed: the generation before is not kept for a rollback"
                );
                plan.rollback_window = Duration::ZERO;
            }
            let previews = shell.listening.previews.channels_for(&settings);
            let start = &shell.generations.start;
            let mut generation_config = GenerationConfig::new(std::sync::Arc::new(settings), start);
            generation_config.certificates = certificates;
            generation_config.needs_restart = fixed;
            generation_config.previews = previews;
            generation_config.listeners = listeners;
            shell.generations.insert(generation, generation_config);
            certificates::follow(
                &shell.generations,
                &mut shell.listening,
                shell.supervisor.generation(),
            );
            ConfigResult::Good(Box::new(plan))
        }
        Err(error) => {
            shell.reporting.event_log.config_error = error;
            ConfigResult::Bad
        }
    };
    shell.events.push(Event::ConfigRead { generation, result });
}
