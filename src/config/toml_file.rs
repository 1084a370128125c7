//! A TOML file as a source: its values as text with the line of each. Which file that is, is decided in `location.rs`.

use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::shown;
use super::location::{SettingsTable, Toml};
use super::{Definition, Error, Layer, Occurs, Origin, ValueType, called, is_hook, nearest};

pub fn toml(toml: &Toml) -> Result<Layer, Error> {
    let reader = TomlReader {
        toml,
        name: toml.name.as_str().into(),
    };
    let whole = DeTable::parse(&toml.text).map_err(|error| {
        let at = error.span().unwrap_or_default();
        reader.error(&at, error.message().to_owned(), None)
    })?;
    match toml.place {
        SettingsTable::Top => reader.layer(whole.get_ref()),
        SettingsTable::Tool => match tool(whole.get_ref()) {
            Some(own) => match own.get_ref() {
                DeValue::Table(table) => reader.layer(table),
                other => Err(reader.error(
                    &own.span(),
                    format!("tool.rgun must be a table, not {}", other.type_str()),
                    None,
                )),
            },
            None => Ok(Layer::default()),
        },
    }
}

/// `[tool.rgun]`
fn tool<'a>(whole: &'a DeTable<'a>) -> Option<&'a Spanned<DeValue<'a>>> {
    whole.get("tool")?.get_ref().as_table()?.get("rgun")
}

struct TomlReader<'a> {
    toml: &'a Toml,
    name: Arc<str>,
}

impl TomlReader<'_> {
    fn layer(&self, table: &DeTable) -> Result<Layer, Error> {
        let mut layer = Layer::default();
        // In the order of the file, so that the first error is the one that is reported.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut seen: Vec<(&'static str, String)> = Vec::new();
        for (key, value) in entries {
            let (name, at) = (key.get_ref().as_ref(), key.span());
            let Some(definition) = called(name).filter(|one| one.name != "config") else {
                return Err(self.unknown(name, &at, value.get_ref()));
            };
            if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == definition.name) {
                let problem = format!(
                    "`{}` and `{}` are the same setting",
                    shown(other),
                    shown(name)
                );
                return Err(self.error(&at, problem, None));
            }
            seen.push((definition.name, name.to_owned()));
            for (text, at) in self.texts(definition, value)? {
                layer.add(definition, text, self.origin(&at));
            }
        }
        Ok(layer)
    }

    /// The texts that would be typed for that value, with the place of each.
    fn texts(
        &self,
        definition: &Definition,
        value: &Spanned<DeValue>,
    ) -> Result<Vec<(String, Range<usize>)>, Error> {
        let at = value.span();
        if definition.kind == ValueType::Json {
            return match value.get_ref() {
                DeValue::Table(_) => Ok(vec![(json(value.get_ref()), at)]),
                // In the form that `--print-config` shows.
                DeValue::String(text)
                    if serde_json::from_str::<serde_json::Map<_, _>>(text).is_ok() =>
                {
                    Ok(vec![(text.clone().into_owned(), at)])
                }
                _ => Err(self.wrong_type(definition, value)),
            };
        }
        match value.get_ref() {
            DeValue::Table(table) if definition.kind == ValueType::Pairs => {
                let mut pairs = Vec::new();
                for (name, value) in table {
                    let text = self.text(definition, value)?;
                    pairs.push((format!("{}={text}", name.get_ref()), value.span()));
                }
                Ok(self.joined(definition, pairs, at))
            }
            // A value of its own for each, so that a mistake is shown where it stands.
            DeValue::Table(table) if definition.kind == ValueType::Named => Ok(table
                .iter()
                .map(|(name, value)| {
                    let named = format!("{{{}:{}}}", quoted(name.get_ref()), json(value.get_ref()));
                    (named, name.span())
                })
                .collect()),
            DeValue::Array(values)
                if definition.occurs == Occurs::Repeatedly
                    || matches!(definition.kind, ValueType::List | ValueType::Pairs) =>
            {
                let texts: Result<Vec<_>, _> = values
                    .iter()
                    .map(|value| Ok((self.text(definition, value)?, value.span())))
                    .collect();
                Ok(self.joined(definition, texts?, at))
            }
            _ => Ok(vec![(self.text(definition, value)?, at)]),
        }
    }

    fn joined(
        &self,
        definition: &Definition,
        texts: Vec<(String, Range<usize>)>,
        at: Range<usize>,
    ) -> Vec<(String, Range<usize>)> {
        match definition.occurs {
            Occurs::Repeatedly => texts,
            Occurs::Once => {
                let texts: Vec<_> = texts.into_iter().map(|(text, _)| text).collect();
                vec![(texts.join(","), at)]
            }
        }
    }

    /// One value of the type that the setting has.
    fn text(&self, definition: &Definition, value: &Spanned<DeValue>) -> Result<String, Error> {
        let numeric = definition.kind.is_numeric();
        match (definition.kind, value.get_ref()) {
            (ValueType::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
            (ValueType::Switch, _) => Err(self.wrong_type(definition, value)),
            (_, DeValue::String(text)) => Ok(text.clone().into_owned()),
            // In any base: `umask = 0o117`.
            (_, DeValue::Integer(number)) if numeric => {
                i128::from_str_radix(number.as_str(), number.radix())
                    .map(|number| number.to_string())
                    .map_err(|_| self.wrong_type(definition, value))
            }
            (_, DeValue::Integer(number)) if definition.may_be_number() => {
                Ok(number.as_str().to_owned())
            }
            (_, DeValue::Float(number)) if definition.may_be_number() => {
                Ok(number.as_str().to_owned())
            }
            // Of a variable: `env = { PORT = 8000 }`.
            (ValueType::Pairs, DeValue::Integer(number)) => Ok(number.as_str().to_owned()),
            (ValueType::Pairs, DeValue::Float(number)) => Ok(number.as_str().to_owned()),
            (ValueType::TextOrTable, table @ DeValue::Table(_)) => Ok(json(table)),
            (ValueType::Duration, DeValue::Float(number)) => Ok(number.as_str().to_owned()),
            (ValueType::Choice(names), DeValue::Boolean(on)) => choice(definition, names, *on)
                .map(str::to_owned)
                .ok_or_else(|| self.wrong_type(definition, value)),
            _ => Err(self.wrong_type(definition, value)),
        }
    }

    fn wrong_type(&self, definition: &Definition, value: &Spanned<DeValue>) -> Error {
        let wanted = definition.wanted();
        let found = value.get_ref().type_str();
        let article = if found.starts_with(['a', 'i', 'o']) {
            "an"
        } else {
            "a"
        };
        self.error(
            &value.span(),
            format!(
                "{} must be {wanted}, not {article} {found}",
                definition.name
            ),
            None,
        )
    }

    fn unknown(&self, name: &str, at: &Range<usize>, value: &DeValue) -> Error {
        let known = nearest(&name.to_ascii_lowercase()).map(|known| known.replace('-', "_"));
        let (problem, hint) = match (value, self.toml.place) {
            _ if name == "config" => (
                "a configuration file names no other one".to_owned(),
                Some("`-c FILE` reads that file alone".to_owned()),
            ),
            _ if is_hook(name) => (
                format!("`{name}` is a hook, which is a function"),
                Some("hooks stand in a configuration file in Python: gunicorn.conf.py".to_owned()),
            ),
            (DeValue::Table(_), SettingsTable::Top) => (
                format!("there is no table `[{}]`", shown(name)),
                Some("settings stand at the top of the file, before any table".to_owned()),
            ),
            (DeValue::Table(_), SettingsTable::Tool) => (
                format!("there is no table `[tool.rgun.{}]`", shown(name)),
                Some("settings stand in `[tool.rgun]` itself".to_owned()),
            ),
            _ => (
                format!("there is no setting `{}`", shown(name)),
                known.map(|known| format!("did you mean `{known}`?")),
            ),
        };
        self.error(at, problem, hint)
    }

    fn error(&self, at: &Range<usize>, problem: String, hint: Option<String>) -> Error {
        Error::File {
            place: self.origin(at).to_string(),
            problem: shown(&problem),
            excerpt: excerpt(&self.toml.text, at),
            hint,
        }
    }

    fn origin(&self, at: &Range<usize>) -> Origin {
        let before = self.toml.text.as_bytes().iter().take(at.start);
        Origin::Toml {
            file: Arc::clone(&self.name),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            excerpt: excerpt(&self.toml.text, at),
        }
    }
}

/// The line in which `at` begins, and below it an underline of the part in question.
fn excerpt(text: &str, at: &Range<usize>) -> Option<Arc<str>> {
    /// Longer lines are not readable on a terminal.
    const LONGEST: usize = 200;
    let before = text.get(..at.start)?;
    let number = 1 + before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next().unwrap_or_default();
    if line.is_empty() || line.len() > LONGEST {
        return None;
    }
    let column = text.get(start..at.start)?.chars().count();
    let end = at.end.min(start + line.len());
    let length = text.get(at.start..end).map_or(0, |it| it.chars().count());
    let shown: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let (margin, spaces) = (" ".repeat(number.to_string().len()), " ".repeat(column));
    let carets = "^".repeat(length.max(1));
    Some(format!("{margin} |\n{number} | {shown}\n{margin} | {spaces}{carets}\n").into())
}

/// What `true` and `false` mean where there are names to choose from.
pub(super) fn choice(
    definition: &Definition,
    names: &[&'static str],
    on: bool,
) -> Option<&'static str> {
    let wanted: &[&str] = if on {
        &["true", "on"]
    } else {
        &["false", "off"]
    };
    names
        .iter()
        .find(|name| wanted.contains(name))
        .copied()
        .or(definition.bare.filter(|_| on))
}

fn json(value: &DeValue) -> String {
    match value {
        DeValue::Table(table) => {
            let fields = table
                .iter()
                .map(|(key, value)| format!("{}:{}", quoted(key.get_ref()), json(value.get_ref())));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        DeValue::Array(values) => {
            let values = values.iter().map(|value| json(value.get_ref()));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| "null".to_owned(), |number| number.to_string()),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::String(text) => quoted(text),
        DeValue::Datetime(moment) => quoted(&moment.to_string()),
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
