//! What `--print-config` shows: each setting with its value and its source, in the form of a TOML file.

use std::fmt::Write;

use super::value::switch;
use super::{Definition, Group, Layers, Occurs, Support, ValueType, definitions, understood};

/// Those that say what to print are about this run alone.
const ABOUT_PRINTING: [&str; 2] = ["print_config", "print_changed"];

/// All settings, or with `--changed` those that differ from their defaults.
#[must_use]
pub fn effective(layers: &Layers) -> String {
    let only_changed = layers
        .given("print_changed")
        .last()
        .is_some_and(|given| switch(&given.text) == Ok(true));
    let mut text = String::new();
    for group in Group::ALL {
        let settings: Vec<_> = definitions()
            .filter(|definition| definition.group == group)
            .filter(|definition| !ABOUT_PRINTING.contains(&definition.name))
            .filter(|definition| !only_changed || differs(definition, layers))
            .collect();
        if settings.is_empty() {
            continue;
        }
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}# {}", group.heading());
        for definition in settings {
            line(&mut text, definition, layers);
        }
    }
    let mut idle = understood()
        .filter(|definition| definition.support != Support::Ours)
        .filter(|definition| !layers.given(definition.name).is_empty())
        .peekable();
    if idle.peek().is_some() {
        text.push_str("\n# gunicorn's, without effect here\n");
        idle.for_each(|definition| line(&mut text, definition, layers));
    }
    text
}

fn differs(definition: &Definition, layers: &Layers) -> bool {
    let default = definition.default.or(match definition.kind {
        ValueType::Switch => Some("false"),
        _ => None,
    });
    let given = layers.given(definition.name);
    let several = definition.occurs == Occurs::Repeatedly && given.len() > 1;
    given.last().is_some_and(|last| {
        let value = shown(definition.kind, &last.text);
        several || default.is_none_or(|default| shown(definition.kind, default) != value)
    })
}

/// Writing to a `String` cannot fail.
fn line(text: &mut String, definition: &Definition, layers: &Layers) {
    let given = layers.given(definition.name);
    let origin = given
        .last()
        .map_or_else(|| "default".to_owned(), |given| given.origin.to_string());
    let mut values: Vec<&str> = match definition.occurs {
        Occurs::Repeatedly => given.iter().map(|given| given.text.as_str()).collect(),
        Occurs::Once => given
            .last()
            .map(|given| given.text.as_str())
            .into_iter()
            .collect(),
    };
    if given.is_empty() {
        values.extend(definition.default);
        if definition.kind == ValueType::Switch && values.is_empty() {
            values.push("false");
        }
    }
    let shown = match (definition.occurs, values.as_slice()) {
        (Occurs::Once, []) => {
            let _ = writeln!(text, "# {} is not set", definition.name);
            return;
        }
        (Occurs::Once, [.., value]) => shown(definition.kind, value),
        (Occurs::Repeatedly, values) => {
            let values: Vec<_> = values
                .iter()
                .map(|value| shown(definition.kind, value))
                .collect();
            format!("[{}]", values.join(", "))
        }
    };
    // A file cannot name itself, and settings without effect need not be in it.
    let comment = if definition.name == "config" || definition.support != Support::Ours {
        "# "
    } else {
        ""
    };
    let _ = writeln!(text, "{comment}{} = {shown}  # {origin}", definition.name);
}

fn shown(kind: ValueType, text: &str) -> String {
    let is_bare = match kind {
        ValueType::Number | ValueType::Duration | ValueType::Size => text
            .parse::<u64>()
            .is_ok_and(|number| number.to_string() == text),
        // In the environment it may be `1` or `on`, too.
        ValueType::Switch => match switch(text) {
            Ok(on) => return on.to_string(),
            Err(_) => false,
        },
        ValueType::Json => return format!("'''{text}'''"),
        _ => false,
    };
    if is_bare {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Files, Layer, Origin, definition, files, toml};

    #[test]
    fn what_is_shown_can_be_read_again() {
        let mut layer = Layer::default();
        for (name, text) in [
            ("bind", ":80"),
            ("bind", "unix:/a \"b\""),
            ("workers", "auto"),
            ("timeout", "1.5"),
            ("daemon", "true"),
            ("preload_app", "1"),
            ("reload", "no"),
            ("raw_env", "A=b=c\n"),
            ("logconfig_dict", "{\"version\":1}"),
            ("worker_connections", "500"),
        ] {
            layer.add(definition(name).unwrap(), text, Origin::CommandLine);
        }
        let shown = effective(&Layers::new(vec![layer.clone()]));
        assert!(
            shown.contains("\nworkers = \"auto\"  # command line\n"),
            "{shown}"
        );
        let idle =
            "\n# gunicorn's, without effect here\n# worker_connections = \"500\"  # command line\n";
        assert!(shown.ends_with(idle), "{shown}");
        for line in [
            "\npreload_app = true  # command line\n",
            "\nreload = false  # command line\n",
        ] {
            assert!(shown.contains(line), "{shown}");
        }
        assert!(shown.contains("\nbacklog = 2048  # default\n"), "{shown}");
        assert!(shown.contains("\n# pidfile is not set\n"), "{shown}");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("rgun.toml"), &shown).unwrap();
        let Files { toml: file, .. } = files(None, directory.path()).unwrap();
        let again = Layers::new(vec![toml(&file.unwrap()).unwrap()]);
        for name in [
            "bind",
            "workers",
            "timeout",
            "daemon",
            "raw_env",
            "logconfig_dict",
        ] {
            let texts = |layers: &Layers| {
                let given = layers.given(name).iter();
                given.map(|given| given.text.clone()).collect::<Vec<_>>()
            };
            assert_eq!(
                texts(&again),
                texts(&Layers::new(vec![layer.clone()])),
                "{name}"
            );
        }
    }

    #[test]
    fn what_has_changed_is_what_differs_from_the_defaults() {
        let mut layer = Layer::default();
        for (name, text) in [
            ("print_changed", "true"),
            ("print_config", "true"),
            ("workers", "4"),
            ("timeout", "30"),
            ("sendfile", "1"),
            ("reload", "yes"),
            ("bind", ":80"),
            ("bind", ":81"),
        ] {
            layer.add(definition(name).unwrap(), text, Origin::CommandLine);
        }
        let shown = effective(&Layers::new(vec![layer]));
        let expected = "\
# Where to listen
bind = [\":80\", \":81\"]  # command line

# Workers
workers = 4  # command line

# Development
reload = true  # command line
";
        assert_eq!(shown, expected);
    }
}
