//! Where a value came from, as messages name it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Not set.
    Default,
    /// A variable: a platform's, such as `WEB_CONCURRENCY`, or rgun's own, such as `RGUN_WORKERS`.
    Variable(Cow<'static, str>),
    /// A line, counted from 1, of a TOML file.
    Toml {
        file: Arc<str>,
        line: usize,
        /// The line, and what was set underlined.
        excerpt: Option<Arc<str>>,
    },
    /// A Python file or module.
    Python(Arc<str>),
    /// An option in the variable of that name.
    CmdArgs(Cow<'static, str>),
    CommandLine,
}

impl Origin {
    /// The value was among options, where gunicorn's argument parser would have read it.
    #[must_use]
    pub fn is_option(&self) -> bool {
        match self {
            Origin::CmdArgs(_) | Origin::CommandLine => true,
            Origin::Default | Origin::Variable(_) | Origin::Toml { .. } | Origin::Python(_) => {
                false
            }
        }
    }

    /// Lines that show where in its file the value is.
    #[must_use]
    pub fn excerpt(&self) -> Option<Arc<str>> {
        match self {
            Origin::Toml { excerpt, .. } => excerpt.clone(),
            _ => None,
        }
    }

    /// The origin together with the setting: `--workers`, `$WEB_CONCURRENCY`, `--workers in GUNICORN_CMD_ARGS`,
    /// `rgun.toml:3: workers`.
    #[must_use]
    pub fn of(&self, spelling: &str, name: &str) -> String {
        match self {
            Origin::Default => format!("the default of {spelling}"),
            Origin::Variable(variable) => format!("${variable}"),
            Origin::Toml { .. } | Origin::Python(_) => format!("{self}: {name}"),
            Origin::CmdArgs(variable) => format!("{spelling} in {variable}"),
            Origin::CommandLine => spelling.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Variable(name) => write!(f, "${name}"),
            Origin::Toml { file, line, .. } => write!(f, "{file}:{line}"),
            Origin::Python(file) => f.write_str(file),
            Origin::CmdArgs(variable) => f.write_str(variable),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}
