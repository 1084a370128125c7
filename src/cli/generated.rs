//! Shell completions and the manual page, generated from the options' one definition.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ValueHint};
use clap_complete::Shell;

use super::command::command;
use super::{ctl, doctor, init};
use crate::config::{ValueType, definition};

/// The completion script of a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut whole(), "rgun", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// `rgun(1)`, as roff.
pub fn manual() -> String {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let rendered = clap_mangen::Man::new(whole()).render(&mut page);
    debug_assert!(rendered.is_ok());
    String::from_utf8_lossy(&page).into_owned()
}

/// The options that are advertised, and the commands of `rgun ctl`.
fn whole() -> clap::Command {
    let all = command();
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
            let script = completions(shell);
            for word in ["workers", "graceful-timeout", "restart-worker", "asyncio"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
            assert!(!script.contains("--worker-connections"), "{shell}");
        }
    }

    #[test]
    fn the_manual_has_each_advertised_option() {
        let page = manual().replace('\\', "");
        for argument in whole().get_arguments() {
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
}
