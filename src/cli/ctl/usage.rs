//! clap's errors about `rgun ctl` as rgun's own messages, with a suggestion.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::failure::CtlFailure;

/// Never suggested for a mistyped verb.
const NEVER_SUGGESTED: &str = "stop";

pub fn explained(error: &clap::Error, command: &Command) -> CtlFailure {
    let context = |kind| texts(error.get(kind)).into_iter().next();
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            CtlFailure::new("no verb was given").hint(verbs(command))
        }
        ErrorKind::InvalidSubcommand => {
            let typed = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = texts(error.get(ContextKind::SuggestedSubcommand));
            // The last one is the nearest.
            let near = near.iter().rfind(|verb| *verb != NEVER_SUGGESTED);
            CtlFailure::new(format!("there is no verb `{typed}`")).hint(match near {
                Some(verb) => format!("did you mean `{verb}`?"),
                None => verbs(command),
            })
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let failure = CtlFailure::new(format!("there is no option {}", word(&argument)));
            match context(ContextKind::SuggestedArg) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint("`rgun ctl VERB --help` lists them"),
            }
        }
        ErrorKind::UnknownArgument => CtlFailure::new(format!("unexpected argument `{argument}`"))
            .hint("`rgun ctl VERB --help` shows what a verb takes"),
        ErrorKind::MissingRequiredArgument => CtlFailure::new(format!("{argument} is missing"))
            .hint("`rgun ctl VERB --help` shows what a verb takes"),
        ErrorKind::InvalidValue if value.is_empty() => {
            CtlFailure::new(format!("{} needs a value", word(&argument)))
        }
        ErrorKind::InvalidValue => {
            let known = texts(error.get(ContextKind::ValidValue)).join(", ");
            CtlFailure::new(format!("{argument}: `{value}` is none"))
                .hint(format!("there are {known}"))
        }
        ErrorKind::ValueValidation => CtlFailure::new(format!(
            "{argument}: `{value}` is not a number of that kind"
        )),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).unwrap_or_default();
            CtlFailure::new(format!("{argument} and {other} exclude each other"))
        }
        // Any other error of clap's: its first line.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            CtlFailure::new(first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

fn verbs(command: &Command) -> String {
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    format!(
        "there are {}; `rgun ctl --help` explains them",
        names.join(", ")
    )
}

/// clap names an option as in its usage, `--timeout <SECONDS>`.
fn word(argument: &str) -> &str {
    argument.split([' ', '=']).next().unwrap_or(argument)
}

fn texts(value: Option<&ContextValue>) -> Vec<String> {
    match value {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}
