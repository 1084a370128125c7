//! What is wrong with a certificate or key file, or will be soon, and what to do about it.

/// Of one file. As an error it aborts the start, or keeps the certificates that are in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct Problem {
    pub file: String,
    pub reason: String,
    /// The next step.
    pub hint: String,
}

impl Problem {
    pub fn new(file: &str, reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            reason: reason.into(),
            hint: hint.into(),
        }
    }
}

pub type Result<T> = std::result::Result<T, Problem>;
