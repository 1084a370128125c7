//! Configuration errors: the problem, its origin and, where it is known, the fix.

use std::sync::Arc;

/// Variants by what the reader can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The options themselves: unknown, without a value, or where none is expected.
    #[error("{message}")]
    Usage {
        message: String,
        hint: Option<String>,
    },
    /// A malformed number, among the options.
    #[error("{origin}: `{value}` {problem}")]
    Number {
        origin: String,
        value: String,
        problem: String,
        hint: Option<String>,
    },
    /// A value that is not one of this setting's.
    #[error("{origin}: `{value}` {problem}")]
    Value {
        origin: String,
        value: String,
        problem: String,
        /// The line of the file, and the value underlined.
        excerpt: Option<Arc<str>>,
        hint: Option<String>,
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
            | Error::File { hint, .. } => hint.as_deref(),
            Error::Script { .. } => None,
            Error::NoApp => Some("name it as in `rgun config.asgi:application`"),
        }
    }

    /// Lines of the file, shown below the message.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        match self {
            Error::File { excerpt, .. } | Error::Value { excerpt, .. } => excerpt.as_deref(),
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
            Error::Value { .. } | Error::File { .. } | Error::Script { .. } | Error::NoApp => 1,
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
