//! A systemd service that runs this program.

use super::expansion;
use super::joined_lines::JoinedLine;
use super::words::{CommandLines, starts_rgun, unshelled};
use super::{SourceFile, env_file, joined_lines, quantity, unit_lines};
use crate::doctor::deployment::{
    Deployment, DeploymentVariable, Expansion, Manager, MisuseConsequence, MisusedSetting,
    RuntimeDirectory, VariableSource,
};

/// `None`: it runs another program.
pub fn read(file: &SourceFile<'_>) -> Option<Deployment> {
    let joined = joined_lines::read(file.text);
    let mut misuses = unit_lines::ignored(file.place, &joined);
    let entries = entries(joined);
    let last = |wanted: &str| entries.iter().rfind(|entry| entry.name == wanted);
    let value = |wanted: &str| last(wanted).map(|entry| entry.value.as_str());
    let start = last("ExecStart")?;
    // systemd.service(5): these characters in front of the path change how it is run.
    let line = start.value.trim_start_matches(['-', '@', ':', '+', '!']);
    let lines = CommandLines {
        place: file.place,
        text: file.text,
        first: start.line,
        last: start.last_line,
    };
    let words = crate::config::split(line);
    if words.is_err() {
        misuses.push(MisusedSetting {
            place: format!("{}:{}", file.place, start.line),
            problem: "a quote in ExecStart= is not closed".to_owned(),
            hint: Some("close it, or write the quote as \\x22".to_owned()),
            consequence: MisuseConsequence::Rejected,
        });
    }
    let is_broken = words.is_err() && line.contains("rgun");
    let inner = unshelled(lines.placed(words.unwrap_or_default()), &lines);
    if !starts_rgun(&inner.words) && !is_broken {
        return None;
    }
    Some(Deployment {
        place: file.place.to_owned(),
        manager: Manager::Systemd,
        expansion: inner.expansion(Expansion::Systemd),
        has_shell: inner.stays,
        command: inner.words,
        environment: environment(file, &entries),
        stop: value("TimeoutStopSec")
            .or_else(|| value("TimeoutSec"))
            .and_then(quantity::duration),
        kind: Some(value("Type").unwrap_or("simple").to_owned()),
        memory: value("MemoryMax").and_then(quantity::bytes),
        replicas: 1,
        probes: Vec::new(),
        runtime_directory: value("RuntimeDirectory").map(|names| RuntimeDirectory {
            names: names.split_whitespace().map(str::to_owned).collect(),
            // systemd.exec(5)
            mode: value("RuntimeDirectoryMode")
                .and_then(|mode| u32::from_str_radix(mode, 8).ok())
                .unwrap_or(0o755),
            group: value("Group").map(str::to_owned),
        }),
        server: None,
        misuses,
    })
}

/// systemd.exec(5): files are stronger than `Environment=`; an empty value removes what was set above.
fn environment(file: &SourceFile<'_>, entries: &[UnitEntry]) -> Vec<VariableSource> {
    let given = |name: String, value: Option<String>, line: usize| VariableSource::Given {
        name,
        variable: DeploymentVariable {
            value,
            place: format!("{}:{line}", file.place),
        },
    };
    let (mut own, mut of_files) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry.name.as_str() {
            "Environment" if entry.value.is_empty() => own.clear(),
            "Environment" => {
                let words = crate::config::split(&entry.value).unwrap_or_default();
                own.extend(words.iter().filter_map(|word| {
                    let (name, value) = word.split_once('=')?;
                    Some(given(
                        name.to_owned(),
                        expansion::specifiers(value),
                        entry.line,
                    ))
                }));
            }
            "PassEnvironment" => {
                let names = entry.value.split_whitespace();
                own.extend(names.map(|name| given(name.to_owned(), None, entry.line)));
            }
            "EnvironmentFile" if entry.value.is_empty() => of_files.clear(),
            "EnvironmentFile" => {
                let path = entry.value.trim_start_matches('-');
                let path = expansion::specifiers(path);
                let found = path.and_then(|path| Some(((file.beside)(&path)?, path)));
                if let Some((text, path)) = found {
                    let variables = env_file::systemd(&file.place_beside(&path), &text).into_iter();
                    of_files.extend(
                        variables.map(|(name, variable)| VariableSource::Given { name, variable }),
                    );
                }
            }
            _ => {}
        }
    }
    [own, of_files].concat()
}

struct UnitEntry {
    name: String,
    value: String,
    line: usize,
    last_line: usize,
}

/// Of all sections.
fn entries(lines: Vec<JoinedLine>) -> Vec<UnitEntry> {
    let entries = lines.into_iter().filter_map(|joined| {
        let (name, value) = joined.text.split_once('=')?;
        Some(UnitEntry {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            line: joined.line,
            last_line: joined.last_line,
        })
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::environment::{command, listed, variables};
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn found(text: &str) -> Option<Deployment> {
        let beside = |path: &str| {
            (path == "/etc/shop.env").then(|| "# c\nB=file\nOPTS=-w 3 --backlog 9\n".to_owned())
        };
        read(&SourceFile {
            place: "deploy/a.service",
            text,
            beside: &beside,
        })
    }

    #[test]
    fn a_service() {
        let text = "[Unit]\nDescription=a\n[Service]\n# Type=simple\nType=notify\nExecStart=/usr/bin/env rgun \\\n  app:app -w 2\nTimeoutStopSec=1min\nMemoryMax=1G\n";
        let service = found(text).expect("it runs rgun");
        let words: Vec<_> = service
            .command
            .iter()
            .map(|word| (word.text.as_deref().unwrap_or(""), word.place.as_str()))
            .collect();
        assert_eq!(
            words[1..4],
            [
                ("rgun", "deploy/a.service:6"),
                ("app:app", "deploy/a.service:7"),
                ("-w", "deploy/a.service:7")
            ]
        );
        assert_eq!(service.stop, Some(Duration::from_secs(60)));
        assert_eq!(service.kind.as_deref(), Some("notify"));
        assert_eq!(service.memory, Some(1 << 30));
        let plain = found("[Service]\nExecStart=-/bin/sh -c 'rgun app:app'\n");
        let plain = plain.expect("it runs rgun");
        assert_eq!((plain.kind.as_deref(), plain.stop), (Some("simple"), None));
        assert!(plain.has_shell);
        assert!(found("[Service]\nExecStart=/usr/bin/celery\n").is_none());
        assert!(found("").is_none());
    }

    #[test]
    fn variables_of_a_service() {
        let text = "[Service]\nEnvironment=OLD=1\nEnvironment=\nEnvironment=A=1 \"B=two words\" C=%t/x D=%i\nEnvironmentFile=-/etc/shop.env\nEnvironmentFile=/etc/absent.env\nPassEnvironment=E\nExecStart=rgun app:app $OPTS -b ${A}\n";
        let service = found(text).expect("it runs rgun");
        let variables = variables(&service, &BTreeMap::new());
        assert_eq!(
            listed(&variables),
            [
                ("A", Some("1"), "deploy/a.service:4"),
                ("B", Some("file"), "/etc/shop.env:2"),
                ("C", Some("/run/x"), "deploy/a.service:4"),
                ("D", None, "deploy/a.service:4"),
                ("E", None, "deploy/a.service:7"),
                ("OPTS", Some("-w 3 --backlog 9"), "/etc/shop.env:3"),
            ]
        );
        let words = command(&service, &variables);
        let texts: Vec<_> = words
            .iter()
            .filter_map(|word| word.text.as_deref())
            .collect();
        assert_eq!(
            texts,
            ["rgun", "app:app", "-w", "3", "--backlog", "9", "-b", "1"]
        );
    }
}
