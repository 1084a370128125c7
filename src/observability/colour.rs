//! Whether output is coloured: on a terminal, unless the environment sets it otherwise.
//!
//! `NO_COLOR` (no-color.org) wins; `FORCE_COLOR` and `CLICOLOR_FORCE` colour pipes too (CI, compose, honcho); `CLICOLOR=0`
//! and `TERM=dumb` turn colours off (bixense.com/clicolors).

use std::ffi::OsString;

/// The sequences of a text with emphasis, or none.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub bold: &'static str,
    pub dim: &'static str,
    pub end: &'static str,
}

impl Style {
    pub const PLAIN: Self = Self {
        bold: "",
        dim: "",
        end: "",
    };
    pub const COLOURED: Self = Self {
        bold: "\x1b[1m",
        dim: "\x1b[2m",
        end: "\x1b[0m",
    };
}

/// For an output that is a terminal or is not.
pub fn is_wanted(is_terminal: bool) -> bool {
    decide(is_terminal, |name| std::env::var_os(name))
}

fn decide(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let non_empty = |name| variable(name).filter(|value| !value.is_empty());
    let forces = |name| non_empty(name).is_some_and(|value| value != "0");
    if non_empty("NO_COLOR").is_some() {
        false
    } else if forces("FORCE_COLOR") || forces("CLICOLOR_FORCE") {
        true
    } else {
        is_terminal
            && non_empty("CLICOLOR").is_none_or(|value| value != "0")
            && non_empty("TERM").is_none_or(|value| value != "dumb")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_terminal: bool, set: &[(&str, &str)]) -> bool {
        decide(is_terminal, |name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn a_terminal_is_coloured_and_a_pipe_is_not() {
        assert!(with(true, &[]));
        assert!(!with(false, &[]));
        assert!(!with(true, &[("TERM", "dumb")]));
        assert!(!with(true, &[("CLICOLOR", "0")]));
    }

    #[test]
    fn force_colours_a_pipe_and_no_color_wins() {
        assert!(with(false, &[("FORCE_COLOR", "1")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, &[("FORCE_COLOR", "0")]));
        assert!(!with(false, &[("FORCE_COLOR", "")]));
        assert!(!with(true, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")]));
        assert!(with(true, &[("NO_COLOR", "")]));
        assert!(with(true, &[("TERM", "dumb"), ("CLICOLOR_FORCE", "1")]));
    }
}
