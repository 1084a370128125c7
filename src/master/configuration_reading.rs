//! Reading the configuration again for a reload: in this process, or by a program that is waited for in the loop.

use std::time::Duration;

use super::Error;
use super::configuration::{Asking, ConfigurationStep, Misconfigured};
use super::generation::{GenerationConfig, Logs, fixed_at_start, logs, plan};
use super::shell::Shell;
use super::supervisor::{ConfigResult, Event, Generation};
use crate::config::Settings;
use crate::observability;
use crate::sys::clock;

fn with_hint(error: Error) -> Misconfigured {
    let hint = error.hint().map(|hint| format!(" ({hint})"));
    Misconfigured::from(format!("{error}{}", hint.unwrap_or_default()))
}

impl Shell<'_> {
    pub(super) fn read_config(&mut self, generation: Generation) {
        // The previous one took too long.
        self.stop_asking();
        match self.generations.configuration.read() {
            Ok(ConfigurationStep::Settings(settings)) => {
                self.take_settings(generation, Ok(*settings))
            }
            Ok(ConfigurationStep::Ask(program)) => match program.start() {
                Ok(child) => {
                    let until = clock::monotonic() + self.generations.first.boot_timeout;
                    self.helpers.reader = Some(Asking {
                        generation,
                        child,
                        until,
                    });
                }
                Err(error) => self.take_settings(generation, Err(error.to_string().into())),
            },
            Err(error) => self.take_settings(generation, Err(error)),
        }
    }

    /// Called once per turn.
    pub(super) fn hear_configuration(&mut self) {
        let Some(asking) = &mut self.helpers.reader else {
            return;
        };
        let settings = match asking.child.read_output() {
            Some(output) => self.generations.configuration.answered(&output),
            None if asking.until <= clock::monotonic() => Err(Misconfigured::from(format!(
                "the configuration file took more than {} s",
                self.generations.first.boot_timeout.as_secs()
            ))),
            None => return,
        };
        let generation = asking.generation;
        self.stop_asking();
        self.take_settings(generation, settings);
    }

    /// Also called when it has ended: kills the processes that it may have started.
    fn stop_asking(&mut self) {
        if let Some(asking) = self.helpers.reader.take() {
            asking.child.kill();
        }
    }

    fn take_settings(&mut self, generation: Generation, settings: Result<Settings, Misconfigured>) {
        let possible = |settings: Settings| match self.capacity.check(settings.most_workers()) {
            Ok(()) => Ok(settings),
            Err(error) => Err(Misconfigured::from(error.to_string())),
        };
        let read = settings.and_then(possible).and_then(|mut settings| {
            let first = &self.generations.first;
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
            let certificates = self.read_certificates(&settings).map_err(with_hint)?;
            Ok((settings, certificates, fixed))
        });
        let read = read.and_then(|(settings, certificates, fixed)| {
            let listeners = self.choose_listeners(&settings).map_err(with_hint)?;
            Ok((settings, certificates, fixed, listeners))
        });
        let result = match read {
            Ok((settings, certificates, fixed, listeners)) => {
                // A name server that does not answer blocks neither the loop nor a boot.
                if logs(&self.generations.logging, &settings) == Logs::ToOpen {
                    // Lookups of a reload that failed.
                    observability::lookups::keep(&self.generations.logging.logging);
                    if let Err(error) = observability::lookups::begin(&settings.logging) {
                        tracing::warn!(%error, "host of a log or metrics server is not looked up");
                    }
                }
                let mut plan = plan(&settings, self.capacity);
                if !plan.rollback_window.is_zero() && self.gives_up_listeners(&listeners) {
                    tracing::warn!(
                        "addresses are removed: the generation before is not kept for a rollback"
                    );
                    plan.rollback_window = Duration::ZERO;
                }
                let previews = self.listening.previews.channels_for(&settings);
                let start = &self.generations.start;
                let mut generation_config =
                    GenerationConfig::new(std::sync::Arc::new(settings), start);
                generation_config.certificates = certificates;
                generation_config.needs_restart = fixed;
                generation_config.previews = previews;
                generation_config.listeners = listeners;
                self.generations
                    .generation_configs
                    .insert(generation, generation_config);
                self.follow_certificates();
                ConfigResult::Good(Box::new(plan))
            }
            Err(error) => {
                self.reporting.event_log.config_error = error;
                ConfigResult::Bad
            }
        };
        self.events
            .pending
            .push_back(Event::ConfigRead { generation, result });
    }
}
