//! The command and the variables of a Dockerfile's last stage.

use std::collections::BTreeMap;

use super::SourceFile;
use super::expansion::{self, Escape};
use super::words::{CommandLines, starts_rgun, unshelled};
use crate::doctor::deployment::{
    CommandWord, Deployment, DeploymentVariable, Expansion, Manager, MisuseConsequence,
    MisusedSetting, VariableSource,
};

/// What an image runs, and in which environment.
#[derive(Debug, Clone, Default)]
pub struct ImageCommand {
    pub entrypoint: Vec<CommandWord>,
    pub command: Vec<CommandWord>,
    pub environment: Vec<VariableSource>,
    /// A command that was meant as a JSON array and is none.
    pub malformed: Option<MisusedSetting>,
}

/// `None`: it starts another program.
pub fn read(file: &SourceFile<'_>) -> Option<Deployment> {
    let image = image(file.place, file.text, None);
    let last = image.entrypoint.last().or(image.command.last())?;
    let line = last.place.rsplit(':').next()?.parse().ok()?;
    let lines = CommandLines {
        place: file.place,
        text: file.text,
        first: line,
        last: file.text.lines().count(),
    };
    let malformed = image.malformed.clone();
    let inner = unshelled([image.entrypoint, image.command].concat(), &lines);
    (starts_rgun(&inner.words) || malformed.is_some()).then(|| Deployment {
        place: file.place.to_owned(),
        manager: Manager::Image,
        expansion: inner.expansion(Expansion::None),
        has_shell: inner.stays,
        command: inner.words,
        environment: image.environment,
        stop: None,
        kind: None,
        memory: None,
        replicas: 1,
        probes: Vec::new(),
        runtime_directory: None,
        server: None,
        misuses: malformed.into_iter().collect(),
    })
}

/// `target`: the stage; without it the last one.
pub fn image(place: &str, text: &str, target: Option<&str>) -> ImageCommand {
    let mut stages: BTreeMap<String, ImageStage> = BTreeMap::new();
    let mut name = String::new();
    let mut stage = ImageStage::default();
    let mut arguments = BTreeMap::new();
    for instruction in instructions(text) {
        let lines = CommandLines {
            place,
            text,
            first: instruction.first_line,
            last: instruction.last_line,
        };
        let rest = instruction.rest.as_str();
        match instruction.name.as_str() {
            "FROM" => {
                stages.insert(std::mem::take(&mut name), std::mem::take(&mut stage));
                if target.is_some_and(|target| stages.contains_key(target)) {
                    break;
                }
                let words: Vec<&str> = rest
                    .split_whitespace()
                    .filter(|word| !word.starts_with("--"))
                    .collect();
                stage = words
                    .first()
                    .and_then(|base| stages.get(*base))
                    .cloned()
                    .unwrap_or_default();
                name = words.get(2).unwrap_or(&"").to_string();
            }
            "ARG" => {
                if let Some((name, value)) = rest.split_once('=') {
                    let value = value.trim_matches(['"', '\'']);
                    arguments.insert(name.trim().to_owned(), value.to_owned());
                }
            }
            "ENV" => stage.set(&lines, rest, &arguments),
            "ENTRYPOINT" => {
                stage.image.entrypoint = command(&lines, rest);
                stage.image.command.clear();
                stage.image.malformed = malformed(&lines, "ENTRYPOINT", rest);
            }
            "CMD" => {
                stage.image.command = command(&lines, rest);
                stage.image.malformed = malformed(&lines, "CMD", rest);
            }
            _ => {}
        }
    }
    stages.insert(name, stage.clone());
    let wanted = target.and_then(|target| stages.remove(target));
    wanted.unwrap_or(stage).image
}

#[derive(Debug, Clone, Default)]
struct ImageStage {
    values: BTreeMap<String, Option<String>>,
    image: ImageCommand,
}

impl ImageStage {
    fn set(&mut self, lines: &CommandLines<'_>, rest: &str, arguments: &BTreeMap<String, String>) {
        let words = crate::config::split(rest).unwrap_or_default();
        let is_old_form = words.first().is_some_and(|first| !first.contains('='));
        let pairs: Vec<(String, String)> = match words.first() {
            // The old form: `ENV NAME the rest of the line`.
            Some(first) if is_old_form => {
                let value = rest
                    .split_once(char::is_whitespace)
                    .map_or("", |(_, value)| value);
                vec![(first.clone(), value.trim().to_owned())]
            }
            _ => {
                let pairs = words.iter().filter_map(|word| word.split_once('='));
                pairs
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect()
            }
        };
        for (name, text) in pairs {
            let lookup = |name: &str| match self.values.get(name) {
                Some(value) => value.clone(),
                None => arguments.get(name).cloned(),
            };
            let value = expansion::expanded(&text, Escape::Backslash, &lookup);
            let place = lines
                .placed([format!("{name}{}", if is_old_form { "" } else { "=" })])
                .pop()
                .map_or_else(String::new, |word| word.place);
            self.values.insert(name.clone(), value.clone());
            self.image.environment.push(VariableSource::Given {
                name,
                variable: DeploymentVariable { value, place },
            });
        }
    }
}

/// Docker gives what begins like an array and is none to a shell, which finds no program of that name.
fn malformed(lines: &CommandLines<'_>, instruction: &str, text: &str) -> Option<MisusedSetting> {
    let text = text.trim();
    let is_meant = text.starts_with('[') && text.contains("rgun");
    (is_meant && serde_json::from_str::<Vec<String>>(text).is_err()).then(|| MisusedSetting {
        place: format!("{}:{}", lines.place, lines.first),
        problem: format!(
            "{instruction} is no array of strings in JSON, so that a shell gets it as it is"
        ),
        hint: Some(
            "double quotes around each word, a comma between them, none after the last".to_owned(),
        ),
        consequence: MisuseConsequence::Rejected,
    })
}

/// Of the exec form the words; of the shell form those of `/bin/sh -c`.
fn command(lines: &CommandLines<'_>, text: &str) -> Vec<CommandWord> {
    let words = match serde_json::from_str::<Vec<String>>(text) {
        Ok(words) => words,
        Err(_) => vec!["/bin/sh".to_owned(), "-c".to_owned(), text.to_owned()],
    };
    lines.placed(words)
}

struct Instruction {
    name: String,
    rest: String,
    first_line: usize,
    last_line: usize,
}

/// With lines that a backslash continues joined; comments between them are left out.
fn instructions(text: &str) -> Vec<Instruction> {
    let mut found: Vec<Instruction> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('#') || (line.is_empty() && !continues) {
            continue;
        }
        let (content, goes_on) = match line.strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        match found.last_mut().filter(|_| continues) {
            Some(begun) => {
                begun.rest.push(' ');
                begun.rest.push_str(content);
                begun.last_line = number + 1;
            }
            None => {
                let (name, rest) = content
                    .split_once(char::is_whitespace)
                    .unwrap_or((content, ""));
                found.push(Instruction {
                    name: name.to_ascii_uppercase(),
                    rest: rest.trim().to_owned(),
                    first_line: number + 1,
                    last_line: number + 1,
                });
            }
        }
        continues = goes_on;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Deployment> {
        read(&SourceFile {
            place: "Dockerfile",
            text,
            beside: &|_| None,
        })
    }

    #[test]
    fn the_forms_of_a_command() {
        for (text, shell) in [
            ("FROM a\nCMD [\"rgun\", \"app:app\"]\n", false),
            ("CMD rgun app:app\n", true),
            ("CMD exec rgun app:app\n", false),
            ("ENTRYPOINT rgun \\\n  app:app\n", true),
            ("CMD [\"sh\", \"-c\", \"rgun app:app\"]\n", true),
            ("ENTRYPOINT [\"rgun\"]\nCMD [\"app:app\"]\n", false),
        ] {
            let found = found(text).expect(text);
            assert_eq!(found.has_shell, shell, "{text}");
            assert!(
                found
                    .command
                    .iter()
                    .any(|word| word.is(|text| text == "app:app")),
                "{text}"
            );
        }
        for text in ["", "FROM python\n", "CMD [\"celery\"]\n", "CMD [broken\n"] {
            assert!(found(text).is_none(), "{text}");
        }
    }

    #[test]
    fn variables_of_the_last_stage() {
        let text = "ARG LEVEL=info\nFROM a AS base\nENV A=1 B=\"two words\"\nFROM b AS other\nENV C=3\nFROM base\n# comment\nENV D=$A/$LEVEL \\\n    E=${ABSENT}\nENV F the rest\nCMD [\"rgun\", \\\n  \"app:app\"]\n";
        let found = found(text).expect("it runs rgun");
        let shown: Vec<_> = found
            .environment
            .iter()
            .filter_map(|source| match source {
                VariableSource::Given { name, variable } => Some((
                    name.as_str(),
                    variable.value.as_deref(),
                    variable.place.as_str(),
                )),
                _ => None,
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("A", Some("1"), "Dockerfile:3"),
                ("B", Some("two words"), "Dockerfile:3"),
                ("D", Some("1/info"), "Dockerfile:8"),
                ("E", None, "Dockerfile:9"),
                ("F", Some("the rest"), "Dockerfile:10"),
            ]
        );
        assert_eq!(found.command[1].place, "Dockerfile:12");
    }
}
