//! Opens the preview sockets of a stage.

use super::binds::Binds;
use super::shell::Shell;
use super::supervisor::{Generation, Token};
use crate::config::preview_address;

impl Shell<'_> {
    /// Workers learn which generation is held before anybody is answered that it is, and before its workers stop.
    pub(super) fn show_held(&self) {
        if self.listening.previews.channels.is_none() {
            return;
        }
        let held = self.supervisor.held();
        let held = held.filter(|held| self.has_same_listeners(*held));
        let is_sticky = held.is_some_and(|held| self.has_sticky_visitors(held));
        (self.fleet.scoreboard).set_held(held.map(|held| u64::from(held.0)), is_sticky);
    }

    /// It is a canary, and the workers of both versions know the same cookie.
    fn has_sticky_visitors(&self, canary: Generation) -> bool {
        let serving = self.supervisor.generation();
        let cookie = |generation| {
            let config = self.generations.generation_configs.get(&generation)?;
            config.settings.canary_cookie.as_ref()
        };
        self.supervisor.is_canary()
            && self.listening.previews.without_way_back != Some(serving)
            && cookie(canary).is_some_and(|name| cookie(serving) == Some(name))
    }

    /// As the serving one: workers of both name a listener by its place among them.
    pub(super) fn has_same_listeners(&self, generation: Generation) -> bool {
        self.listener_set(generation) == self.listener_set(self.supervisor.generation())
    }

    pub(super) fn note_canary(&self, generation: Generation) {
        let configs = &self.generations.generation_configs;
        let config = configs.get(&generation);
        let wanted = config.is_some_and(|config| config.settings.canary_cookie.is_some());
        let works = self.has_same_listeners(generation) && self.has_sticky_visitors(generation);
        if wanted && !works {
            tracing::warn!(
                generation = generation.0,
                "--canary-cookie is without effect: the generation that serves has other addresses, or was started without it"
            );
        }
    }

    pub(super) fn note_held(&self, generation: Generation) {
        let configs = &self.generations.generation_configs;
        let config = configs.get(&generation);
        let wanted = config.is_some_and(|config| config.settings.preview_header.is_some());
        if wanted && !self.has_same_listeners(generation) {
            tracing::warn!(
                generation = generation.0,
                "--preview-header is without effect: the generation has other addresses than the one that serves"
            );
        }
    }

    /// Called before the stage is begun, so that an unusable address changes nothing.
    pub(super) fn open_preview(
        &mut self,
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
        let settings = &self.generations.first;
        let binds = Binds::open_preview(&read, settings).map_err(|error| error.to_string())?;
        if let Some(identity) = &self.fleet.identity {
            binds.give(identity);
        }
        self.listening.previews.asked.insert(token, binds);
        Ok(())
    }
}
