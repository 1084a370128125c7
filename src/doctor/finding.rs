//! A finding of a rule: the problem, its place, why it matters, and what to do.

use serde::Serialize;

/// The worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Notice,
    /// Fails under load, during a deploy or after a while.
    Warning,
    /// A problem now.
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Notice => "notice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// The stable name of the rule: `stop-timeout`.
    pub rule: &'static str,
    /// A file with its line or service, a setting, or a path of the system.
    pub place: String,
    pub problem: String,
    pub why: &'static str,
    pub fix: String,
}
