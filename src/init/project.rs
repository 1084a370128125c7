//! What kind of project a directory holds: its app, framework, Python and services, read from its files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dependencies::Dependencies;
use super::paths::{self, SettingsDirectory};
use super::project_file::text;
use super::sqlite::{self, SqliteFile};
use super::{python, source};

/// Choices of the command line, which take precedence over the files.
#[derive(Debug, Default)]
pub struct Choices {
    pub app: Option<String>,
    pub name: Option<String>,
    pub port: Option<u16>,
    pub domain: Option<String>,
}

/// The values for the templates.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Project {
    /// Of services, files and images: lower-case letters, digits and dashes.
    pub name: String,
    /// `module:attribute`.
    pub app: String,
    pub is_asgi: bool,
    pub django: Option<DjangoProject>,
    /// The argument of `celery -A`, where the project uses Celery.
    pub celery: Option<String>,
    pub postgres: bool,
    /// The data is in a file, and not on a server.
    pub sqlite: Option<SqliteFile>,
    pub redis: bool,
    /// `3.13`.
    pub python: String,
    pub dependencies: Dependencies,
    /// Whether they name rgun; otherwise it is installed beside them.
    pub has_rgun: bool,
    pub port: u16,
    pub domain: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct DjangoProject {
    pub settings: String,
    /// Begins and ends with a slash.
    pub static_url: String,
    pub static_root: Option<SettingsDirectory>,
    /// rgun serves the files below `static_root`: nothing in the project does.
    pub serves_static: bool,
    /// Nothing can serve static files: the settings do not say where they are collected.
    pub lacks_static_root: bool,
    /// Settings of a deployment that do not read the environment.
    pub fixed: Vec<&'static str>,
    pub media_url: Option<String>,
    /// `None` where the settings have no `MEDIA_URL`, either.
    pub media_root: Option<SettingsDirectory>,
}

/// Why a project cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum Unclear {
    #[error("no app was found in {}", .0.display())]
    NoApp(PathBuf),
    #[error("{0} is not MODULE:ATTRIBUTE")]
    App(String),
    #[error(
        "{0} is no name for a service: lower-case letters, digits and dashes, beginning with a letter"
    )]
    Name(String),
    #[error("{0} is no host name")]
    Domain(String),
}

impl Project {
    /// Reads the files of `directory`.
    ///
    /// # Errors
    /// When it holds no app that can be found and none was chosen, or a choice is malformed.
    pub fn found(directory: &Path, choices: Choices) -> Result<Self, Unclear> {
        let (dependencies, wanted) =
            Dependencies::found(directory, || frameworks(directory, choices.app.as_deref()));
        let settings = DjangoSettingsText::found(directory);
        let django = settings
            .as_ref()
            .map(|text| DjangoProject::read(text, &wanted));
        let (app, is_asgi) = match choices.app {
            Some(app) => {
                let app = checked_app(app)?;
                let is_asgi = is_asgi(directory, &app);
                (app, is_asgi)
            }
            None => app(directory, django.as_ref(), &wanted)
                .ok_or_else(|| Unclear::NoApp(directory.to_owned()))?,
        };
        let postgres = source::requires(
            &wanted,
            &[
                "psycopg",
                "psycopg2",
                "psycopg2-binary",
                "asyncpg",
                "psycopg-binary",
            ],
        );
        // A driver of a server: a file is then for development.
        let has_server =
            postgres || source::requires(&wanted, &["mysqlclient", "pymysql", "oracledb"]);
        let sqlite = match &settings {
            _ if has_server => None,
            Some(settings) => sqlite::of_settings(&settings.text, settings.depth),
            None => sqlite::of_modules(directory, &app),
        };
        Ok(Self {
            name: name(directory, choices.name)?,
            celery: source::requires(&wanted, &["celery"])
                .then(|| celery(directory, &app))
                .flatten(),
            app,
            is_asgi,
            django,
            postgres,
            sqlite,
            redis: source::requires(
                &wanted,
                &["redis", "django-redis", "channels-redis", "hiredis"],
            ),
            python: python::version(directory),
            has_rgun: source::requires(&wanted, &["rgun"]),
            dependencies,
            port: choices.port.unwrap_or(8000),
            domain: domain(choices.domain)?,
        })
    }
}

/// The module of settings that defines them, also where several share their values.
struct DjangoSettingsText {
    module: String,
    text: String,
    /// Of its file below the project's directory.
    depth: usize,
}

impl DjangoSettingsText {
    fn found(directory: &Path) -> Option<Self> {
        let manage = text(&directory.join("manage.py"))?;
        let module = source::text_after(&manage, "DJANGO_SETTINGS_MODULE")?.to_owned();
        let path = PathBuf::from(module.replace('.', "/"));
        let places = [
            path.with_extension("py"),
            path.join("base.py"),
            path.join("__init__.py"),
            path.with_file_name("base.py"),
        ];
        let found = places.into_iter().find_map(|place| {
            let text = text(&directory.join(&place))?;
            Some((text, place.components().count()))
        });
        let (text, depth) = found.unwrap_or_default();
        Some(Self {
            module,
            text,
            depth,
        })
    }
}

impl DjangoProject {
    fn read(settings: &DjangoSettingsText, requirements: &str) -> Self {
        let DjangoSettingsText {
            module,
            text,
            depth,
        } = settings;
        let url = |name| {
            let url = source::text_of(text, name)?.trim_matches('/');
            // Of another host, or nothing that nginx' files may contain.
            let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
            (!url.is_empty() && url.chars().all(is_path)).then(|| format!("/{url}/"))
        };
        let root = |name| paths::directory(text, name, *depth);
        let static_root = root("STATIC_ROOT");
        let media_url = url("MEDIA_URL");
        let has_whitenoise = source::requires(requirements, &["whitenoise"]);
        let names = ["SECRET_KEY", "DEBUG", "ALLOWED_HOSTS"].into_iter();
        Self {
            settings: module.clone(),
            static_url: url("STATIC_URL").unwrap_or_else(|| "/static/".to_owned()),
            serves_static: static_root.is_some() && !has_whitenoise,
            lacks_static_root: static_root.is_none() && !has_whitenoise,
            fixed: names
                .filter(|name| source::is_constant(text, name))
                .collect(),
            static_root,
            media_root: root("MEDIA_ROOT").filter(|_| media_url.is_some()),
            media_url,
        }
    }
}

/// Classes of apps.
const ASGI: &[&str] = &["FastAPI", "Starlette", "Litestar", "Quart", "BlackSheep"];
const WSGI: &[&str] = &["Flask", "Bottle", "Falcon"];

/// Packages of frameworks that the project uses, by its modules.
fn frameworks(directory: &Path, app: Option<&str>) -> Vec<&'static str> {
    if directory.join("manage.py").is_file() {
        return vec!["django"];
    }
    let chosen = app.and_then(|app| app.split(':').next()).map(|module| {
        let path = directory.join(module.replace('.', "/"));
        let texts = [path.with_extension("py"), path.join("__init__.py")].map(|path| text(&path));
        texts.into_iter().flatten().collect::<String>()
    });
    let modules = || {
        MODULES
            .iter()
            .filter_map(|place| text(&directory.join(place)))
    };
    let text = chosen.unwrap_or_else(|| modules().collect());
    let packages = [
        "fastapi",
        "starlette",
        "litestar",
        "quart",
        "blacksheep",
        "flask",
        "bottle",
        "falcon",
    ];
    packages
        .into_iter()
        .filter(|package| source::imports(&text, package))
        .collect()
}

/// Where an app is looked for.
const MODULES: &[&str] = &[
    "main.py",
    "app.py",
    "asgi.py",
    "wsgi.py",
    "app/main.py",
    "app/app.py",
    "app/__init__.py",
    "src/main.py",
];

/// The app and whether it is ASGI.
fn app(
    directory: &Path,
    django: Option<&DjangoProject>,
    requirements: &str,
) -> Option<(String, bool)> {
    if let Some(django) = django {
        let package = django.settings.split('.').next()?;
        let has = |module: &str| directory.join(package).join(module).is_file();
        // Django creates both in a new project; one that needs ASGI names it.
        let needs_asgi = source::requires(requirements, &["channels", "daphne"])
            || has("routing.py")
            || settings_name_asgi(directory, &django.settings);
        return match (has("asgi.py"), has("wsgi.py")) {
            (true, wsgi) if needs_asgi || !wsgi => {
                Some((format!("{package}.asgi:application"), true))
            }
            (_, true) => Some((format!("{package}.wsgi:application"), false)),
            (_, false) => None,
        };
    }
    for place in MODULES {
        let Some(text) = text(&directory.join(place)) else {
            continue;
        };
        let module = place
            .trim_end_matches(".py")
            .trim_end_matches("/__init__")
            .replace('/', ".");
        for (classes, is_asgi) in [(ASGI, true), (WSGI, false)] {
            if let Some(name) = source::instance_of(&text, classes) {
                return Some((format!("{module}:{name}"), is_asgi));
            }
        }
        let is_asgi = ASGI.iter().any(|class| text.contains(class));
        if let Some(factory) = source::factory(&text) {
            return Some((format!("{module}:{factory}()"), is_asgi));
        }
        if source::is_defined(&text, "application") {
            return Some((format!("{module}:application"), *place == "asgi.py"));
        }
    }
    None
}

/// Whether a chosen app is ASGI: by the text of its module, else by its name.
fn is_asgi(directory: &Path, app: &str) -> bool {
    let (module, attribute) = app.split_once(':').unwrap_or((app, "app"));
    let attribute = attribute.split('(').next().unwrap_or(attribute);
    let path = directory.join(module.replace('.', "/"));
    let text = [path.with_extension("py"), path.join("__init__.py")]
        .into_iter()
        .find_map(|path| text(&path));
    text.and_then(|text| source::is_asgi(&text, attribute, ASGI, WSGI))
        .unwrap_or_else(|| app.contains("asgi"))
}

fn settings_name_asgi(directory: &Path, settings: &str) -> bool {
    let path = directory
        .join(settings.replace('.', "/"))
        .with_extension("py");
    text(&path).is_some_and(|text| source::is_defined(&text, "ASGI_APPLICATION"))
}

fn checked_app(app: String) -> Result<String, Unclear> {
    let (module, attribute) = app.split_once(':').unwrap_or((&app, "app"));
    let fits = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '(' | ')'))
    };
    if fits(module) && fits(attribute) {
        Ok(app)
    } else {
        Err(Unclear::App(app))
    }
}

fn name(directory: &Path, chosen: Option<String>) -> Result<String, Unclear> {
    if let Some(name) = chosen {
        let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 40
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        return if is_name {
            Ok(name)
        } else {
            Err(Unclear::Name(name))
        };
    }
    let own = directory
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let own: String = own
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let own = own.trim_matches(|c: char| c == '-' || c.is_ascii_digit());
    Ok(if own.is_empty() {
        "site".to_owned()
    } else {
        own.to_owned()
    })
}

fn domain(chosen: Option<String>) -> Result<String, Unclear> {
    let domain = chosen.unwrap_or_else(|| "example.org".to_owned());
    let is_host = !domain.is_empty()
        && domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
        });
    if is_host {
        Ok(domain)
    } else {
        Err(Unclear::Domain(domain))
    }
}

/// The module with the Celery app: one that creates it, else one whose name says so.
fn celery(directory: &Path, app: &str) -> Option<String> {
    let package = app.split([':', '.']).next()?;
    let places = [
        // `celery -A PACKAGE` looks into its `celery` module.
        (format!("{package}/celery.py"), package.to_owned()),
        ("tasks.py".to_owned(), "tasks".to_owned()),
        ("celery_app.py".to_owned(), "celery_app".to_owned()),
        ("celery.py".to_owned(), "celery".to_owned()),
        (
            format!("{package}/celery_app.py"),
            format!("{package}.celery_app"),
        ),
        (format!("{package}/tasks.py"), format!("{package}.tasks")),
    ];
    let texts = places.map(|(file, module)| {
        let text = text(&directory.join(file));
        text.map(|text| (text, module))
    });
    let creates = |text: &str| source::instance_of(text, &["Celery"]).is_some();
    let created = texts.iter().flatten().find(|(text, _)| creates(text));
    // The last place is no sign by its name: the tasks of a package may belong to an app elsewhere.
    let named = || texts.iter().take(5).flatten().next();
    let (_, module) = created.or_else(named)?;
    Some(module.clone())
}
