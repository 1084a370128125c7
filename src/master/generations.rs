//! The settings of all generations, and their source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::Error;
use super::configuration::Configuration;
use super::generation::GenerationConfig;
use super::listeners::ListenerSet;
use super::supervisor::Generation;
use crate::config::Settings;
use crate::sys;

pub struct Generations<'a> {
    configs: BTreeMap<Generation, GenerationConfig>,
    /// Of the start: what a reload does not change.
    pub first: Arc<Settings>,
    /// The settings whose logs are open.
    pub logging: Arc<Settings>,
    /// The directory in which the server was started, as the user named it.
    pub start: PathBuf,
    pub configuration: &'a dyn Configuration,
}

impl<'a> Generations<'a> {
    pub fn new(
        first: GenerationConfig,
        start: PathBuf,
        configuration: &'a dyn Configuration,
    ) -> Self {
        let settings = Arc::clone(&first.settings);
        Self {
            configs: BTreeMap::from([(Generation(1), first)]),
            first: Arc::clone(&settings),
            logging: settings,
            start,
            configuration,
        }
    }

    /// Those that another program has begun, in place of the first.
    pub fn restore(&mut self, configs: impl IntoIterator<Item = (Generation, GenerationConfig)>) {
        self.configs = configs.into_iter().collect();
    }

    pub fn get(&self, generation: Generation) -> Option<&GenerationConfig> {
        self.configs.get(&generation)
    }

    pub fn get_mut(&mut self, generation: Generation) -> Option<&mut GenerationConfig> {
        self.configs.get_mut(&generation)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Generation, &GenerationConfig)> + Clone {
        self.configs
            .iter()
            .map(|(generation, config)| (*generation, config))
    }

    pub fn values(&self) -> impl Iterator<Item = &GenerationConfig> + Clone {
        self.configs.values()
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut GenerationConfig> {
        self.configs.values_mut()
    }

    pub fn insert(&mut self, generation: Generation, config: GenerationConfig) {
        self.configs.insert(generation, config);
    }

    pub fn remove(&mut self, generation: Generation) {
        self.configs.remove(&generation);
    }

    /// The settings of that generation, and what belongs to them, for a process that is forked from it.
    ///
    /// # Errors
    /// There is no such generation.
    pub fn config(&self, generation: Generation) -> Result<GenerationConfig, Error> {
        let missing = || std::io::Error::other(format!("no settings for generation {generation}"));
        let known = self.get(generation);
        let known = known.ok_or_else(|| sys::Error::new("fork", "", missing()))?;
        Ok(known.clone())
    }

    /// Those of that generation; where it is not known, those of the start.
    pub fn settings_of(&self, generation: Generation) -> &Settings {
        let config = self.get(generation);
        config.map_or(&self.first, |config| &config.settings)
    }

    pub fn listeners_of(&self, generation: Generation) -> ListenerSet {
        let config = self.get(generation);
        config.map_or_else(ListenerSet::default, |config| config.listeners.clone())
    }
}
