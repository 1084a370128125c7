//! Why a boot has failed, as the caller of `--daemon` gets it.

/// The reason in a line, and what is shown below it: the app's traceback, or a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStart {
    pub reason: String,
    pub details: String,
}

impl FailedStart {
    pub fn new(reason: &str, details: Option<&str>) -> Self {
        Self {
            reason: reason.to_owned(),
            details: details.unwrap_or_default().to_owned(),
        }
    }
}
