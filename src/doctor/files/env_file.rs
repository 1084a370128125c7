//! Files of variables: compose's `env_file` and `.env`, systemd's `EnvironmentFile`.

use super::expansion::{self, Escape};
use crate::doctor::deployment::{DeploymentVariable, DeploymentVariables};

/// `outer`: variables that values may refer to, beside those above them in the file.
pub fn compose(
    place: &str,
    text: &str,
    outer: &dyn Fn(&str) -> Option<String>,
) -> DeploymentVariables {
    let mut variables = DeploymentVariables::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = format!("{place}:{}", number + 1);
        let Some((name, value)) = line.split_once(['=', ':']) else {
            // Taken from the shell that runs compose.
            variables.insert(line.to_owned(), DeploymentVariable { value: None, place });
            continue;
        };
        let lookup = |name: &str| {
            let own = variables.get(name).map(|known| known.value.clone());
            own.unwrap_or_else(|| outer(name))
        };
        let value = compose_value(value.trim(), &lookup);
        let name = name.trim().to_owned();
        variables.insert(name, DeploymentVariable { value, place });
    }
    variables
}

fn compose_value(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    for (quote, is_literal) in [('\'', true), ('"', false)] {
        if let Some(inside) = text.strip_prefix(quote) {
            let inside = inside.split(quote).next().unwrap_or_default();
            return if is_literal {
                Some(inside.to_owned())
            } else {
                expansion::expanded(inside, Escape::Backslash, lookup)
            };
        }
    }
    let end = text.find(" #").unwrap_or(text.len());
    expansion::expanded(text.get(..end)?.trim_end(), Escape::Dollar, lookup)
}

/// systemd.exec(5): without references to other variables.
pub fn systemd(place: &str, text: &str) -> DeploymentVariables {
    let mut variables = DeploymentVariables::new();
    for entry in super::joined_lines::read(text) {
        let Some((name, value)) = entry.text.split_once('=') else {
            continue;
        };
        let words = crate::config::split(value);
        let value = words.map_or_else(|_| value.trim().to_owned(), |words| words.join(" "));
        let place = format!("{place}:{}", entry.line);
        let name = name.trim().to_owned();
        let value = Some(value);
        variables.insert(name, DeploymentVariable { value, place });
    }
    variables
}

/// `NAME=VALUE` without any quoting, as kustomize reads it.
pub fn plain(place: &str, text: &str) -> DeploymentVariables {
    let lines = text.lines().enumerate();
    let found = lines.filter_map(|(number, line)| {
        let line = line.trim_start();
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
        let variable = DeploymentVariable {
            value: Some(value.to_owned()),
            place: format!("{place}:{}", number + 1),
        };
        Some((name.to_owned(), variable))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(variables: &DeploymentVariables) -> Vec<(&str, Option<&str>, &str)> {
        let shown = variables.iter().map(|(name, variable)| {
            (
                name.as_str(),
                variable.value.as_deref(),
                variable.place.as_str(),
            )
        });
        shown.collect()
    }

    #[test]
    fn a_file_of_compose() {
        let text = "# c\nA=1 # one\nexport B='$A'\nC=\"${A} two\"\nD\n\nE=${OUTER}\nF=${ABSENT}\nG=${ABSENT:-g}#\n";
        let outer = |name: &str| (name == "OUTER").then(|| "outer".to_owned());
        let found = compose("web.env", text, &outer);
        assert_eq!(
            shown(&found),
            [
                ("A", Some("1"), "web.env:2"),
                ("B", Some("$A"), "web.env:3"),
                ("C", Some("1 two"), "web.env:4"),
                ("D", None, "web.env:5"),
                ("E", Some("outer"), "web.env:7"),
                ("F", None, "web.env:8"),
                ("G", Some("g#"), "web.env:9"),
            ]
        );
    }

    #[test]
    fn a_file_of_systemd() {
        let text = "# c\nA=1\nB=\"two words\"\n; c\nC=x \\\n  y\nD=$A\nE=don't\n";
        assert_eq!(
            shown(&systemd("shop.env", text)),
            [
                ("A", Some("1"), "shop.env:2"),
                ("B", Some("two words"), "shop.env:3"),
                ("C", Some("x y"), "shop.env:5"),
                ("D", Some("$A"), "shop.env:7"),
                ("E", Some("don't"), "shop.env:8"),
            ]
        );
    }
}
