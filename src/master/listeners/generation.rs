//! Which listeners each generation has, from a reload's settings to the end of the last worker that accepts there.

use super::ListenerSet;
use crate::config::Settings;
use crate::master::Error;
use crate::master::shell::Shell;
use crate::master::supervisor::Generation;

impl Shell<'_> {
    /// Those of a new generation. Called last: what was opened is closed again when the generation does not come to serve.
    pub(in crate::master) fn choose_listeners(
        &mut self,
        settings: &Settings,
    ) -> Result<ListenerSet, Error> {
        let before = self.listener_set(self.supervisor.generation());
        let (listeners, start) = (&mut self.listening.listeners, &self.generations.first);
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
        if let Some(identity) = &self.fleet.identity {
            listeners.give(&new, identity);
        }
        for address in listeners.addresses_of(&set, &new) {
            tracing::info!(address, "listening, for the new generation");
        }
        Ok(set)
    }

    pub(in crate::master) fn listener_set(&self, generation: Generation) -> ListenerSet {
        let generation_config = self.generations.generation_configs.get(&generation);
        generation_config.map_or_else(ListenerSet::default, |it| it.listeners.clone())
    }

    /// Whether generation `after` does without a listener of the one that serves.
    pub(in crate::master) fn gives_up_listeners(&self, after: &ListenerSet) -> bool {
        let before = self.listener_set(self.supervisor.generation());
        before.members().any(|member| !after.has(member.number))
    }

    /// Closes the listeners at which no worker accepts any more, or will. Called before workers are ordered to drain: the last
    /// process to close a listener empties its queue, and that is one of them.
    pub(in crate::master) fn close_unwanted_listeners(&mut self) {
        let configs = self.generations.generation_configs.iter();
        let mut sets = configs.map(|(_, config)| &config.listeners);
        let first = sets.next();
        let listeners = &mut self.listening.listeners;
        if first.is_some_and(|first| listeners.are(first) && sets.all(|set| set == first)) {
            return;
        }
        let configs = self.generations.generation_configs.iter();
        let wanted: Vec<&ListenerSet> = configs
            .filter(|(generation, _)| self.supervisor.may_accept(**generation))
            .map(|(_, config)| &config.listeners)
            .collect();
        let configs = self.generations.generation_configs.values();
        let known: Vec<_> = configs
            .map(|config| &config.listeners)
            .chain([&self.listening.shown])
            .collect();
        let is_wanted = |number| wanted.iter().any(|set| set.has(number));
        for address in listeners.keep_only(is_wanted, &known) {
            tracing::info!(address, "no longer listening");
        }
    }

    /// That generation serves now: its addresses are shown in `status`, metrics and the monitor's page.
    pub(in crate::master) fn show_listeners(&mut self, generation: Generation) {
        let set = self.listener_set(generation);
        let addresses = self.listening.listeners.addresses(&set);
        if *addresses != *self.listening.addresses {
            self.listening.addresses = addresses.into();
            // It was started with the old ones.
            self.helpers.monitor.renew();
        }
        self.listening.shown = set;
    }
}
