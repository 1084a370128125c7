//! Why `rgun ctl` could not do what was asked, as far as this side of the socket knows.

/// What went wrong on this side of the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    pub hint: Option<String>,
    /// The app's own.
    pub traceback: Option<String>,
    /// There is no server, and there may be one later.
    pub may_pass: bool,
}

impl Failure {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            traceback: None,
            may_pass: false,
        }
    }

    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}
