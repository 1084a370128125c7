//! Errors of `rgun ctl`.

/// An error on the client's side of the socket, or one that the server reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CtlFailure {
    pub message: String,
    pub hint: Option<String>,
    /// The traceback of the app.
    pub traceback: Option<String>,
    /// There is no server, but there may be one later.
    pub may_pass: bool,
}

impl CtlFailure {
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
