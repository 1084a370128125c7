//! Lines of a systemd unit that systemd ignores: keys and values that it does not know.

use super::joined_lines::JoinedLine;
use super::quantity;
use crate::doctor::deployment::{MisuseConsequence, MisusedSetting};

/// Sections with their keys, a line each: `systemd --dump-configuration-items` of 252, and what later versions have added.
const KEYS: &str = include_str!("unit_keys.txt");

/// Keys with a list of values.
const VALUES: [(&str, &[&str]); 4] = [
    (
        "Type",
        &[
            "simple",
            "exec",
            "forking",
            "oneshot",
            "dbus",
            "notify",
            "notify-reload",
            "idle",
        ],
    ),
    (
        "Restart",
        &[
            "no",
            "on-success",
            "on-failure",
            "on-abnormal",
            "on-watchdog",
            "on-abort",
            "always",
        ],
    ),
    ("KillMode", &["control-group", "mixed", "process", "none"]),
    ("NotifyAccess", &["none", "main", "exec", "all"]),
];

const DURATIONS: [&str; 6] = [
    "TimeoutStopSec",
    "TimeoutStartSec",
    "TimeoutSec",
    "TimeoutAbortSec",
    "RestartSec",
    "WatchdogSec",
];

pub fn ignored(place: &str, lines: &[JoinedLine]) -> Vec<MisusedSetting> {
    let mut section = "";
    let mut found = Vec::new();
    for line in lines {
        let text = line.text.trim();
        if let Some(name) = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
            section = name;
            continue;
        }
        if text.is_empty() || section.starts_with("X-") {
            continue;
        }
        let problem = match text.split_once('=') {
            None => Some((format!("`{text}` is no setting"), None)),
            Some((key, value)) => problem(section, key.trim(), value.trim()),
        };
        found.extend(problem.map(|(problem, hint)| MisusedSetting {
            place: format!("{place}:{}", line.line),
            problem,
            hint,
            consequence: MisuseConsequence::IgnoredBySystemd,
        }));
    }
    found
}

fn problem(section: &str, key: &str, value: &str) -> Option<(String, Option<String>)> {
    if key.starts_with("X-") {
        return None;
    }
    let Some(known) = keys(section) else {
        let named = ["Unit", "Service", "Install"].map(|name| format!("[{name}]"));
        return Some((
            format!("{key}= is in the section [{section}], which is none of a service's"),
            Some(format!("there are {}", named.join(", "))),
        ));
    };
    if !known.contains(&key) {
        let elsewhere = sections().find(|(_, keys)| keys.contains(&key));
        let hint = match elsewhere {
            Some((other, _)) => Some(format!("it belongs to [{other}]")),
            None => nearest(known.iter().copied(), key).map(did_you_mean),
        };
        return Some((format!("there is no {key}= in [{section}]"), hint));
    }
    // An empty value takes back what was set before.
    if value.is_empty() {
        return None;
    }
    let values = VALUES.iter().find(|(name, _)| *name == key);
    if let Some((_, values)) = values.filter(|(_, values)| !values.contains(&value)) {
        let hint = nearest(values.iter().copied(), value)
            .map_or_else(|| format!("there are {}", values.join(", ")), did_you_mean);
        return Some((format!("{key}= cannot be `{value}`"), Some(hint)));
    }
    let is_duration = DURATIONS.contains(&key) && value != "infinity";
    (is_duration && quantity::duration(value).is_none()).then(|| {
        let hint = "seconds, or with units: 45, 90s, 1min 30s";
        (format!("{key}= cannot be `{value}`"), Some(hint.to_owned()))
    })
}

fn did_you_mean(word: &str) -> String {
    format!("did you mean `{word}`?")
}

fn nearest<'a>(known: impl Iterator<Item = &'a str>, word: &str) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(known, word), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 8)
        .min()
        .map(|(_, known)| known)
}

fn keys(section: &str) -> Option<Vec<&'static str>> {
    sections().find_map(|(name, keys)| (name == section).then_some(keys))
}

fn sections() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let parts = KEYS.split('[').skip(1);
    parts.filter_map(|part| {
        let (name, keys) = part.split_once("]\n")?;
        Some((name, keys.lines().collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::joined_lines;
    use super::*;

    fn problems(text: &str) -> Vec<(String, Option<String>)> {
        let found = ignored("a.service", &joined_lines::read(text));
        let found = found.into_iter();
        found
            .map(|one| (format!("{}: {}", one.place, one.problem), one.hint))
            .collect()
    }

    #[test]
    fn what_systemd_knows_is_not_mentioned() {
        let text = "[Unit]\nDescription=a = b\nX-Own=1\nAfter=network.target\n\n[Service]\nType=notify\nExecStart=rgun \\\n  app:app\n\
                    TimeoutStopSec=1min 30s\nTimeoutStopSec=\nTimeoutStartSec=infinity\nRestart=on-failure\nMemoryMax=1G\n[Install]\nWantedBy=x\n[X-Us]\nAny=1\n";
        assert_eq!(problems(text), []);
    }

    #[test]
    fn what_systemd_ignores_is_named_with_what_was_meant() {
        let text = "[Service]\nType=notifi\nWorkingDirectroy=/srv\nWantedBy=a\nTimeoutStopSec=soon\nRestart\n[Servcie]\nUser=a\n";
        let hint = |text: &str| Some(text.to_owned());
        assert_eq!(
            problems(text),
            [
                (
                    "a.service:2: Type= cannot be `notifi`".to_owned(),
                    hint("did you mean `notify`?")
                ),
                (
                    "a.service:3: there is no WorkingDirectroy= in [Service]".to_owned(),
                    hint("did you mean `WorkingDirectory`?")
                ),
                (
                    "a.service:4: there is no WantedBy= in [Service]".to_owned(),
                    hint("it belongs to [Install]")
                ),
                (
                    "a.service:5: TimeoutStopSec= cannot be `soon`".to_owned(),
                    hint("seconds, or with units: 45, 90s, 1min 30s")
                ),
                ("a.service:6: `Restart` is no setting".to_owned(), None),
                (
                    "a.service:8: User= is in the section [Servcie], which is none of a service's"
                        .to_owned(),
                    hint("there are [Unit], [Service], [Install]")
                ),
            ]
        );
    }
}
