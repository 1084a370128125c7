//! What settings were resolved from: another program, or a later moment, can resolve them again.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Error, HookScript, Layers, ProcessEnvironment, Resolved, Settings, cfg, resolve};

/// The texts of all sources as they were read. They mean the same to every release, as a command line does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRecord {
    pub layers: Layers,
    pub effects: ScriptEffects,
    /// As messages name it.
    pub config_file: Option<String>,
    /// What `--workers auto` meant.
    pub cpus: u32,
}

/// The effects of a configuration file in Python beside its settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptEffects {
    pub location: Option<String>,
    /// Where it was run.
    pub directory: PathBuf,
    pub hooks: Vec<String>,
    pub acts: bool,
    pub environment: Vec<(String, String)>,
    pub path: Vec<String>,
}

impl SettingsRecord {
    /// # Errors
    /// What is wrong with them.
    pub fn resolve(self, process_environment: &ProcessEnvironment) -> Result<Resolved, Error> {
        let process_environment = ProcessEnvironment {
            cpus: self.cpus,
            ..process_environment.clone()
        };
        let mut resolved = resolve(&self.layers, &process_environment)?;
        let settings = &mut resolved.settings;
        settings.config_file.clone_from(&self.config_file);
        self.effects.complete(settings, &self.layers);
        settings.record = Some(Arc::new(self));
        Ok(resolved)
    }
}

impl ScriptEffects {
    /// Applies the file's changes of its process to the workers; explicit settings take precedence over them.
    fn complete(&self, settings: &mut Settings, layers: &Layers) {
        // A file with effects beyond its values is run again in the process that workers are forked from.
        if let Some(location) = self.location.as_ref().filter(|_| self.acts) {
            settings.hooks = Some(Arc::new(HookScript {
                location: location.clone(),
                names: self.hooks.clone(),
                cfg: cfg(layers, settings),
                directory: self.directory.clone(),
                environment: self.environment.clone(),
            }));
            return;
        }
        let mut env = self.environment.clone();
        env.append(&mut settings.env);
        settings.env = env;
        settings
            .pythonpath
            .extend(self.path.iter().map(PathBuf::from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, Origin, definition};

    fn process_environment() -> ProcessEnvironment {
        ProcessEnvironment {
            variables: std::collections::BTreeMap::new(),
            directory: "/srv".into(),
            cpus: 64,
        }
    }

    fn record() -> SettingsRecord {
        let (mut weak, mut strong) = (Layer::default(), Layer::default());
        let line = Origin::Toml {
            file: "rgun.toml".into(),
            line: 3,
            excerpt: Some("workers = 2".into()),
        };
        weak.add(definition("workers").unwrap(), "2", line);
        weak.add(
            definition("wsgi_app").unwrap(),
            "site1",
            Origin::Variable("APP".into()),
        );
        strong.add(
            definition("workers").unwrap(),
            "auto",
            Origin::CmdArgs("X".into()),
        );
        strong.add(definition("bind").unwrap(), ":1", Origin::CommandLine);
        strong.add(
            definition("bind").unwrap(),
            ":2",
            Origin::Python("conf.py".into()),
        );
        SettingsRecord {
            layers: Layers::new(vec![weak, strong]),
            effects: ScriptEffects {
                environment: vec![("A".to_owned(), "b".to_owned())],
                path: vec!["/lib".to_owned()],
                ..ScriptEffects::default()
            },
            config_file: Some("conf.py".to_owned()),
            cpus: 3,
        }
    }

    #[test]
    fn another_program_resolves_the_same_settings() {
        let settings = record().resolve(&process_environment()).unwrap().settings;
        assert_eq!((settings.workers, settings.bind.len()), (3, 2));
        assert_eq!(settings.env, [("A".to_owned(), "b".to_owned())]);
        let text = serde_json::to_string(&settings.record).unwrap();
        let read: SettingsRecord = serde_json::from_str(&text).unwrap();
        let again = read.resolve(&process_environment()).unwrap().settings;
        assert_eq!(again, settings);
    }

    #[test]
    fn what_only_a_later_release_writes_is_left_out() {
        let text = serde_json::to_string(&record()).unwrap();
        let later = text
            .replacen("\"cpus\"", "\"of_later\":1,\"cpus\"", 1)
            .replacen("\"bind\":", "\"setting_of_later\":", 1);
        let read: SettingsRecord = serde_json::from_str(&later).unwrap();
        assert!(read.layers.given("bind").is_empty());
        assert_eq!(read.layers.given("workers").len(), 1);
        assert!(read.resolve(&process_environment()).is_ok());
    }
}
