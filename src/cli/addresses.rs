//! The source of an address that cannot be opened, for the error of a start.

use crate::config::{Layers, Origin, Settings};
use crate::master;

/// The addresses as errors name them, with their sources.
pub(super) struct AddressSources(Vec<(String, String)>);

impl AddressSources {
    pub(super) fn of(settings: &Settings, layers: &Layers) -> Self {
        let sources = settings.bind.iter().zip(layers.given("bind"));
        // What was typed just now needs no note.
        let sources = sources.filter(|(_, given)| given.origin != Origin::CommandLine);
        let named = sources
            .map(|(bind, given)| (bind.endpoint.to_string(), given.origin.of("--bind", "bind")));
        Self(named.collect())
    }

    /// A hint on the source, if the error is about one of the addresses.
    pub(super) fn hint(&self, error: &master::Error) -> Option<String> {
        let master::Error::System(error) = error else {
            return None;
        };
        let (_, source) = self
            .0
            .iter()
            .find(|(address, _)| *address == error.object)?;
        Some(format!("the address comes from {source}"))
    }
}
