//! Reads arguments, environment and files into layers, in their order of precedence.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use clap_complete::Shell;

use super::command::{COMPLETIONS, MAN, VERSION, command};
use super::usage;
use super::version::VersionDetail;
use crate::config::{
    CMD_ARGS, Error, Files, Layer, Layers, OWN_CMD_ARGS, Origin, ProcessEnvironment, ScriptEffects,
    Settings, SettingsRecord, ValueType, answer, definition, environment, files, idle, location,
    own_variables, question, split, toml, understood,
};

/// What the command line requests.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Ready to be printed, with its colours.
    Help(clap::builder::StyledStr),
    Version(VersionDetail),
    Completions(Shell),
    Manual,
    Run(Box<ConfigurationSources>),
}

/// All sources of a run, except the values of a Python file, which an interpreter has to evaluate.
#[derive(Debug)]
pub(super) struct ConfigurationSources {
    files: Files,
    /// Weaker than the Python file.
    weaker: Vec<Layer>,
    /// Stronger than it.
    stronger: Vec<Layer>,
    /// Warnings, which do not stop the start.
    pub warnings: Vec<String>,
}

/// The settings of the same arguments, resolved anew.
///
/// # Errors
/// The error that `main` would report.
pub fn settings(
    arguments: &[OsString],
    process_environment: &ProcessEnvironment,
) -> Result<Settings, Error> {
    match parse(arguments, process_environment)? {
        Parsed::Run(sources) => {
            let record = sources.record(ScriptEffects::default(), process_environment);
            record.resolve(process_environment).map(|it| it.settings)
        }
        Parsed::Help(_) | Parsed::Version(_) | Parsed::Completions(_) | Parsed::Manual => {
            Err(Error::NoApp)
        }
    }
}

pub(super) fn parse(
    arguments: &[OsString],
    process_environment: &ProcessEnvironment,
) -> Result<Parsed, Error> {
    parse_by(&command(), arguments, process_environment)
}

/// `command`: the help is its own.
pub(super) fn parse_by(
    command: &Command,
    arguments: &[OsString],
    process_environment: &ProcessEnvironment,
) -> Result<Parsed, Error> {
    let variables = &process_environment.variables;
    let mut stronger = Vec::new();
    for variable in [CMD_ARGS, OWN_CMD_ARGS] {
        let Some(text) = variables.get(variable) else {
            continue;
        };
        let words = split(text).map_err(|_| usage::unbalanced(variable))?;
        let words = words.into_iter().map(OsString::from).collect();
        match options(command, words, &Origin::CmdArgs(variable.into()))? {
            Ok(layer) => stronger.push(layer),
            Err(page) => return Ok(page),
        }
    }
    let (own, warnings) = own_variables(variables);
    stronger.push(own);
    if let Some(error) = usage::command_word(arguments) {
        return Err(error);
    }
    match options(command, arguments.to_vec(), &Origin::CommandLine)? {
        Ok(layer) => stronger.push(layer),
        Err(page) => return Ok(page),
    }
    let stronger = Layers::new(stronger);
    let named = stronger.given("config").last();
    let files = files(
        named.map(|given| given.text.as_str()),
        &process_environment.directory,
    )?;
    let mut weaker = vec![environment(variables)];
    if let Some(file) = &files.toml {
        weaker.push(toml(file)?);
    }
    Ok(Parsed::Run(Box::new(ConfigurationSources {
        files,
        weaker,
        stronger: stronger.into_layers(),
        warnings,
    })))
}

impl ConfigurationSources {
    /// All of them, the weakest first.
    pub fn layers(&self) -> Layers {
        Layers::new([self.weaker.as_slice(), self.stronger.as_slice()].concat())
    }

    /// With what the file in Python has done beside its values.
    pub fn record(
        &self,
        effects: ScriptEffects,
        process_environment: &ProcessEnvironment,
    ) -> SettingsRecord {
        SettingsRecord {
            layers: self.layers(),
            effects,
            config_file: self.files.name().map(str::to_owned),
            cpus: process_environment.cpus,
        }
    }

    /// Replaces a class of the user's that an option names by the known class that it is derived from.
    fn replace_class(&mut self, setting: &'static str, class: &str) {
        let stronger = Layers::new(self.stronger.clone());
        if let (Some(given), Some(definition)) =
            (stronger.given(setting).last(), definition(setting))
            && given.text.contains(['.', ':'])
        {
            let mut layer = Layer::default();
            layer.add(definition, class, given.origin.clone());
            self.stronger.push(layer);
        }
    }

    fn asks_for(&self, class: &'static str) -> bool {
        let stronger = Layers::new(self.stronger.clone());
        let given = stronger.given(class).last();
        given.is_some_and(|given| given.text.contains(['.', ':']))
    }

    /// Called once: a reload would only repeat the messages.
    pub fn note(&self) {
        for note in idle(&self.layers()) {
            tracing::info!("{note}");
        }
    }

    pub fn warn(&self) {
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }

    /// The request to an interpreter that completes the sources; `None`: none is needed.
    pub fn question(&self) -> Option<String> {
        let stronger = Layers::new(self.stronger.clone());
        question(self.files.script.as_ref(), &stronger)
    }

    /// The Python that is set, if any.
    pub fn python(&self, process_environment: &ProcessEnvironment) -> Option<PathBuf> {
        let layers = self.layers();
        let given = layers.given("python").last()?;
        Some(process_environment.directory.join(&given.text))
    }

    /// Adds the output of the interpreter to the sources.
    pub fn answered(&mut self, output: &[u8]) -> Result<ScriptEffects, Error> {
        let name = match &self.files.script {
            Some(_) => self.files.script_name.as_str(),
            None if self.asks_for("worker_class") => "--worker-class",
            None => "--logger-class",
        };
        let script_answer = answer(name, output)?;
        self.weaker
            .extend([script_answer.class_options, script_answer.layer]);
        if let Some(class) = script_answer.class {
            self.replace_class("worker_class", &class);
        }
        if let Some(class) = script_answer.logger {
            self.replace_class("logger_class", &class);
        }
        self.warnings.extend(script_answer.warnings);
        Ok(ScriptEffects {
            location: self.files.script.as_ref().map(location),
            directory: PathBuf::new(),
            hooks: script_answer.hooks,
            acts: script_answer.acts,
            environment: script_answer.environment,
            path: script_answer.path,
        })
    }
}

/// The options among those words, or the page that they request instead of a run.
fn options(
    command: &Command,
    words: Vec<OsString>,
    origin: &Origin,
) -> Result<Result<Layer, Parsed>, Error> {
    match command.clone().try_get_matches_from(words) {
        Ok(matches) => Ok(match page(&matches) {
            Some(page) => Err(page),
            None => Ok(layer(&matches, origin)),
        }),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => Ok(Err(Parsed::Help(error.render()))),
            _ => Err(usage::explained(&error, origin)),
        },
    }
}

fn page(matches: &ArgMatches) -> Option<Parsed> {
    if matches.get_flag(MAN) {
        return Some(Parsed::Manual);
    }
    match matches.get_count(VERSION) {
        0 => {}
        1 => return Some(Parsed::Version(VersionDetail::Short)),
        _ => return Some(Parsed::Version(VersionDetail::Full)),
    }
    matches
        .get_one(COMPLETIONS)
        .copied()
        .map(Parsed::Completions)
}

fn layer(matches: &ArgMatches, origin: &Origin) -> Layer {
    let mut layer = Layer::default();
    for definition in understood().filter(|definition| definition.is_option()) {
        if matches.value_source(definition.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        if definition.kind == ValueType::Switch {
            layer.add(
                definition,
                definition.bare.unwrap_or("true"),
                origin.clone(),
            );
        } else {
            for text in matches
                .get_many::<String>(definition.name)
                .into_iter()
                .flatten()
            {
                layer.add(definition, text, origin.clone());
            }
        }
    }
    layer
}
