//! Resolves the settings of a deployment's command and variables as the program itself would, and finds the place of what it rejects.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::configured::{configured, interface_by_name};
use crate::cli::EntryPoint;
use crate::cli::reading::SettingsFailure;
use crate::config::{
    CMD_ARGS, Definition, Error, ErrorSubject, OWN_CMD_ARGS, ProcessEnvironment, ValueType,
    definition, own_variables, understood,
};
use crate::doctor::deployment::{
    CommandWord, DeploymentVariables, MisuseConsequence, MisusedSetting,
};
use crate::doctor::facts::ServerSettings;

/// A command with its variables, of which some may not be known.
pub struct ServerCommand<'a> {
    /// How messages name it.
    pub place: &'a str,
    /// What follows the program.
    pub words: Vec<CommandWord>,
    pub variables: DeploymentVariables,
}

/// The settings, where all that they depend on is known, and what rgun would reject or ignore.
pub fn resolved(
    mut command: ServerCommand<'_>,
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
) -> (Option<ServerSettings>, Vec<MisusedSetting>) {
    let mut misuses = command.unknown_variables();
    let is_complete = command.leave_out_unknown();
    // A path is left out in each turn, so there are no more turns than words and variables.
    loop {
        let words: Vec<OsString> = command.texts().map(OsString::from).collect();
        // The shell's own variables are not those of the deployment.
        let elsewhere = ProcessEnvironment {
            variables: command.values(),
            ..process_environment.clone()
        };
        let error = match configured(&words, &elsewhere, entry) {
            Ok(settings) => {
                let mut server = ServerSettings::of(command.place, &settings);
                let by_name = interface_by_name(&settings.app.module);
                server.is_asgi = server.is_asgi.or(by_name);
                return (Some(server).filter(|_| is_complete), misuses);
            }
            Err(SettingsFailure::Configuration(error)) => error,
            Err(SettingsFailure::Refused(_) | SettingsFailure::Stopped) => return (None, misuses),
        };
        // The deployment may be for another machine.
        if matches!(error, Error::Absent { .. }) && command.leave_out(error.subject()) {
            continue;
        }
        if let Some(place) = command.place_of(error.subject()) {
            misuses.push(MisusedSetting {
                place,
                problem: error.to_string(),
                hint: error.hint().map(str::to_owned),
                consequence: MisuseConsequence::Rejected,
            });
        }
        return (None, misuses);
    }
}

impl ServerCommand<'_> {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|word| word.text.as_deref())
    }

    fn values(&self) -> BTreeMap<String, String> {
        let variables = self.variables.iter();
        variables
            .filter_map(|(name, variable)| Some((name.clone(), variable.value.clone()?)))
            .collect()
    }

    fn unknown_variables(&self) -> Vec<MisusedSetting> {
        let mut misuses = Vec::new();
        for (name, variable) in &self.variables {
            let value = variable.value.clone().unwrap_or_default();
            let (_, warnings) = own_variables(&BTreeMap::from([(name.clone(), value)]));
            misuses.extend(warnings.into_iter().map(|warning| {
                let (problem, hint) = match warning.split_once("; ") {
                    Some((problem, hint)) => (problem.to_owned(), Some(hint.to_owned())),
                    None => (warning, None),
                };
                MisusedSetting {
                    place: variable.place.clone(),
                    problem,
                    hint,
                    consequence: MisuseConsequence::Ignored,
                }
            }));
        }
        misuses
    }

    /// Leaves out the words whose text is not known, with the option in front of each. `false`: settings depend on what is not known.
    fn leave_out_unknown(&mut self) -> bool {
        let mut known: Vec<CommandWord> = Vec::new();
        let mut is_complete = true;
        for word in std::mem::take(&mut self.words) {
            if word.text.is_some() {
                known.push(word);
                continue;
            }
            is_complete = false;
            if known
                .last()
                .is_some_and(|before| before.is(takes_next_word))
            {
                known.pop();
            }
        }
        self.words = known;
        let unknown = self
            .variables
            .iter()
            .filter(|(_, variable)| variable.value.is_none());
        is_complete && unknown.into_iter().all(|(name, _)| !is_source(name))
    }

    /// `false`: it is in none of the files.
    fn leave_out(&mut self, subject: &ErrorSubject) -> bool {
        match subject {
            ErrorSubject::Variable(name) => self.variables.remove(name).is_some(),
            ErrorSubject::Setting(name) => {
                let Some(place) = definition(name).and_then(|one| self.option(one)) else {
                    return false;
                };
                let removed = self.words.remove(place);
                if removed.is(takes_next_word) && place < self.words.len() {
                    self.words.remove(place);
                }
                true
            }
            ErrorSubject::Word(_) | ErrorSubject::Other => false,
        }
    }

    /// `None`: a file of the working directory, which has findings of its own.
    fn place_of(&self, subject: &ErrorSubject) -> Option<String> {
        let at = |place: Option<usize>| {
            let word = place.and_then(|place| self.words.get(place));
            let place = word.map(|word| word.place.as_str());
            Some(place.unwrap_or(self.place).to_owned())
        };
        match subject {
            ErrorSubject::Variable(name) => Some(self.variables.get(name)?.place.clone()),
            ErrorSubject::Setting(name) => at(definition(name).and_then(|one| self.option(one))),
            ErrorSubject::Word(typed) => {
                let begins =
                    |word: &CommandWord| word.is(|text| text.split('=').next() == Some(typed));
                at(self.words.iter().position(begins))
            }
            ErrorSubject::Other => None,
        }
    }

    /// Where an option is; of several the last, which takes effect.
    fn option(&self, definition: &Definition) -> Option<usize> {
        let is = |text: &str| match (text.strip_prefix("--"), text.strip_prefix('-')) {
            (Some(long), _) => {
                let long = long.split('=').next();
                definition.long == long
                    || definition.aliases.iter().any(|alias| Some(*alias) == long)
            }
            (None, Some(short)) => definition.short.is_some_and(|own| short.starts_with(own)),
            // The app.
            (None, None) => definition.long.is_none(),
        };
        self.words.iter().rposition(|word| word.is(is))
    }
}

/// An option whose value is the next word.
fn takes_next_word(word: &str) -> bool {
    let takes =
        |definition: &Definition| definition.kind != ValueType::Switch && definition.bare.is_none();
    match (word.strip_prefix("--"), word.strip_prefix('-')) {
        (Some(long), _) => understood()
            .any(|one| takes(one) && (one.long == Some(long) || one.aliases.contains(&long))),
        (None, Some(short)) => {
            let mut letters = short.chars();
            let only = letters.next().filter(|_| letters.next().is_none());
            only.is_some() && understood().any(|one| takes(one) && one.short == only)
        }
        (None, None) => false,
    }
}

/// Whether a variable may give a setting its value.
fn is_source(name: &str) -> bool {
    let is_own = name.starts_with("RGUN_")
        && own_variables(&BTreeMap::from([(name.to_owned(), "x".to_owned())]))
            .1
            .is_empty();
    is_own
        || [CMD_ARGS, OWN_CMD_ARGS].contains(&name)
        || understood().any(|one| {
            one.variable
                .as_ref()
                .is_some_and(|variable| variable.name == name)
        })
}
