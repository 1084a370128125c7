//! From arguments and environment to a run: the sources as layers, in their order. It prints nothing and starts nothing.

use std::ffi::OsString;

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;

use super::command::command;
use super::usage;
use crate::config::{
    CMD_ARGS, Error, Kind, Layer, Layers, Origin, Resolved, Settings, Surroundings, definitions,
    environment, resolve, split,
};

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Parsed {
    /// Ready to be printed, with its colours.
    Help(clap::builder::StyledStr),
    Version,
    Run(Box<Resolved>),
}

/// The settings of the same arguments, resolved anew.
///
/// # Errors
/// What `main` would report.
pub fn settings(arguments: &[OsString], surroundings: &Surroundings) -> Result<Settings, Error> {
    match parse(arguments, surroundings)? {
        Parsed::Run(resolved) => Ok(resolved.settings),
        Parsed::Help(_) | Parsed::Version => Err(Error::NoApp),
    }
}

pub(super) fn parse(arguments: &[OsString], surroundings: &Surroundings) -> Result<Parsed, Error> {
    let words = match surroundings.variables.get(CMD_ARGS) {
        Some(text) => split(text).map_err(|_| usage::unbalanced())?,
        None => Vec::new(),
    };
    let mut layers = vec![environment(&surroundings.variables)];
    let sources = [
        (
            words.into_iter().map(OsString::from).collect(),
            Origin::CmdArgs,
        ),
        (arguments.to_vec(), Origin::CommandLine),
    ];
    for (words, origin) in sources {
        match command().try_get_matches_from(words) {
            Ok(matches) => layers.push(layer(&matches, origin)),
            Err(error) => match error.kind() {
                ErrorKind::DisplayHelp => return Ok(Parsed::Help(error.render())),
                ErrorKind::DisplayVersion => return Ok(Parsed::Version),
                _ => return Err(usage::explained(&error, origin)),
            },
        }
    }
    resolve(&Layers::new(layers), surroundings).map(|resolved| Parsed::Run(Box::new(resolved)))
}

fn layer(matches: &ArgMatches, origin: Origin) -> Layer {
    let mut layer = Layer::default();
    for definition in definitions() {
        if matches.value_source(definition.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        if definition.kind == Kind::Switch {
            layer.add(definition, "", origin);
        } else {
            for text in matches
                .get_many::<String>(definition.name)
                .into_iter()
                .flatten()
            {
                layer.add(definition, text, origin);
            }
        }
    }
    layer
}
