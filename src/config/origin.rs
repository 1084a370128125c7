//! Where a value came from, as messages name it.

use std::fmt;

use super::CMD_ARGS;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A variable of the platform, such as `WEB_CONCURRENCY`.
    Variable(&'static str),
    /// An option in `GUNICORN_CMD_ARGS`.
    CmdArgs,
    CommandLine,
}

impl Origin {
    /// The value stood among options, where gunicorn's argument parser would have met it.
    #[must_use]
    pub fn is_option(self) -> bool {
        match self {
            Origin::CmdArgs | Origin::CommandLine => true,
            Origin::Default | Origin::Variable(_) => false,
        }
    }

    /// The origin together with the setting's spelling: `--workers`, `$WEB_CONCURRENCY`, `--workers in GUNICORN_CMD_ARGS`.
    #[must_use]
    pub fn of(self, spelling: &str) -> String {
        match self {
            Origin::Default => format!("the default of {spelling}"),
            Origin::Variable(name) => format!("${name}"),
            Origin::CmdArgs => format!("{spelling} in {CMD_ARGS}"),
            Origin::CommandLine => spelling.to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Variable(name) => write!(f, "${name}"),
            Origin::CmdArgs => f.write_str(CMD_ARGS),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}
