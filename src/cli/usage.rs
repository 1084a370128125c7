//! clap's errors as rgun's own messages, with the fix where it is known.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::config::{
    Error, ErrorSubject, Foreign, Origin, Support, definitions, foreign, foreign_near, understood,
};

pub(super) fn explained(error: &clap::Error, origin: &Origin) -> Error {
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let (message, hint) = match error.kind() {
        ErrorKind::UnknownArgument => unknown(&argument, text(error, ContextKind::SuggestedArg)),
        ErrorKind::InvalidValue => value_needed(error, first_word(&argument)),
        ErrorKind::TooManyValues => (format!("{} takes no value", first_word(&argument)), None),
        ErrorKind::InvalidUtf8 => ("an argument is not valid UTF-8".to_owned(), None),
        // Any other error of clap's: its first line.
        _ => {
            let text = error.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            (
                first.strip_prefix("error: ").unwrap_or(first).to_owned(),
                None,
            )
        }
    };
    let (message, subject) = match origin {
        Origin::CmdArgs(variable) => (
            format!("{variable}: {message}"),
            ErrorSubject::Variable(variable.to_string()),
        ),
        _ => (
            message,
            ErrorSubject::Word(first_word(&argument).to_owned()),
        ),
    };
    Error::Usage {
        message,
        hint,
        subject: Box::new(subject),
    }
}

pub(super) fn unbalanced(variable: &str) -> Error {
    Error::Usage {
        message: format!("{variable}: a quote is not closed"),
        hint: Some("it is split into words as a shell does".to_owned()),
        subject: Box::new(ErrorSubject::Variable(variable.to_owned())),
    }
}

/// A verb before the app, as other servers have it: `rgun run app:app`. A module of that name is named alone, or as `run:app`.
pub(super) fn command_word(arguments: &[OsString]) -> Option<Error> {
    let word = arguments.first()?.to_str()?;
    let app = arguments.get(1)?.to_str()?;
    let is_verb = matches!(word, "run" | "serve" | "start" | "dev");
    (is_verb && !app.starts_with('-')).then(|| Error::Usage {
        message: format!("unexpected argument `{app}`: rgun has no command `{word}`"),
        hint: Some(format!("leave `{word}` out: rgun {app}")),
        subject: Box::new(ErrorSubject::Word(word.to_owned())),
    })
}

fn unknown(argument: &str, suggested: Option<String>) -> (String, Option<String>) {
    if !argument.starts_with('-') {
        return (
            format!("unexpected argument `{argument}`"),
            Some("one app is served; values of options follow their option".to_owned()),
        );
    }
    let option = argument.split('=').next().unwrap_or(argument);
    if let Some(foreign) = foreign(option) {
        return (
            format!("{option} {}", foreign.verdict),
            Some(foreign.advice.to_owned()),
        );
    }
    let hint = abbreviated(option)
        .or(suggested.filter(|name| is_useful(name)))
        .map(|name| format!("did you mean `{name}`?"))
        .or_else(|| {
            let Foreign {
                option,
                verdict,
                advice,
            } = foreign_near(option)?;
            Some(format!("`{option}` {verdict}: {advice}"))
        });
    (
        format!("there is no option {option}"),
        hint.or_else(|| Some("`rgun --help` lists them".to_owned())),
    )
}

/// The value is missing, or is none of a list.
fn value_needed(error: &clap::Error, option: &str) -> (String, Option<String>) {
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let message = if value.is_empty() {
        format!("{option} needs a value")
    } else {
        format!("{option} cannot be `{value}`")
    };
    let hint = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(known)) if !known.is_empty() => {
            Some(format!("there are {}", known.join(", ")))
        }
        _ => None,
    };
    (message, hint)
}

/// Whether it can be given: not an option that is refused.
fn is_useful(option: &str) -> bool {
    let long = option.trim_start_matches('-');
    let refused = understood().any(|definition| {
        definition.long == Some(long) && matches!(definition.support, Support::Refused(_))
    });
    !refused && foreign(option).is_none()
}

/// gunicorn accepts any unambiguous prefix of an option. rgun does not: `--reload` would be `--reload-surge` until there is
/// a `--reload`.
fn abbreviated(option: &str) -> Option<String> {
    let beginning = option
        .strip_prefix("--")
        .filter(|beginning| beginning.len() >= 3)?
        .replace('_', "-");
    let longs = || definitions().filter_map(|definition| definition.long);
    if let Some(long) = longs().find(|long| long.replace('_', "-") == beginning) {
        return Some(format!("--{long}"));
    }
    let mut matching = longs().filter(|long| long.starts_with(&beginning));
    match (matching.next(), matching.next()) {
        (Some(only), None) => Some(format!("--{only}")),
        _ => None,
    }
}

/// clap names an option as in its usage, `--workers <N>`.
fn first_word(argument: &str) -> &str {
    argument.split([' ', '=']).next().unwrap_or(argument)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}
