//! The settings of the generations that the program before has begun: their workers are replaced with these, whatever the
//! configuration has become.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::config::Settings;
use crate::master::certificates::CertificatesState;
use crate::master::configuration::{Configuration, Misconfigured};
use crate::master::supervisor::Generation;

pub struct RestoredSettings<'a> {
    pub configuration: &'a dyn Configuration,
    /// By this program, at its start.
    pub read: &'a Arc<Settings>,
    pub records: BTreeMap<Generation, Value>,
    pub certificates: Option<&'a CertificatesState>,
}

impl RestoredSettings<'_> {
    pub fn of(&mut self, generation: Generation) -> Arc<Settings> {
        let record = self.records.remove(&generation);
        let restored = match record {
            Some(record) => self.configuration.restored(record),
            None => Err(Misconfigured::from(
                "the program before has not handed them over".to_owned(),
            )),
        };
        match restored {
            Ok(settings) => Arc::new(self.with_tls(generation, settings)),
            Err(error) => {
                tracing::warn!(
                    generation = generation.0,
                    error = error.message,
                    "settings of a generation cannot be restored, workers that are replaced get those of the configuration as it is now"
                );
                Arc::clone(self.read)
            }
        }
    }

    /// Whether there is TLS is decided at the start, and a generation may have been begun by settings that wanted the other.
    fn with_tls(&self, generation: Generation, mut settings: Settings) -> Settings {
        let encrypted = (self.certificates).is_some_and(|state| state.has(generation));
        if !encrypted {
            settings.tls = None;
        } else if settings.tls.is_none() {
            settings.tls.clone_from(&self.read.tls);
        }
        settings
    }
}
