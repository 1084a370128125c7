//! The SQLite file of a project, from its settings or the modules beside its app: where data is written that must outlive a container.

use std::path::Path;

use serde::Serialize;

use super::paths::{self, Lexeme};
use super::project_file::text;
use super::source;

/// A database that is a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SqliteFile {
    /// Below the project's directory, or absolute. `None`: the texts do not show it.
    pub path: Option<String>,
    /// Of the file, without its directory.
    pub name: String,
}

const UNKNOWN: &str = "db.sqlite3";

impl SqliteFile {
    fn at(path: Option<String>) -> Self {
        let name = path.as_deref().map(Path::new).and_then(Path::file_name);
        let name = name.map_or_else(|| UNKNOWN.into(), std::ffi::OsStr::to_string_lossy);
        Self {
            name: name.into_owned(),
            path,
        }
    }
}

/// Of Django's settings; `depth` as in `paths::directory`. `None`: they name another database, or none that is shown.
pub(super) fn of_settings(module: &str, depth: usize) -> Option<SqliteFile> {
    // A file that is chosen only where the environment names no server is not the one of a deployment.
    let names_server = source::code(module).any(|line| {
        let engine = line.split("db.backends.").nth(1);
        engine.is_some_and(|engine| !engine.starts_with("sqlite3"))
            || ["dj_database_url", "dj-database-url", "env.db", "db_url("]
                .iter()
                .any(|word| line.contains(word))
    });
    let value = paths::assigned(module, "DATABASES")?;
    let is_sqlite = value.iter().any(
        |lexeme| matches!(lexeme, Lexeme::Text(text) if text.ends_with("db.backends.sqlite3")),
    );
    if names_server || !is_sqlite {
        return None;
    }
    let path = field(&value, "NAME").and_then(|value| paths::evaluated(value, module, depth));
    let is_memory = value.contains(&Lexeme::Text(":memory:"));
    (!is_memory).then(|| SqliteFile::at(path))
}

/// The value of the first key of that name in a dictionary.
fn field<'v, 't>(value: &'v [Lexeme<'t>], key: &str) -> Option<&'v [Lexeme<'t>]> {
    let begin = value
        .windows(2)
        .position(|pair| pair == [Lexeme::Text(key), Lexeme::Sign(':')])?;
    let rest = value.get(begin + 2..)?;
    let mut open = 0_usize;
    let end = rest.iter().position(|lexeme| match lexeme {
        Lexeme::Sign('(' | '[' | '{') => {
            open += 1;
            false
        }
        Lexeme::Sign(')' | ']' | '}') if open > 0 => {
            open -= 1;
            false
        }
        Lexeme::Sign(',' | '}') => open == 0,
        _ => false,
    });
    rest.get(..end.unwrap_or(rest.len()))
}

/// Modules beside that of the app in which a database is usually named.
const BESIDE: &[&str] = &[
    "database",
    "db",
    "config",
    "settings",
    "models",
    "extensions",
];

/// Of an app without Django: a URL of SQLAlchemy's form, or a connection that is opened by name.
pub(super) fn of_modules(directory: &Path, app: &str) -> Option<SqliteFile> {
    let module = app.split(':').next()?.replace('.', "/");
    let module = Path::new(&module);
    let package = directory.join(module);
    let beside = package.parent()?;
    let own = [package.with_extension("py"), package.join("__init__.py")];
    let others = [&package, beside].into_iter().flat_map(|place| {
        BESIDE
            .iter()
            .map(move |name| place.join(name).with_extension("py"))
    });
    let texts: Vec<String> = own
        .into_iter()
        .chain(others)
        .filter_map(|path| text(&path))
        .collect();
    // Flask-SQLAlchemy looks for relative paths in the instance's directory.
    let is_instance = texts
        .iter()
        .any(|text| source::imports(text, "flask_sqlalchemy"));
    let file = texts.iter().find_map(|text| named(text))?;
    let path = file.path.map(|path| {
        if is_instance && !path.starts_with('/') {
            format!("instance/{path}")
        } else {
            path
        }
    });
    Some(SqliteFile { path, ..file })
}

fn named(module: &str) -> Option<SqliteFile> {
    source::code(module).find_map(|line| {
        let (_, rest) = line
            .split_once("sqlite:///")
            .or_else(|| line.split_once("sqlite+aiosqlite:///"))
            .or_else(|| line.split_once("sqlite+pysqlite:///"))
            .or_else(|| {
                let (_, rest) = line
                    .split_once("sqlite3.connect(")
                    .or_else(|| line.split_once("aiosqlite.connect("))?;
                // An expression.
                Some((line, rest.strip_prefix(['"', '\'']).unwrap_or("{")))
            })?;
        let path = rest.split(['"', '\'', '?']).next()?;
        if path.is_empty() || path.starts_with(":memory:") {
            return None;
        }
        let name = path
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let path = name.map_or(Some(path), |name| source::text_of(module, name));
        let path = path.and_then(|path| paths::plain(Path::new(path)));
        Some(SqliteFile::at(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(name: &str) -> String {
        format!(
            "DATABASES = {{\n    'default': {{\n        'ENGINE': 'django.db.backends.sqlite3',\n        'NAME': {name},\n    }}\n}}\n"
        )
    }

    #[test]
    fn files_of_settings() {
        for (name, expected) in [
            ("BASE_DIR / 'db.sqlite3'", Some("db.sqlite3")),
            (
                "os.path.join(BASE_DIR, 'data', 'site.db')",
                Some("data/site.db"),
            ),
            (
                "'/var/lib/shop/db.sqlite3'",
                Some("/var/lib/shop/db.sqlite3"),
            ),
            ("str(BASE_DIR / 'db.sqlite3')", Some("db.sqlite3")),
            ("env('DB')", None),
        ] {
            let file = of_settings(&databases(name), 2).expect(name);
            assert_eq!(file.path.as_deref(), expected, "{name}");
        }
        assert_eq!(
            of_settings(&databases("X / 'y'"), 2).expect("one").name,
            UNKNOWN
        );
    }

    #[test]
    fn settings_without_such_a_file() {
        let file = databases("BASE_DIR / 'db.sqlite3'");
        for module in [
            "",
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'x'}}\n",
            &databases("':memory:'"),
            &format!("{file}if DEPLOYED:\n    DATABASES['default'] = dj_database_url.config()\n"),
            &format!("{file}OTHER = {{'ENGINE': 'django.db.backends.mysql'}}\n"),
        ] {
            assert_eq!(of_settings(module, 2), None, "{module}");
        }
        let commented = format!("# 'ENGINE': 'django.db.backends.postgresql'\n{file}");
        assert!(of_settings(&commented, 2).is_some());
    }

    #[test]
    fn files_of_other_modules() {
        for (module, expected) in [
            ("URL = \"sqlite:///./shop.db\"\n", Some(Some("shop.db"))),
            (
                "URL = 'sqlite:////data/shop.db?timeout=5'\n",
                Some(Some("/data/shop.db")),
            ),
            (
                "URL = 'sqlite+aiosqlite:///shop.db'\n",
                Some(Some("shop.db")),
            ),
            (
                "name = 'a.db'\nurl = f\"sqlite:///{name}\"\n",
                Some(Some("a.db")),
            ),
            ("db = sqlite3.connect('shop.db')\n", Some(Some("shop.db"))),
            ("db = sqlite3.connect(path)\n", Some(None)),
            ("url = f'sqlite:///{BASE / name}'\n", Some(None)),
            ("URL = 'sqlite://'\nOTHER = 'sqlite:///:memory:'\n", None),
            ("# sqlite:///x.db\n", None),
            ("", None),
        ] {
            let found = named(module);
            let found = found.as_ref().map(|file| file.path.as_deref());
            assert_eq!(found, expected, "{module}");
        }
    }
}
