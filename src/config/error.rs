//! Configuration errors: the problem, its origin and, where it is known, the fix.

use std::sync::Arc;

use super::Origin;

/// What an error is about, for a caller that knows where in a file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorSubject {
    /// A word of the command line, as it was typed.
    Word(String),
    /// The setting of that name, given on the command line.
    Setting(&'static str),
    Variable(String),
    /// A configuration file, or nothing in particular.
    Other,
}

impl ErrorSubject {
    /// Of a value of the setting `name`.
    #[must_use]
    pub fn of(origin: &Origin, name: &'static str) -> ErrorSubject {
        match origin {
            Origin::CommandLine => ErrorSubject::Setting(name),
            Origin::CmdArgs(variable) | Origin::Variable(variable) => {
                ErrorSubject::Variable(variable.to_string())
            }
            Origin::Default | Origin::Toml { .. } | Origin::Python(_) => ErrorSubject::Other,
        }
    }
}

/// Variants by what the reader can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The options themselves: unknown, without a value, or where none is expected.
    #[error("{message}")]
    Usage {
        message: String,
        hint: Option<String>,
        subject: Box<ErrorSubject>,
    },
    /// A malformed number, among the options.
    #[error("{origin}: `{value}` {problem}")]
    Number {
        origin: String,
        value: Box<str>,
        problem: String,
        hint: Option<String>,
        subject: Box<ErrorSubject>,
    },
    /// A value that is not one of this setting's.
    #[error("{origin}: `{value}` {problem}")]
    Value {
        origin: String,
        value: Box<str>,
        problem: String,
        /// The line of the file, and the value underlined.
        excerpt: Option<Arc<str>>,
        hint: Option<String>,
        subject: Box<ErrorSubject>,
    },
    /// A path that this machine does not have.
    #[error("{origin}: `{value}` {problem}")]
    Absent {
        origin: String,
        value: Box<str>,
        problem: String,
        /// As of `Value`.
        excerpt: Option<Arc<str>>,
        hint: Option<String>,
        subject: Box<ErrorSubject>,
    },
    /// A setting that only gunicorn has, in a variable or a file.
    #[error("{place}: {problem}")]
    Unsupported {
        place: String,
        problem: String,
        hint: String,
        subject: Box<ErrorSubject>,
    },
    /// A configuration file, at a place in it.
    #[error("{place}: {problem}")]
    File {
        place: String,
        problem: String,
        /// The line with its number, and what is wrong in it underlined.
        excerpt: Option<Arc<str>>,
        hint: Option<String>,
    },
    /// A configuration file in Python that raised.
    #[error("{file}: {summary}")]
    Script {
        file: String,
        summary: String,
        /// The traceback of the user's code, complete; may be empty.
        traceback: String,
    },
    #[error("no app was named")]
    NoApp,
}

impl Error {
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Usage { hint, .. }
            | Error::Number { hint, .. }
            | Error::Value { hint, .. }
            | Error::Absent { hint, .. }
            | Error::File { hint, .. } => hint.as_deref(),
            Error::Unsupported { hint, .. } => Some(hint),
            Error::Script { .. } => None,
            Error::NoApp => {
                Some("name it as in `rgun config.asgi:application`; `rgun -h` shows the options")
            }
        }
    }

    /// Lines of the file, shown below the message.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        match self {
            Error::File { excerpt, .. }
            | Error::Value { excerpt, .. }
            | Error::Absent { excerpt, .. } => excerpt.as_deref(),
            _ => None,
        }
    }

    /// The traceback of the user's code, complete.
    #[must_use]
    pub fn traceback(&self) -> Option<&str> {
        match self {
            Error::Script { traceback, .. } if !traceback.is_empty() => Some(traceback),
            _ => None,
        }
    }

    /// As with gunicorn: 2 where its argument parser rejects, 1 for errors found later.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage { .. } | Error::Number { .. } => 2,
            Error::Value { .. }
            | Error::Absent { .. }
            | Error::Unsupported { .. }
            | Error::File { .. }
            | Error::Script { .. }
            | Error::NoApp => 1,
        }
    }

    #[must_use]
    pub fn subject(&self) -> &ErrorSubject {
        match self {
            Error::Usage { subject, .. }
            | Error::Number { subject, .. }
            | Error::Value { subject, .. }
            | Error::Absent { subject, .. }
            | Error::Unsupported { subject, .. } => subject,
            Error::File { .. } | Error::Script { .. } | Error::NoApp => &ErrorSubject::Other,
        }
    }
}

/// A text of the user's in a message: on one line, without control characters, and truncated.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}
