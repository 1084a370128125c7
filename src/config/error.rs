//! What is wrong with what was typed, with its origin and, where it is known, the fix. It prints nothing.

/// Variants by what the reader can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The options themselves: one that does not exist, lacks its value, stands where none is expected.
    #[error("{message}")]
    Usage {
        message: String,
        hint: Option<String>,
    },
    /// A number that is none, among the options.
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
        hint: Option<String>,
    },
    /// A configuration file, at a place in it.
    #[error("{place}: {problem}")]
    File {
        place: String,
        problem: String,
        /// The line with its number, and what is wrong in it underlined.
        excerpt: Option<String>,
        hint: Option<String>,
    },
    /// A configuration file in Python that raised.
    #[error("{file}: {summary}")]
    Script {
        file: String,
        summary: String,
        /// The user's own, whole; may be empty.
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

    /// Lines of the file, for people: below the message.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        match self {
            Error::File { excerpt, .. } => excerpt.as_deref(),
            _ => None,
        }
    }

    /// The user's own, whole.
    #[must_use]
    pub fn traceback(&self) -> Option<&str> {
        match self {
            Error::Script { traceback, .. } if !traceback.is_empty() => Some(traceback),
            _ => None,
        }
    }

    /// gunicorn's: 2 where its argument parser refuses, 1 where it finds out later.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage { .. } | Error::Number { .. } => 2,
            Error::Value { .. } | Error::File { .. } | Error::Script { .. } | Error::NoApp => 1,
        }
    }
}

/// A text of the user's in a message: on one line, without what a terminal would obey, and not a page of it.
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
