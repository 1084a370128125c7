//! `--beside`: a command, or a table of a configuration file as JSON, `{"NAME": {"command": "...", "grace": 30, "env": {...}}}`.

use serde_json::{Map, Value as Json};

use super::{InvalidValue, ParsedValue, command, duration, environment_pair};
use crate::config::{CompanionSettings, ReopenSignal, RunBefore};

/// What a log line or a label of a metric can bear.
const LONGEST_NAME: usize = 32;
const KEYS: &str = "command, grace, reopen, env";

/// One value of the setting; a companion without a name of its own is named after its program, and is not `taken`.
pub(in crate::config) fn companions(
    text: &str,
    taken: &[CompanionSettings],
) -> ParsedValue<Vec<CompanionSettings>> {
    if !text.trim_start().starts_with('{') {
        let command = command(text)?;
        return Ok(vec![CompanionSettings {
            name: free_name(&command, taken),
            command,
            grace: None,
            reopen: None,
            environment: Vec::new(),
        }]);
    }
    let tables: Map<String, Json> = serde_json::from_str(text)
        .map_err(|error| InvalidValue::new(format!("is not a table: {error}")))?;
    let mut all: Vec<CompanionSettings> = Vec::new();
    for (name, value) in &tables {
        let companion = named(name, value)?;
        if taken.iter().chain(&all).any(|other| other.name == *name) {
            return Err(InvalidValue::new(format!(
                "names a second companion `{name}`"
            )));
        }
        all.push(companion);
    }
    Ok(all)
}

fn named(name: &str, value: &Json) -> ParsedValue<CompanionSettings> {
    check_name(name)?;
    let wrong =
        |problem: String| InvalidValue::new(format!("has the companion `{name}`, {problem}"));
    let fields = match value {
        Json::String(text) => &Map::from_iter([("command".to_owned(), text.as_str().into())]),
        Json::Object(fields) => fields,
        _ => return Err(wrong("which is neither a command nor a table".to_owned())),
    };
    let given = fields.get("command").and_then(Json::as_str);
    let given = given.ok_or_else(|| {
        wrong("which has no `command`".to_owned()).hint(format!(
            "write `[beside.{name}]` and below it `command = \"...\"`"
        ))
    })?;
    let mut companion = CompanionSettings {
        name: name.to_owned(),
        command: command(given)
            .map_err(|malformed| wrong(format!("whose command `{given}` {}", malformed.problem)))?,
        grace: None,
        reopen: None,
        environment: Vec::new(),
    };
    for (key, value) in fields {
        match key.as_str() {
            "command" => {}
            "grace" => {
                let text = match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                let grace = duration(&text)
                    .map_err(|it| wrong(format!("whose grace `{text}` {}", it.problem)))?;
                companion.grace = Some(grace);
            }
            "reopen" => companion.reopen = Some(reopen(value).map_err(wrong)?),
            "env" => companion.environment = environment(value).map_err(wrong)?,
            _ => {
                return Err(wrong(format!("which has the unknown key `{key}`"))
                    .hint(format!("there are {KEYS}")));
            }
        }
    }
    Ok(companion)
}

fn reopen(value: &Json) -> Result<ReopenSignal, String> {
    let name = value.as_str().unwrap_or_default();
    match name.strip_prefix("SIG").unwrap_or(name) {
        "HUP" => Ok(ReopenSignal::Hup),
        "USR1" => Ok(ReopenSignal::Usr1),
        "USR2" => Ok(ReopenSignal::Usr2),
        _ => Err(format!(
            "whose `reopen` is {value}, and not \"HUP\", \"USR1\" or \"USR2\""
        )),
    }
}

fn environment(value: &Json) -> Result<Vec<(String, String)>, String> {
    let no_strings = || "whose `env` is not a table of strings".to_owned();
    let pairs = value.as_object().ok_or_else(no_strings)?.iter();
    pairs
        .map(|(name, value)| {
            let text = value.as_str().ok_or_else(no_strings)?;
            environment_pair(&format!("{name}={text}"))
                .map_err(|malformed| format!("whose variable `{name}` {}", malformed.problem))
        })
        .collect()
}

fn check_name(name: &str) -> ParsedValue<()> {
    let fits = name.len() <= LONGEST_NAME
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(is_of_a_name);
    if fits {
        return Ok(());
    }
    Err(
        InvalidValue::new(format!("has a companion with the bad name `{name}`")).hint(format!(
            "a name is at most {LONGEST_NAME} letters, digits, `-`, `_` and `.`, and begins with a letter or digit"
        )),
    )
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
}

/// `celery`, and for another one `celery-2`.
fn free_name(command: &RunBefore, taken: &[CompanionSettings]) -> String {
    /// Room for a number behind it.
    const LONGEST: usize = LONGEST_NAME - 4;
    let program = command.program.rsplit('/').next().unwrap_or_default();
    let name: String = program
        .chars()
        .map(|c| {
            if u8::try_from(c).is_ok_and(is_of_a_name) {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    let name = match name.get(..LONGEST).unwrap_or(name) {
        "" => "companion",
        name => name,
    };
    let is_free = |name: &String| taken.iter().all(|other| other.name != *name);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names
        .find(is_free)
        .expect("there are more numbers than companions")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(texts: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        for text in texts {
            let more = companions(text, &all).expect("well formed");
            all.extend(more);
        }
        all.into_iter().map(|one| one.name).collect()
    }

    #[test]
    fn named_after_the_program_and_once_each() {
        let texts = [
            "celery -A site worker",
            "/srv/bin/celery -A site beat",
            "celery -A site worker -Q slow",
            "'./run it.sh' now",
            "./-é",
            "...",
        ];
        assert_eq!(
            names(&texts),
            [
                "celery",
                "celery-2",
                "celery-3",
                "run-it.sh",
                "companion",
                "companion-2"
            ]
        );
        let long = "x".repeat(100);
        assert_eq!(names(&[&long, &long])[1], format!("{}-2", "x".repeat(28)));
        assert_eq!(
            names(&[r#"{"celery": "celery -A other worker"}"#, "celery worker"]),
            ["celery", "celery-2"]
        );
    }

    #[test]
    fn table_says_more() {
        let text =
            r#"{"mail": {"command": "python manage.py mail", "grace": "2m", "env": {"A": "b=c"}}}"#;
        let read = companions(text, &[]).expect("well formed");
        assert_eq!(read[0].command.arguments, ["manage.py", "mail"]);
        assert_eq!(read[0].grace, Some(Duration::from_secs(120)));
        assert_eq!(read[0].environment, [("A".to_owned(), "b=c".to_owned())]);
        let read = companions(r#"{"mail": {"command": "m", "grace": 1.5}}"#, &[]);
        assert_eq!(
            read.expect("well formed")[0].grace,
            Some(Duration::from_millis(1500))
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("", "is not a command"),
            ("a 'b", "has a quote that is not closed"),
            (r#"{"a b": "c"}"#, "has a companion with the bad name `a b`"),
            (r#"{"": "c"}"#, "has a companion with the bad name ``"),
            (r#"{"-a": "c"}"#, "has a companion with the bad name `-a`"),
            (
                r#"{"a": 1}"#,
                "has the companion `a`, which is neither a command nor a table",
            ),
            (
                r#"{"a": {}}"#,
                "has the companion `a`, which has no `command`",
            ),
            (
                r#"{"a": {"command": ""}}"#,
                "has the companion `a`, whose command `` is not a command",
            ),
            (
                r#"{"a": {"command": "b", "grase": 1}}"#,
                "has the companion `a`, which has the unknown key `grase`",
            ),
            (
                r#"{"a": {"command": "b", "env": {"X": 1}}}"#,
                "has the companion `a`, whose `env` is not a table of strings",
            ),
            (r#"{"celery": "c"}"#, "names a second companion `celery`"),
        ] {
            let taken = companions("celery", &[]).expect("well formed");
            let malformed = companions(text, &taken).expect_err(text);
            assert_eq!(malformed.problem, problem);
        }
    }
}
