//! Shell completions and the manual page, generated from the options' one definition.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ValueHint};
use clap_complete::Shell;

use super::command::command_of;
use super::{Artifact, ctl, doctor, init};
use crate::config::{ValueType, definition};

/// The completion script of a shell.
pub fn completions(shell: Shell, artifact: Artifact) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole(artifact), "rgun", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// `rgun(1)`, as roff.
pub fn manual(artifact: Artifact) -> String {
    rendered(whole(artifact).disable_help_subcommand(true))
}

/// Every page with its name, `rgun-ctl-reload`, as roff.
pub fn manuals(artifact: Artifact) -> Vec<(String, String)> {
    let mut whole = whole(artifact).disable_help_subcommand(true);
    whole.build();
    let mut pages = vec![("rgun".to_owned(), manual(artifact))];
    collect(&whole, &mut pages);
    pages
}

/// The page of a command, by the name that `manuals` gives it.
pub(super) fn page(name: &str) -> Option<String> {
    let mut pages = manuals(Artifact::Binary).into_iter();
    pages.find(|(known, _)| known == name).map(|(_, page)| page)
}

fn collect(command: &clap::Command, pages: &mut Vec<(String, String)>) {
    for command in command.get_subcommands() {
        let name = command.get_display_name().unwrap_or_default().to_owned();
        pages.push((name, rendered(command.clone())));
        collect(command, pages);
    }
}

fn rendered(command: clap::Command) -> String {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let manual = clap_mangen::Man::new(command);
    let manual = manual.source(concat!("rgun ", env!("CARGO_PKG_VERSION")));
    let rendered = manual.render(&mut page);
    debug_assert!(rendered.is_ok());
    String::from_utf8_lossy(&page).into_owned()
}

/// The options that are advertised, and the commands of `rgun ctl`.
fn whole(artifact: Artifact) -> clap::Command {
    let all = command_of(artifact);
    let hidden: Vec<_> = all
        .get_arguments()
        .filter(|argument| argument.is_hide_set())
        .map(|argument| argument.get_id().clone())
        .collect();
    let shown = all
        .get_arguments()
        .filter(|argument| !hidden.contains(argument.get_id()))
        .map(|argument| described(argument.clone()));
    clap::Command::new("rgun")
        .version(env!("CARGO_PKG_VERSION"))
        .about(super::help::ABOUT)
        .after_long_help(super::help::examples(super::help::Length::Long))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(shown)
        .subcommand(ctl::command().name("ctl"))
        .subcommand(init::command().name("init"))
        .subcommand(doctor::command().name("doctor"))
}

/// With a hint on how a shell completes the option's value.
fn described(argument: Arg) -> Arg {
    match definition(argument.get_id().as_str()).map(|definition| definition.kind) {
        Some(ValueType::Choice(names)) => argument.value_parser(PossibleValuesParser::new(names)),
        Some(ValueType::Path) => argument.value_hint(ValueHint::AnyPath),
        Some(_) | None => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_know_options_commands_and_choices_and_no_hidden_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell, Artifact::Wheel);
            for word in ["workers", "graceful-timeout", "restart-worker", "asyncio"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(!script.contains("--worker-connections"), "{shell}");
            assert!(!script.contains("--python "), "{shell}");
        }
    }

    #[test]
    fn the_manual_has_each_advertised_option() {
        let page = manual(Artifact::Binary).replace('\\', "");
        for argument in whole(Artifact::Binary).get_arguments() {
            if let Some(long) = argument.get_long() {
                assert!(page.contains(&format!("--{long}")), "{long}");
            }
        }
        assert!(
            page.starts_with(".ie") || page.contains(".TH rgun 1"),
            "{}",
            &page[..80]
        );
    }

    #[test]
    fn each_command_has_a_page_that_lists_the_pages_of_its_verbs() {
        let pages = manuals(Artifact::Wheel);
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in [
            "rgun",
            "rgun-ctl",
            "rgun-ctl-reload",
            "rgun-init",
            "rgun-doctor",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        for (name, text) in &pages {
            let text = text.replace('\\', "");
            let referred = text.lines().filter_map(|line| line.strip_suffix("(1)"));
            for page in referred {
                assert!(names.contains(&page), "{name} refers to {page}");
            }
        }
        let reload = page("rgun-ctl-reload").expect("it has one");
        assert!(reload.contains("rgun ctl reload"), "{reload}");
    }
}
