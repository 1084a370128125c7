//! A configuration file in Python: the request to the process that evaluates it, and the meaning of the answer.

mod logger;
mod uvicorn;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::shown;
use super::location::Script;
use super::toml_file::choice;
use super::value::separate_binds;
use super::{
    Definition, Error, Layer, Layers, Occurs, Origin, ValueType, definition, definitions,
    migration, understood,
};

/// Runs the file and reports its settings; see `script/script.py`.
pub const PROGRAM: &str = concat!(
    include_str!("script/script.py"),
    include_str!("script/effects.py"),
    include_str!("script/cfg.py"),
    include_str!("script/ssl_context.py")
);

/// The same, with the code that calls the file's hooks.
pub const HOOKS: &str = concat!(
    include_str!("script/script.py"),
    include_str!("script/effects.py"),
    include_str!("script/cfg.py"),
    include_str!("script/ssl_context.py"),
    include_str!("script/hooks.py"),
    include_str!("script/requests.py")
);

/// The classes that are known by name: no code has to be imported for them.
const CLASSES: [&str; 15] = [
    "auto",
    "asgi",
    "wsgi",
    "sync",
    "gthread",
    "uvicorn.workers.UvicornWorker",
    "uvicorn.workers.UvicornH11Worker",
    "uvicorn_worker.UvicornWorker",
    "uvicorn_worker.UvicornH11Worker",
    "gunicorn.workers.gasgi.ASGIWorker",
    "gunicorn.workers.sync.SyncWorker",
    "gunicorn.workers.gthread.ThreadWorker",
    "gevent",
    "eventlet",
    "tornado",
];

/// The settings for which gunicorn accepts several values in one text, separated by commas.
const SPLIT: [&str; 2] = ["bind", "raw_env"];

/// A file with effects beyond its values: the process that workers are forked from runs it and calls its hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookScript {
    /// `file:PATH` or `python:MODULE`.
    pub location: String,
    /// The hooks that it defines.
    pub names: Vec<String>,
    /// What `server.cfg` shows, as JSON.
    pub cfg: String,
    /// Where the server was started.
    pub directory: PathBuf,
    /// The changes that it made to the environment of the process that read it.
    pub environment: Vec<(String, String)>,
}

impl HookScript {
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|hook| hook == name)
    }
}

/// The content of a file, as reported by the process that evaluated it.
#[derive(Debug, Default)]
pub struct ScriptAnswer {
    /// Options of the worker class (`CONFIG_KWARGS`): weaker than what the file sets.
    pub class_options: Layer,
    pub layer: Layer,
    pub hooks: Vec<String>,
    /// It has effects beyond its values.
    pub acts: bool,
    /// The known base class of a worker class of the user's.
    pub class: Option<String>,
    /// A logger class of the user's, with its attributes.
    pub logger: Option<String>,
    /// The changes that it made to its environment and its path, for the workers.
    pub environment: Vec<(String, String)>,
    pub path: Vec<String>,
    pub warnings: Vec<String>,
}

/// The request as one line of JSON; `None`: nothing needs Python.
///
/// `stronger`: the sources that take precedence over the file.
#[must_use]
pub fn question(script: Option<&Script>, stronger: &Layers) -> Option<String> {
    let class = stronger.given("worker_class").last();
    let class = class.map(|given| given.text.trim().replace(':', "."));
    let class = class.filter(|class| {
        class.contains('.') && !class.starts_with("gunicorn.") && !class.starts_with("egg.")
    });
    let is_known = |class: &String| CLASSES.contains(&class.as_str());
    let logger = stronger.given("logger_class").last();
    let logger = logger.map(|given| given.text.trim());
    let logger = logger.filter(|class| class.contains('.') && !class.starts_with("gunicorn."));
    if script.is_none() && class.as_ref().is_none_or(is_known) && logger.is_none() {
        return None;
    }
    let settings: Vec<&str> = understood().map(|definition| definition.name).collect();
    let request = json!({
        "location": script.map(location),
        "settings": settings,
        "gunicorn": migration::gunicorn::SETTINGS.map(|(name, _)| name).as_slice(),
        "worker_class": class,
        "worker_classes": CLASSES,
        "logger_class": logger,
    });
    Some(request.to_string())
}

/// In the form that the script accepts.
pub fn location(script: &Script) -> String {
    match script {
        Script::File(path) => format!("file:{}", path.display()),
        Script::Module(module) => format!("python:{module}"),
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum EvaluationReply {
    Failed {
        error: String,
        traceback: String,
    },
    ScriptAnswer {
        settings: Map<String, Value>,
        unknown: Vec<String>,
        hooks: Vec<String>,
        acts: bool,
        environment: Map<String, Value>,
        path: Vec<String>,
    },
}

/// `name`: how messages name the file.
pub fn answer(name: &str, output: &[u8]) -> Result<ScriptAnswer, Error> {
    let answer = serde_json::from_slice(output).map_err(|_| Error::Script {
        file: shown(name),
        summary: "the process that reads it has ended without an answer".to_owned(),
        traceback: String::new(),
    })?;
    let (settings, unknown, hooks, acts, environment, path) = match answer {
        EvaluationReply::Failed { error, traceback } => {
            return Err(Error::Script {
                file: shown(name),
                summary: shown(&error),
                traceback,
            });
        }
        EvaluationReply::ScriptAnswer {
            settings,
            unknown,
            hooks,
            acts,
            environment,
            path,
        } => (settings, unknown, hooks, acts, environment, path),
    };
    let mut script_answer = ScriptAnswer {
        hooks,
        acts,
        path,
        environment: environment
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
            .collect(),
        ..ScriptAnswer::default()
    };
    let reader = SettingsReader { name: name.into() };
    for (setting, value) in &settings {
        let Some(definition) = definition(setting) else {
            continue;
        };
        if !is_gunicorns(setting) && !has_shape(definition, value) {
            continue;
        }
        if let Some(class) = value.get("class") {
            reader.class(definition, class, value, &mut script_answer)?;
            continue;
        }
        for text in reader.texts(definition, value)? {
            script_answer
                .layer
                .add(definition, text, Origin::Python(Arc::clone(&reader.name)));
        }
    }
    for name in unknown {
        let meant = definitions()
            .map(|definition| definition.name)
            .map(|known| (strsim::jaro_winkler(known, &name), known))
            .filter(|(likeness, _)| *likeness >= 0.85)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map_or_else(String::new, |(_, known)| {
                format!("; did you mean `{known}`?")
            });
        let file = &reader.name;
        script_answer.warnings.push(format!(
            "{file}: `{}` is not a setting{meant}",
            shown(&name)
        ));
    }
    Ok(script_answer)
}

fn is_gunicorns(setting: &str) -> bool {
    let mut theirs = migration::gunicorn::SETTINGS.iter();
    theirs.any(|(name, _)| *name == setting)
}

/// Whether a value fits a setting that gunicorn does not have: otherwise it is a variable of the file's own.
fn has_shape(definition: &Definition, value: &Value) -> bool {
    match definition.kind {
        ValueType::Switch => value.is_boolean(),
        ValueType::Choice(names) => {
            value.is_boolean() || value.as_str().is_some_and(|text| names.contains(&text))
        }
        ValueType::Number | ValueType::Duration | ValueType::Size | ValueType::Mask => {
            let starts = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
            value.is_number() || value.as_str().is_some_and(starts)
        }
        ValueType::Text | ValueType::Path => value.is_string() || value.is_array(),
        ValueType::TextOrTable
        | ValueType::Named
        | ValueType::List
        | ValueType::Pairs
        | ValueType::Json => value.is_string() || value.is_array() || value.is_object(),
    }
}

struct SettingsReader {
    name: Arc<str>,
}

impl SettingsReader {
    /// The values as they would be typed; none for Python's `None`.
    fn texts(&self, definition: &Definition, value: &Value) -> Result<Vec<String>, Error> {
        if definition.kind == ValueType::Json {
            return match value {
                Value::Null => Ok(Vec::new()),
                Value::Object(fields) if fields.is_empty() => Ok(Vec::new()),
                Value::Object(_) => Ok(vec![value.to_string()]),
                _ => Err(self.wrong(definition, "must be a dictionary")),
            };
        }
        let one = |value: &Value| self.text(definition, value);
        let several: Vec<String> = match value {
            Value::Null => return Ok(Vec::new()),
            Value::Array(values) => values.iter().map(one).collect::<Result<_, _>>()?,
            Value::Object(fields) if definition.kind == ValueType::Pairs => fields
                .iter()
                .map(|(name, value)| Ok(format!("{name}={}", one(value)?)))
                .collect::<Result<_, _>>()?,
            Value::Object(_)
                if matches!(definition.kind, ValueType::TextOrTable | ValueType::Named) =>
            {
                vec![one(value)?]
            }
            Value::Object(fields) => match fields.get("callable").and_then(Value::as_str) {
                Some(name) if definition.kind == ValueType::Text => {
                    return Ok(vec![name.to_owned()]);
                }
                _ => return Err(self.wrong_kind(definition)),
            },
            Value::String(text) if SPLIT.contains(&definition.name) => {
                if definition.name == "bind" {
                    return Ok(separate_binds(text));
                }
                let parts = text.split(',').map(str::trim);
                return Ok(parts
                    .filter(|part| !part.is_empty())
                    .map(str::to_owned)
                    .collect());
            }
            _ => return Ok(vec![one(value)?]),
        };
        match (definition.occurs, definition.kind) {
            (Occurs::Repeatedly, _) => Ok(several),
            (Occurs::Once, ValueType::List | ValueType::Pairs) => Ok(vec![several.join(",")]),
            (Occurs::Once, _) => Err(self.wrong(definition, "must be one value, not several")),
        }
    }

    fn text(&self, definition: &Definition, value: &Value) -> Result<String, Error> {
        match (definition.kind, value) {
            // As gunicorn: texts are stripped, names of files included.
            (_, Value::String(text)) => Ok(text.trim().to_owned()),
            (ValueType::TextOrTable | ValueType::Named, Value::Object(_)) => Ok(value.to_string()),
            (ValueType::Switch, Value::Bool(on)) => Ok(on.to_string()),
            // As gunicorn: a number is true or false, too.
            (ValueType::Switch, Value::Number(number)) => {
                Ok((number.as_f64() != Some(0.0)).to_string())
            }
            (ValueType::Choice(names), Value::Bool(on)) => choice(definition, names, *on)
                .map(str::to_owned)
                .ok_or_else(|| self.wrong(definition, "is not true or false")),
            // `cpu_count() * 1.5` is 6.0 with four CPUs.
            (_, Value::Number(number)) => Ok(match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
                _ => number.to_string(),
            }),
            (ValueType::Text, Value::Bool(on)) => Ok(on.to_string()),
            _ => Err(self.wrong_kind(definition)),
        }
    }

    /// A class in place of a name: gunicorn's or uvicorn's, or a subclass of one.
    fn class(
        &self,
        definition: &'static Definition,
        class: &Value,
        value: &Value,
        script_answer: &mut ScriptAnswer,
    ) -> Result<(), Error> {
        let texts = |field: &str| -> Vec<String> {
            let values = value.get(field).and_then(Value::as_array);
            let texts = values.into_iter().flatten().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        };
        let class = class.as_str().unwrap_or_default().to_owned();
        let ancestors = texts("ancestors");
        let origin = || Origin::Python(Arc::clone(&self.name));
        if definition.name == "logger_class" {
            let options = value.get("options").cloned().unwrap_or_default();
            let logger_setting = logger::setting(
                &self.name,
                &class,
                &ancestors,
                &texts("overrides"),
                &options,
            )?;
            script_answer
                .layer
                .add(definition, logger_setting.clone(), origin());
            script_answer.logger = Some(logger_setting);
            return Ok(());
        }
        if definition.name != "worker_class" {
            script_answer.layer.add(definition, class, origin());
            return Ok(());
        }
        let Some(base) = ancestors.iter().find(|one| CLASSES.contains(&one.as_str())) else {
            script_answer.layer.add(definition, class, origin());
            return Ok(());
        };
        script_answer.layer.add(definition, base.clone(), origin());
        script_answer.class = Some(base.clone());
        let overrides = texts("overrides");
        if *base != class && !overrides.is_empty() {
            script_answer.warnings.push(format!(
                "{}: methods of {} are not called: {}",
                self.name,
                shown(&class),
                shown(&overrides.join(", "))
            ));
        }
        if let Some(options) = value.get("options").and_then(Value::as_object) {
            uvicorn::options(&class, options, script_answer, &|definition, value| {
                self.texts(definition, value)
            })?;
        }
        Ok(())
    }

    fn wrong_kind(&self, definition: &Definition) -> Error {
        self.wrong(definition, &format!("must be {}", definition.wanted()))
    }

    fn wrong(&self, definition: &Definition, problem: &str) -> Error {
        Error::File {
            place: self.name.to_string(),
            problem: format!("{} {problem}", definition.name),
            excerpt: None,
            hint: None,
        }
    }
}

#[cfg(test)]
mod tests;
