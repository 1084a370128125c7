//! The clap command, made from config's definitions. clap splits the command line; values are parsed by `config`.

use clap::builder::EnumValueParser;
use clap::{Arg, ArgAction, Command};
use clap_complete::Shell;

use super::{Artifact, help};
use crate::config::{Definition, Occurs, Support, ValueType, understood};

/// Names of the arguments that are not settings; no setting has one of these names.
pub(super) const HELP: &str = "--help";
pub(super) const VERSION: &str = "--version";
pub(super) const COMPLETIONS: &str = "--completions";
pub(super) const MAN: &str = "--man";

/// With the options that mean something in that artifact; all others are understood as well.
pub(super) fn command_of(artifact: Artifact) -> Command {
    match artifact {
        Artifact::Binary => command(),
        Artifact::Wheel => command().mut_arg("python", |argument| argument.hide(true)),
    }
}

pub(super) fn command() -> Command {
    let command = Command::new("rgun")
        .version(env!("CARGO_PKG_VERSION"))
        .about(help::ABOUT)
        .override_usage(help::USAGE)
        .after_help(help::examples(help::Length::Short))
        .after_long_help(help::examples(help::Length::Long))
        .no_binary_name(true)
        // A repeated option: the last one takes effect, as with gunicorn (command lines assembled by scripts).
        .args_override_self(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .max_term_width(100);
    let last = help::LAST_HEADING;
    command
        .args(understood().filter(|one| one.is_option()).map(argument))
        .args([
            Arg::new(COMPLETIONS)
                .long("completions")
                .value_name("SHELL")
                .value_parser(EnumValueParser::<Shell>::new())
                .help("Print a completion script for that shell")
                .long_help("Print a completion script for that shell. The wheel installs those of bash, zsh and fish.")
                .hide_short_help(true)
                .help_heading(last),
            Arg::new(MAN)
                .long("man")
                .action(ArgAction::SetTrue)
                .help("Print the manual page, as roff")
                .long_help("Print the manual page, as roff; of a command: rgun ctl --man, rgun ctl reload --man.")
                .hide_short_help(true)
                .help_heading(last),
            Arg::new(VERSION)
                .long("version")
                .short('v')
                .short_alias('V')
                .action(ArgAction::Count)
                .help("Print the version; twice (-vv): with commit and platform")
                .help_heading(last),
            Arg::new(HELP)
                .long("help")
                .short('h')
                .action(ArgAction::Help)
                .help("Print this help (-h: short, --help: long)")
                .help_heading(last),
        ])
}

fn argument(definition: &'static Definition) -> Arg {
    let argument = Arg::new(definition.name)
        .hide(definition.support != Support::Ours)
        .hide_short_help(!help::is_common(definition))
        .help(help::short(definition))
        .long_help(help::long(definition));
    let argument = match definition.kind {
        ValueType::Switch => argument.action(ArgAction::SetTrue),
        ValueType::Text
        | ValueType::TextOrTable
        | ValueType::Named
        | ValueType::Path
        | ValueType::Choice(_)
        | ValueType::Number
        | ValueType::Duration
        | ValueType::Size
        | ValueType::Mask
        | ValueType::List
        | ValueType::Pairs
        | ValueType::Json => argument
            .value_name(definition.value)
            .allow_negative_numbers(definition.kind.is_numeric())
            // `Layer` gets every occurrence, and handles repetition.
            .action(if definition.occurs == Occurs::Repeatedly {
                ArgAction::Append
            } else {
                ArgAction::Set
            }),
    };
    let argument = match definition.bare {
        Some(bare) if definition.kind != ValueType::Switch => {
            argument.num_args(0..=1).default_missing_value(bare)
        }
        Some(_) | None => argument,
    };
    match definition.long {
        Some(long) => argument
            .long(long)
            .help_heading(definition.group.heading())
            .aliases(definition.aliases.iter().copied())
            .short(definition.short),
        // Without a heading it comes first.
        None => argument,
    }
}
