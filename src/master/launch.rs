//! How a program is started, as plain data.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// A program as exec(2) starts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub path: OsString,
    /// The name that it is called by, and its arguments.
    pub words: Vec<OsString>,
    /// How many of the words, its name among them, come before the arguments of rgun.
    pub before: usize,
    pub variables: Vec<(String, String)>,
}

impl Launch {
    /// Without the name: those before the arguments of rgun, and these.
    pub fn words_before_own(&self) -> (&[OsString], &[OsString]) {
        let own = self.before.clamp(1, self.words.len().max(1));
        let before = self.words.get(1..own).unwrap_or_default();
        (before, self.words.get(own..).unwrap_or_default())
    }
}
