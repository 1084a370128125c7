//! The commands beside serving, `rgun ctl|init|doctor`: which one is meant.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::config::{Error, ErrorSubject};

/// The first argument that makes this program something else than a server. An app of that name is `ctl:app`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subcommand {
    /// The client of a running server.
    Ctl,
    /// Writes deployment files.
    Init,
    /// Checks an installation.
    Doctor,
}

impl Subcommand {
    const ALL: [Self; 3] = [Self::Ctl, Self::Init, Self::Doctor];

    const fn name(self) -> &'static str {
        match self {
            Self::Ctl => "ctl",
            Self::Init => "init",
            Self::Doctor => "doctor",
        }
    }

    fn called(word: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|one| word == one.name())
    }
}

/// Its name, and the arguments after it. `None`: these are the arguments of a server.
pub(super) fn split(arguments: &[OsString]) -> Option<(Subcommand, Vec<OsString>)> {
    let (first, rest) = arguments.split_first()?;
    Some((Subcommand::called(first)?, rest.to_vec()))
}

/// `help` as the first word, alone or before the name of a command, as `--help` of that. An app of that name is `help:app`.
pub(super) fn help_words(arguments: Vec<OsString>) -> Vec<OsString> {
    let words = |words: &[&OsStr]| words.iter().map(|word| (*word).to_owned()).collect();
    let help = OsStr::new("--help");
    let parts: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    match parts.as_slice() {
        [first] if *first == "help" => words(&[help]),
        [first, command] if *first == "help" && Subcommand::called(command).is_some() => {
            words(&[command, help])
        }
        [first, ctl, verb] if *first == "help" && *ctl == "ctl" => words(&[ctl, verb, help]),
        [command, second] if *second == "help" && Subcommand::called(command).is_some() => {
            words(&[command, help])
        }
        [ctl, second, verb] if *ctl == "ctl" && *second == "help" => words(&[ctl, verb, help]),
        _ => arguments,
    }
}

/// The name of the manual page that is asked for: `rgun ctl reload --man`. Without a command it is an option like others.
pub(super) fn manual_page(arguments: &[OsString]) -> Option<String> {
    let (last, words) = arguments.split_last()?;
    let first = words.first()?;
    if last != "--man" || Subcommand::called(first).is_none() {
        return None;
    }
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    Some(format!("rgun-{}", words?.join("-")))
}

/// A word alone that is nearly a command, and no module in `directory`: `rgun docter`. An installed module of that name is
/// `docter:app`.
pub(super) fn mistyped(arguments: &[OsString], directory: &Path) -> Option<Error> {
    let [only] = arguments else {
        return None;
    };
    let word = only.to_str().filter(|word| {
        !word.starts_with('-')
            && !word.contains([':', '.', '/'])
            && !directory.join(word).exists()
            && !directory.join(word).with_extension("py").exists()
    })?;
    let near = |one: &Subcommand| {
        let distance = strsim::damerau_levenshtein(word, one.name());
        distance <= if one.name().len() > 4 { 2 } else { 1 }
    };
    let meant = match word {
        "version" => "--version".to_owned(),
        _ => Subcommand::ALL.into_iter().find(near)?.name().to_owned(),
    };
    Some(Error::Usage {
        message: format!("there is no command `{word}`, and no module of that name here"),
        hint: Some(format!(
            "did you mean `rgun {meant}`? An installed module is named with its app: {word}:app"
        )),
        subject: Box::new(ErrorSubject::Word(word.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn help_as_a_word_is_that_of_the_command_it_stands_beside() {
        for (typed, meant) in [
            ("help", "--help"),
            ("help ctl", "ctl --help"),
            ("ctl help", "ctl --help"),
            ("help ctl scale", "ctl scale --help"),
            ("ctl help scale", "ctl scale --help"),
            ("init help", "init --help"),
            ("help:app", "help:app"),
            ("help -b :80", "help -b :80"),
            ("site help", "site help"),
        ] {
            assert_eq!(help_words(words(typed)), words(meant), "{typed}");
        }
    }

    #[test]
    fn the_manual_page_of_a_command_is_named_as_man_names_it() {
        for (typed, name) in [
            ("ctl --man", Some("rgun-ctl")),
            ("ctl reload --man", Some("rgun-ctl-reload")),
            ("init --man", Some("rgun-init")),
            ("--man", None),
            ("app:app --man", None),
            ("ctl --man reload", None),
        ] {
            assert_eq!(manual_page(&words(typed)).as_deref(), name, "{typed}");
        }
    }

    #[test]
    fn a_word_near_a_command_is_taken_for_it_unless_there_is_such_a_module() {
        let directory = tempfile::tempdir().expect("a directory");
        let refused = |typed: &str| mistyped(&words(typed), directory.path()).is_some();
        for typed in ["docter", "int", "clt", "version"] {
            assert!(refused(typed), "{typed}");
        }
        for typed in [
            "app",
            "docter:app",
            "docter -b :80",
            "main",
            "--version",
            "site.wsgi",
        ] {
            assert!(!refused(typed), "{typed}");
        }
        std::fs::write(directory.path().join("int.py"), "").expect("writable");
        std::fs::create_dir(directory.path().join("version")).expect("writable");
        assert!(!refused("int") && !refused("version"));
    }
}
