//! The settings page (`docs/settings.md`) from the definitions. A test fails when the file is stale.

use std::fmt::Write;

use super::{Definition, Group, Occurs, ValueType, definitions};

#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from the definitions in src/config; `UPDATE=1 cargo test --test cli_docs` writes it anew. -->\n\n\
         From the weakest source to the strongest:\n\n\
         1. the default, and the variables of platforms that are named below (`WEB_CONCURRENCY`, `PORT` and others)\n\
         2. `rgun.toml`, or the table `[tool.rgun]` of `pyproject.toml`\n\
         3. `gunicorn.conf.py`, or the file or module of `--config`, which is read instead of all files that would be found\n\
         4. `GUNICORN_CMD_ARGS`, then `RGUN_CMD_ARGS`: options as on the command line\n\
         5. variables such as `RGUN_WORKERS`, by the name of the setting or of its option; several values on lines of their own\n\
         6. the command line\n\n\
         A source that gives a repeatable setting replaces what lower-precedence sources gave. In files a setting has the name that stands\n\
         below in brackets; a TOML file takes the option's name, too. `rgun --print-config` shows what holds, and why.\n\
         [rgun.schema.json](rgun.schema.json) is a JSON schema of `rgun.toml` for editors. The wheel installs it below `share/rgun` of its\n\
         environment; a first line such as `#:schema .venv/share/rgun/rgun.schema.json` gives it to editors that use Taplo.\n\n\
         A duration is a number of seconds (`30`, `0.5`) or has a unit (`500ms`, `30s`, `2m`, `1h`). A size is a number of bytes\n\
         or has a unit (`64k`, `20m`, `1g`).\n",
    );
    for group in Group::ALL {
        let _ = write!(page, "\n## {}\n", group.heading());
        for definition in definitions().filter(|definition| definition.group == group) {
            section(&mut page, definition);
        }
    }
    page
}

/// Writing to a `String` cannot fail.
fn section(page: &mut String, definition: &Definition) {
    let spelling = definition.spelling();
    let _ = write!(page, "\n### `{spelling}`\n\n");
    let mut usage = match (definition.short, definition.long) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (_, Some(long)) => format!("--{long}"),
        (_, None) => String::new(),
    };
    if !definition.value.is_empty() {
        let separator = if usage.is_empty() { "" } else { " " };
        let value = match definition.bare {
            Some(_) => format!("[{}]", definition.value),
            None => definition.value.to_owned(),
        };
        let _ = write!(usage, "{separator}{value}");
    }
    let _ = match usage.as_str() {
        "" => write!(page, "(`{}`)", definition.name),
        usage => write!(page, "`{usage}` (`{}`)", definition.name),
    };
    if let ValueType::Choice(names) = definition.kind {
        let _ = write!(page, " · one of `{}`", names.join("`, `"));
    }
    if definition.occurs == Occurs::Repeatedly {
        page.push_str(" · repeatable");
    }
    match definition.default {
        Some("") => page.push_str(" · default: empty"),
        Some(default) => {
            let _ = write!(page, " · default: `{default}`");
        }
        None => {}
    }
    if let Some(variable) = &definition.variable {
        let _ = write!(page, " · variable: `{}`", variable.name);
    }
    if !definition.aliases.is_empty() && definition.long.is_some() {
        let aliases: Vec<_> = definition
            .aliases
            .iter()
            .map(|alias| format!("`--{alias}`"))
            .collect();
        let _ = write!(page, " · also: {}", aliases.join(", "));
    }
    let _ = write!(page, "\n\n{}.\n", escaped(definition.help));
    if !definition.more.is_empty() {
        let _ = write!(page, "\n{}\n", escaped(definition.more));
    }
}

/// Escapes what Markdown would read as emphasis; code spans stay as they are.
fn escaped(text: &str) -> String {
    let mut in_code = false;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '`' => in_code = !in_code,
            '*' | '_' if !in_code => escaped.push('\\'),
            _ => {}
        }
        escaped.push(character);
    }
    escaped
}
