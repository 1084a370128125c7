//! Definitions of the settings: spellings, default, help.

mod access_log;
mod app;
mod clients;
mod compression;
mod development;
mod files;
mod gunicorn;
mod http2;
mod listening;
mod logs;
mod operators;
mod process;
mod proxies;
mod reload;
mod remote_logs;
mod tls;
mod websocket;
mod workers;

/// One setting, as plain data. `--help`, the command line, the variables and `docs/settings.md` come from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name in a configuration file: gunicorn's where gunicorn has it.
    pub name: &'static str,
    /// Without the dashes; `None`: the positional argument.
    pub long: Option<&'static str>,
    pub short: Option<char>,
    /// Other long spellings that are understood but not advertised.
    pub aliases: &'static [&'static str],
    /// The placeholder of the value in the help; empty for a switch.
    pub value: &'static str,
    pub kind: ValueType,
    pub occurs: Occurs,
    /// As it would be typed; `None`: the setting is off or absent.
    pub default: Option<&'static str>,
    /// What the option means without a value; `None`: it needs one. For a switch: what it means when it is given.
    pub bare: Option<&'static str>,
    pub variable: Option<Variable>,
    pub group: Group,
    /// One line, no full stop.
    pub help: &'static str,
    /// What the long help and the settings page add to that line; may be empty.
    pub more: &'static str,
    pub support: Support,
}

/// How a setting that is given is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// rgun's own, with the effect that its definition describes.
    Ours,
    /// gunicorn's; accepted but ignored, for this reason.
    Idle(&'static str),
    /// gunicorn's; refines another setting, and has no effect without that one, for this reason.
    Part(&'static str),
    /// gunicorn's; rejected unless its value is what rgun does anyway. Holds what to use instead.
    Refused(&'static str),
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// Present or not.
    Switch,
    Text,
    Path,
    /// A whole number.
    Number,
    /// Seconds, or a number with `ms`, `s`, `m`, `h`.
    Duration,
    /// Bytes, or a number with `k`, `m`, `g`.
    Size,
    /// Bits of a file mode; a leading 0 means octal.
    Mask,
    Choice(&'static [&'static str]),
    /// Several, separated by commas.
    List,
    /// `NAME=VALUE`; a table in a configuration file.
    Pairs,
    /// Text; in a configuration file also a table, which is JSON from there on.
    TextOrTable,
    /// Text; in a configuration file also a table of named texts and tables, each of which is JSON with its name from there on.
    Named,
    /// A table or dictionary; only in configuration files, and as JSON from there on.
    Json,
}

impl ValueType {
    /// gunicorn's argument parser itself rejects a malformed number (exit code 2); anything else is rejected later (1).
    #[must_use]
    pub fn is_numeric(self) -> bool {
        match self {
            ValueType::Number | ValueType::Duration | ValueType::Size | ValueType::Mask => true,
            ValueType::Switch
            | ValueType::Text
            | ValueType::TextOrTable
            | ValueType::Named
            | ValueType::Path
            | ValueType::Choice(_)
            | ValueType::List
            | ValueType::Pairs
            | ValueType::Json => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// The last one takes effect, as with gunicorn.
    Once,
    Repeatedly,
}

/// An environment variable of the platforms that sets a default for a setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// Put before the variable's value: `PORT` holds only half of an address.
    pub prefix: &'static str,
    pub empty: Empty,
}

/// What an empty variable means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    Unset,
    /// An empty `FORWARDED_ALLOW_IPS` means no trusted peer.
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    App,
    Listening,
    Tls,
    Workers,
    Reload,
    Development,
    Clients,
    Http2,
    WebSocket,
    Files,
    Compression,
    Proxies,
    Logs,
    Operators,
    Process,
}

impl Group {
    /// In the order in which a newcomer needs them.
    pub const ALL: [Group; 15] = [
        Group::App,
        Group::Listening,
        Group::Tls,
        Group::Workers,
        Group::Reload,
        Group::Development,
        Group::Clients,
        Group::Http2,
        Group::WebSocket,
        Group::Files,
        Group::Compression,
        Group::Proxies,
        Group::Logs,
        Group::Operators,
        Group::Process,
    ];

    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Group::App => "The app",
            Group::Listening => "Where to listen",
            Group::Tls => "TLS",
            Group::Workers => "Workers",
            Group::Reload => "Boot, reload and stop",
            Group::Development => "Development",
            Group::Clients => "Clients: timeouts and limits",
            Group::Http2 => "HTTP/2",
            Group::WebSocket => "WebSocket",
            Group::Files => "Files without the app",
            Group::Compression => "Compression",
            Group::Proxies => "Behind a proxy",
            Group::Logs => "Logs",
            Group::Operators => "Control and probes",
            Group::Process => "This run",
        }
    }
}

impl Definition {
    /// The values that a configuration file may have for it.
    pub(super) fn wanted(&self) -> &'static str {
        match self.kind {
            ValueType::Switch => "true or false",
            ValueType::Number | ValueType::Mask => "a number",
            ValueType::Duration => "seconds, or a string such as \"30s\"",
            ValueType::Size => "bytes, or a string such as \"20m\"",
            ValueType::Json => "a table",
            ValueType::Pairs => "a table, or strings such as \"NAME=VALUE\"",
            ValueType::List => "a string or an array of strings",
            ValueType::TextOrTable => "strings or tables",
            ValueType::Named => "a string, an array of strings, or a table for each name",
            ValueType::Text | ValueType::Path if self.occurs == Occurs::Repeatedly => {
                "a string or an array of strings"
            }
            ValueType::Text | ValueType::Path | ValueType::Choice(_) => "a string",
        }
    }

    /// A setting with defaults in every field; the tables below fill in what applies.
    const fn new(name: &'static str, group: Group, kind: ValueType) -> Definition {
        Definition {
            name,
            long: None,
            short: None,
            aliases: &[],
            value: "",
            kind,
            occurs: Occurs::Once,
            default: None,
            bare: None,
            variable: None,
            group,
            help: "",
            more: "",
            support: Support::Ours,
        }
    }

    /// A text that may be written as a number, too: `access_log_sample = 0.1`, `user = 1000`, `tls_min_version = 1.2`.
    #[must_use]
    pub fn may_be_number(&self) -> bool {
        let is_text = matches!(self.kind, ValueType::Text | ValueType::Choice(_));
        is_text && self.occurs == Occurs::Once
    }

    /// Whether it can be given on the command line.
    #[must_use]
    pub fn is_option(&self) -> bool {
        self.long.is_some() || self.name == "wsgi_app"
    }

    /// How a message names the setting: `--workers`, or `APP` for the positional one.
    #[must_use]
    pub fn spelling(&self) -> String {
        match self.long {
            Some(long) => format!("--{long}"),
            None if self.is_option() => self.value.to_owned(),
            None => self.name.to_owned(),
        }
    }

    /// Whether `name` is the setting's in a TOML file or a variable: its own, or the option's with underscores.
    fn is_called(&self, name: &str) -> bool {
        let same = |long: &&str| {
            long.len() == name.len()
                && long
                    .bytes()
                    .zip(name.bytes())
                    .all(|(a, b)| a == b || (a == b'-' && b == b'_'))
        };
        self.name == name || self.long.iter().chain(self.aliases).any(same)
    }
}

/// Every setting, in the order of the help.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    [
        app::SETTINGS,
        listening::SETTINGS,
        tls::SETTINGS,
        workers::SETTINGS,
        reload::SETTINGS,
        development::SETTINGS,
        clients::SETTINGS,
        http2::SETTINGS,
        websocket::SETTINGS,
        files::SETTINGS,
        compression::SETTINGS,
        proxies::SETTINGS,
        logs::SETTINGS,
        access_log::SETTINGS,
        remote_logs::SETTINGS,
        operators::SETTINGS,
        process::SETTINGS,
    ]
    .into_iter()
    .flatten()
}

/// Those, and the settings that only gunicorn has.
pub fn understood() -> impl Iterator<Item = &'static Definition> {
    definitions().chain(gunicorn::SETTINGS)
}

/// By the setting's own name or the option's, with dashes or underscores.
#[must_use]
pub fn called(name: &str) -> Option<&'static Definition> {
    understood().find(|definition| definition.is_called(name))
}

/// The most similar known name, if one is close enough.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    definitions()
        .map(|definition| definition.name)
        .chain(definitions().filter_map(|definition| definition.long))
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .filter(|(likeness, _)| *likeness >= 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[must_use]
pub fn definition(name: &str) -> Option<&'static Definition> {
    understood().find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_spelling_is_used_twice() {
        let mut seen = BTreeSet::new();
        for definition in understood() {
            assert!(
                seen.insert(definition.name.to_owned()),
                "name {}",
                definition.name
            );
            let longs = definition
                .long
                .iter()
                .chain(definition.aliases)
                .map(|long| format!("--{long}"));
            for spelling in longs.chain(definition.short.map(|short| format!("-{short}"))) {
                assert!(seen.insert(spelling.clone()), "spelling {spelling}");
            }
        }
    }

    #[test]
    fn help_is_one_line_that_ends_without_a_full_stop() {
        for Definition { name, help, .. } in definitions() {
            assert!(
                !help.is_empty()
                    && help.len() <= 100
                    && !help.ends_with('.')
                    && !help.contains('\n'),
                "{name}: {help}"
            );
        }
    }

    #[test]
    fn groups_come_in_their_order() {
        let order: Vec<_> = definitions().map(|definition| definition.group).collect();
        let mut met: Vec<Group> = Vec::new();
        for group in order {
            if met.last() != Some(&group) {
                assert!(!met.contains(&group), "{group:?} is torn apart");
                met.push(group);
            }
        }
        assert_eq!(met, Group::ALL);
    }

    #[test]
    fn only_a_switch_has_no_value_name() {
        for definition in definitions() {
            assert_eq!(
                definition.kind == ValueType::Switch,
                definition.value.is_empty(),
                "{}",
                definition.name
            );
        }
    }
}
