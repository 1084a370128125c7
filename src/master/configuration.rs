//! Reading the configuration again for a reload: a file in Python is run by a child process, without blocking the
//! loop.

use std::time::Duration;

use super::Error;
use super::generation::{GenerationConfig, Logs, fixed_at_start, logs, plan};
use super::program::{Program, ProgramProcess};
use super::shell::Shell;
use super::supervisor::{ConfigResult, Event, Generation};
use crate::config::Settings;
use crate::observability;
use crate::sys::clock;

/// The source of the settings. Nothing here may block.
pub trait Configuration {
    /// The new settings, or the program that has to be run for them.
    ///
    /// # Errors
    /// What is wrong with them.
    fn read(&self) -> Result<ConfigurationStep, Misconfigured>;

    /// The settings, from the output of that program.
    ///
    /// # Errors
    /// What is wrong with them.
    fn answered(&self, output: &[u8]) -> Result<Settings, Misconfigured>;
}

#[derive(Debug)]
pub enum ConfigurationStep {
    Settings(Box<Settings>),
    Ask(Program),
}

/// Why there are no settings, for the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misconfigured {
    /// One line.
    pub message: String,
    /// The user's own, where there is one.
    pub traceback: Option<String>,
}

impl From<String> for Misconfigured {
    fn from(message: String) -> Self {
        Self {
            message,
            traceback: None,
        }
    }
}

/// Settings that need no other process.
impl<F: Fn() -> Result<Settings, String>> Configuration for F {
    fn read(&self) -> Result<ConfigurationStep, Misconfigured> {
        let settings = self().map_err(Misconfigured::from)?;
        Ok(ConfigurationStep::Settings(Box::new(settings)))
    }

    fn answered(&self, _said: &[u8]) -> Result<Settings, Misconfigured> {
        self().map_err(Misconfigured::from)
    }
}

fn with_hint(error: Error) -> Misconfigured {
    let hint = error.hint().map(|hint| format!(" ({hint})"));
    Misconfigured::from(format!("{error}{}", hint.unwrap_or_default()))
}

/// The program that reads a file.
#[derive(Debug)]
pub(super) struct Asking {
    generation: Generation,
    pub child: ProgramProcess,
    /// Monotonic.
    pub until: Duration,
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
            Ok((settings, certificates))
        });
        let read = read.and_then(|(settings, certificates)| {
            let listeners = self.choose_listeners(&settings).map_err(with_hint)?;
            Ok((settings, certificates, listeners))
        });
        let result = match read {
            Ok((settings, certificates, listeners)) => {
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
                let start = &self.generations.start;
                let mut generation_config =
                    GenerationConfig::new(std::sync::Arc::new(settings), start);
                generation_config.certificates = certificates;
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
