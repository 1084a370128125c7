//! Reads the configuration in the working directory, and the facts of its Python and of Django's settings.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::certificate;
use super::configured::{configured, interface_by_name};
use crate::cli::EntryPoint;
use crate::cli::reading::SettingsFailure;
use crate::config::{AppSpec, Error, ProcessEnvironment, Settings};
use crate::doctor::facts::{
    AppProblem, DeploymentFacts, DjangoSettings, PostgresDatabase, Python, ServerSettings,
};
use crate::init::{Choices, Project};
use crate::master::Program;

/// Prints its result as the last line.
const PROBE: &str = include_str!("probe.py");
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Deserialize)]
struct ProjectAnswer {
    version: (u32, u32),
    has_uvloop: bool,
    writable: Vec<String>,
    app: Option<String>,
    django: Option<DjangoAnswer>,
}

#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
struct DjangoAnswer {
    module: String,
    error: Option<String>,
    debug: bool,
    allowed_hosts: Vec<String>,
    kept_connections: Vec<String>,
    postgres: Vec<PostgresAnswer>,
    has_generated_key: bool,
    knows_proxy_scheme: bool,
}

#[derive(Debug, Deserialize)]
struct PostgresAnswer {
    name: String,
    pool: Option<u32>,
    is_kept: bool,
}

pub fn read(
    options: &[OsString],
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
    no_import: bool,
    facts: &mut DeploymentFacts,
) {
    let project = Project::found(&process_environment.directory, Choices::default()).ok();
    let mut settings = named(options, process_environment, entry);
    if matches!(settings, Ok(None))
        && let Some(project) = &project
    {
        // The app that `rgun init` would find.
        let options = [&[OsString::from(&project.app)], options].concat();
        settings = named(&options, process_environment, entry);
    }
    let settings = match settings {
        Ok(settings) => settings,
        Err(problem) => {
            facts.misconfigured = Some(problem);
            None
        }
    };
    let python = settings
        .as_ref()
        .and_then(|settings| settings.python.clone());
    let directory = settings
        .as_ref()
        .and_then(|settings| settings.chdir.clone());
    let directory = directory.unwrap_or_else(|| process_environment.directory.clone());
    if let Some(settings) = &settings {
        let place = settings.config_file.clone();
        let mut server =
            ServerSettings::of(place.as_deref().unwrap_or("this configuration"), settings);
        let by_name = interface_by_name(&settings.app.module);
        server.is_asgi = server.is_asgi.or(by_name);
        facts.server = Some(server);
        let certificates = settings.tls.iter().flat_map(|tls| &tls.certificates);
        for files in certificates {
            let place = place.as_deref().unwrap_or("this configuration");
            let file = directory.join(&files.chain);
            facts.certificates.extend(certificate::served(place, &file));
        }
    }
    let module = process_environment
        .variables
        .get("DJANGO_SETTINGS_MODULE")
        .cloned();
    let named = project
        .and_then(|project| project.django)
        .map(|django| django.settings);
    let module = module.or(named).filter(|_| !no_import);
    let Ok(python) = entry.python(python.as_deref()) else {
        return;
    };
    let question = ProjectQuestion {
        django: module,
        app: settings.as_ref().map(|settings| &settings.app),
        path: settings
            .as_ref()
            .map_or(&[], |settings| &settings.pythonpath),
    };
    ask(python, directory, &question, facts);
}

impl PostgresAnswer {
    fn database(self) -> PostgresDatabase {
        PostgresDatabase {
            name: self.name,
            pool: self.pool,
            is_kept: self.is_kept,
        }
    }
}

/// `Ok(None)`: no app is named.
fn named(
    options: &[OsString],
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
) -> Result<Option<Settings>, String> {
    match configured(options, process_environment, entry) {
        Ok(settings) => Ok(Some(settings)),
        Err(SettingsFailure::Configuration(Error::NoApp)) => Ok(None),
        Err(SettingsFailure::Configuration(error)) => Err(error.to_string()),
        Err(SettingsFailure::Refused(refusal)) => Err(refusal.message),
        Err(SettingsFailure::Stopped) => Err("stopped by a signal".to_owned()),
    }
}

/// What the probe looks for.
struct ProjectQuestion<'a> {
    /// Django's settings, which it imports.
    django: Option<String>,
    /// Looked for without being imported.
    app: Option<&'a AppSpec>,
    path: &'a [PathBuf],
}

impl ProjectQuestion<'_> {
    fn json(&self) -> String {
        let attribute = self.app.and_then(|app| app.attribute.as_deref());
        let attribute = attribute.and_then(|dotted| dotted.split('.').next());
        serde_json::json!({
            "django": self.django,
            "module": self.app.map(|app| &app.module),
            "attribute": attribute,
            "path": self.path,
        })
        .to_string()
    }
}

fn ask(
    python: PathBuf,
    directory: PathBuf,
    question: &ProjectQuestion<'_>,
    facts: &mut DeploymentFacts,
) {
    let module = question.django.clone();
    let program = Program {
        python,
        text: PROBE,
        question: question.json(),
        directory,
    };
    let answer = program.ask(PATIENCE);
    let report = answer.ok().and_then(|output| {
        let output = String::from_utf8(output).ok()?;
        serde_json::from_str::<ProjectAnswer>(output.lines().last()?).ok()
    });
    let Some(report) = report else {
        facts.django = module.map(|module| DjangoSettings {
            module,
            error: Some("Python does not answer".to_owned()),
            ..DjangoSettings::default()
        });
        return;
    };
    facts.app = report
        .app
        .zip(question.app)
        .map(|(problem, app)| AppProblem {
            app: app.to_string(),
            problem,
        });
    facts.python = Some(Python {
        version: report.version,
        has_uvloop: report.has_uvloop,
        writable: report.writable,
    });
    facts.django = report.django.map(|django| DjangoSettings {
        module: django.module,
        error: django.error,
        debug: django.debug,
        allowed_hosts: django.allowed_hosts,
        kept_connections: django.kept_connections,
        postgres: django
            .postgres
            .into_iter()
            .map(PostgresAnswer::database)
            .collect(),
        has_generated_key: django.has_generated_key,
        knows_proxy_scheme: django.knows_proxy_scheme,
    });
}
