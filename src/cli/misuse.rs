//! clap's errors about the arguments of `rgun ctl`, `rgun init` and `rgun doctor` as rgun's own messages, with a suggestion.

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Exit code of wrong usage.
pub(super) const USAGE: u8 = 2;

/// Never suggested for a mistyped verb of `rgun ctl`.
const NEVER_SUGGESTED: &str = "stop";

/// Why arguments of a command are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Misuse {
    pub message: String,
    pub hint: Option<String>,
}

impl Misuse {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
        }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

/// `command`: of `rgun ctl`, `rgun init` or `rgun doctor`.
pub(super) fn explained(error: &clap::Error, command: &Command) -> Misuse {
    let context = |kind| texts(error.get(kind)).into_iter().next();
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue).unwrap_or_default();
    let name = command.get_name();
    let page = if command.has_subcommands() {
        format!("`{name} VERB --help`")
    } else {
        format!("`{name} --help`")
    };
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Misuse::new("no verb was given").hint(verbs(command))
        }
        ErrorKind::InvalidSubcommand => {
            let typed = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            let near = texts(error.get(ContextKind::SuggestedSubcommand));
            // The last one is the nearest.
            let near = near.iter().rfind(|verb| *verb != NEVER_SUGGESTED);
            let near = near
                .map(String::as_str)
                .or_else(|| mistyped(&typed, command));
            Misuse::new(format!("there is no verb `{typed}`")).hint(match near {
                Some(verb) => format!("did you mean `{verb}`?"),
                None => verbs(command),
            })
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let misuse = Misuse::new(format!("there is no option {}", word(&argument)));
            match context(ContextKind::SuggestedArg) {
                Some(near) => misuse.hint(format!("did you mean `{near}`?")),
                None => misuse.hint(format!("{page} lists them")),
            }
        }
        ErrorKind::UnknownArgument => Misuse::new(format!("unexpected argument `{argument}`"))
            .hint(format!("{page} shows what it takes")),
        ErrorKind::MissingRequiredArgument => {
            let misuse = Misuse::new(format!("{argument} is missing"));
            match choices(command, &argument) {
                Some(choices) => misuse.hint(format!("there are {choices}; {page} explains them")),
                None => misuse.hint(format!("{page} shows what it takes")),
            }
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            Misuse::new(format!("{} needs a value", word(&argument)))
        }
        ErrorKind::InvalidValue => {
            let known = texts(error.get(ContextKind::ValidValue)).join(", ");
            let misuse = Misuse::new(format!("{argument} cannot be `{value}`"));
            match context(ContextKind::SuggestedValue) {
                Some(near) => misuse.hint(format!("did you mean `{near}`?")),
                None => misuse.hint(format!("there are {known}")),
            }
        }
        ErrorKind::ValueValidation if argument.ends_with("<TIME>") => {
            Misuse::new(format!("{argument}: `{value}` is not a duration"))
                .hint("seconds, or a number with a unit: 90, 30s, 5m")
        }
        ErrorKind::ValueValidation => Misuse::new(format!(
            "{argument}: `{value}` is not a number of that kind"
        )),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg).unwrap_or_default();
            Misuse::new(format!("{argument} and {other} exclude each other"))
        }
        // Any other error of clap's: its first line.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            Misuse::new(first.strip_prefix("error: ").unwrap_or(first))
        }
    }
}

/// The verb from which a word differs by two letters that changed places, or by a letter or two: clap compares short words by
/// their beginning.
fn mistyped<'c>(typed: &str, command: &'c Command) -> Option<&'c str> {
    let names = command.get_subcommands().map(Command::get_name);
    let near = names
        .filter(|name| *name != NEVER_SUGGESTED)
        .map(|name| (strsim::osa_distance(typed, name), name));
    let (distance, name) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= typed.len().div_ceil(4)).then_some(name)
}

fn verbs(command: &Command) -> String {
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    format!(
        "there are {}; `{} --help` explains them",
        names.join(", "),
        command.get_name()
    )
}

/// The values that an argument may have, where they are a list. `named`: as in usage, `<TARGET>`.
fn choices(command: &Command, named: &str) -> Option<String> {
    let argument = command
        .get_positionals()
        .find(|argument| argument.to_string() == named)?;
    let values = argument.get_possible_values();
    let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    (!names.is_empty()).then(|| names.join(", "))
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
