//! Words of commands with their places, the shells in front of them, and whether they start this program.

use crate::doctor::deployment::{CommandWord, Expansion};

/// The lines of a file that a command is written in, counted from 1.
pub struct CommandLines<'a> {
    pub place: &'a str,
    pub text: &'a str,
    pub first: usize,
    pub last: usize,
}

impl CommandLines<'_> {
    /// Each word with the line in which it is written: the first one from the word before on that has it.
    pub fn placed(&self, words: impl IntoIterator<Item = String>) -> Vec<CommandWord> {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut current = self.first;
        let mut placed = Vec::new();
        for word in words {
            let has_it =
                |line: &usize| lines.get(line - 1).is_some_and(|text| text.contains(&word));
            current = (current.max(1)..=self.last).find(has_it).unwrap_or(current);
            placed.push(CommandWord {
                text: Some(word),
                place: format!("{}:{current}", self.place),
            });
        }
        placed
    }

    /// From the line of `place` on; words of another file are all at that place.
    fn placed_from(&self, place: &str, words: Vec<String>) -> Vec<CommandWord> {
        let line = place
            .strip_prefix(self.place)
            .and_then(|line| line.strip_prefix(':')?.parse().ok());
        match line {
            Some(first) => CommandLines { first, ..*self }.placed(words),
            None => {
                let words = words.into_iter().map(|text| CommandWord {
                    text: Some(text),
                    place: place.to_owned(),
                });
                words.collect()
            }
        }
    }
}

/// A command without the shell that runs it.
pub struct Unshelled {
    pub words: Vec<CommandWord>,
    /// The shell stays its parent.
    pub stays: bool,
    /// Words are expanded by a shell.
    pub has_script: bool,
}

impl Unshelled {
    /// `own`: how the file's program expands a command that no shell runs.
    pub fn expansion(&self, own: Expansion) -> Expansion {
        if self.has_script {
            Expansion::Shell
        } else {
            own
        }
    }
}

pub fn unshelled(words: Vec<CommandWord>, lines: &CommandLines<'_>) -> Unshelled {
    let is_shell = words.first().is_some_and(|word| {
        word.is(|text| {
            let name = text.rsplit('/').next().unwrap_or_default();
            ["sh", "bash", "dash", "ash", "zsh"].contains(&name)
        })
    });
    let option = words
        .iter()
        .position(|word| word.is(|text| text.starts_with('-') && text.contains('c')));
    let script = option.and_then(|place| words.get(place + 1));
    let Some((script, place)) = script
        .filter(|_| is_shell)
        .and_then(|word| Some((word.text.as_deref()?, word.place.as_str())))
    else {
        return Unshelled {
            words,
            stays: false,
            has_script: false,
        };
    };
    let inner = simple_command(crate::config::split(script).unwrap_or_default());
    Unshelled {
        stays: !script.trim_start().starts_with("exec ") && !script.contains("exec rgun"),
        words: lines.placed_from(place, inner),
        has_script: true,
    }
}

/// Of a script's words those up to the end of the command that starts this program.
fn simple_command(mut words: Vec<String>) -> Vec<String> {
    let Some(begin) = words.iter().position(|word| is_program(word)) else {
        return words;
    };
    let is_operator = |word: &String| {
        let after = word.trim_start_matches(|c: char| c.is_ascii_digit());
        word.starts_with(['|', '&', ';', '<', '>', '(', ')']) || after.starts_with(['<', '>'])
    };
    if let Some(end) = words.iter().skip(begin).position(is_operator) {
        words.truncate(begin + end);
    }
    if let Some(end) = words
        .iter()
        .skip(begin)
        .position(|word| word.ends_with(';'))
    {
        words.truncate(begin + end + 1);
        if let Some(last) = words.last_mut() {
            *last = last.trim_end_matches(';').to_owned();
        }
    }
    words
}

/// Whether a command starts this program: directly, by `env`, `exec`, a launcher or `python -m`.
pub fn starts_rgun(command: &[CommandWord]) -> bool {
    let place = command.iter().position(|word| word.is(is_program));
    // `rgun ctl` and the like are not servers.
    let next = place.and_then(|place| command.get(place + 1));
    place.is_some()
        && !next.is_some_and(|word| word.is(|text| ["ctl", "init", "doctor"].contains(&text)))
}

/// The name, or a path that ends in it.
pub fn is_program(word: &str) -> bool {
    word.rsplit('/').next() == Some("rgun")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &[CommandWord]) -> Vec<&str> {
        words
            .iter()
            .filter_map(|word| word.text.as_deref())
            .collect()
    }

    fn lines(text: &str) -> CommandLines<'_> {
        CommandLines {
            place: "f",
            text,
            first: 1,
            last: text.lines().count(),
        }
    }

    fn words(text: &str) -> Vec<CommandWord> {
        lines(text).placed(text.split(' ').map(str::to_owned))
    }

    #[test]
    fn commands_of_this_program() {
        for (command, starts) in [
            ("rgun app:app", true),
            ("/usr/bin/env rgun app:app", true),
            ("/srv/.venv/bin/rgun app:app -w 4", true),
            ("python -m rgun app:app", true),
            ("rgun ctl reload", false),
            ("gunicorn app:app", false),
        ] {
            assert_eq!(starts_rgun(&words(command)), starts, "{command}");
        }
    }

    #[test]
    fn the_command_that_a_shell_runs() {
        for (script, inner, stays) in [
            ("rgun app:app", &["rgun", "app:app"][..], true),
            ("exec rgun a", &["exec", "rgun", "a"], false),
            ("rgun a | tee log", &["rgun", "a"], true),
            (
                "cd /srv && rgun a -w 2; echo",
                &["cd", "/srv", "&&", "rgun", "a", "-w", "2"],
                true,
            ),
            ("rgun a 2>&1", &["rgun", "a"], true),
        ] {
            let shell = [words("bash -lc"), lines(script).placed([script.to_owned()])].concat();
            let found = unshelled(shell, &lines(script));
            assert_eq!(
                (texts(&found.words).as_slice(), found.stays),
                (inner, stays),
                "{script}"
            );
        }
        let found = unshelled(words("rgun a"), &lines("rgun a"));
        assert_eq!(
            (texts(&found.words), found.stays),
            (vec!["rgun", "a"], false)
        );
    }

    #[test]
    fn words_have_the_line_that_they_are_in() {
        let text = "command: >\n  rgun\n  app:app -w 2\n  -b :80\n  -w 3\n";
        let placed = lines(text)
            .placed(["rgun", "app:app", "-w", "2", "-b", ":80", "-w"].map(str::to_owned));
        let places: Vec<_> = placed.iter().map(|word| word.place.as_str()).collect();
        assert_eq!(places, ["f:2", "f:3", "f:3", "f:3", "f:4", "f:4", "f:5"]);
    }
}
