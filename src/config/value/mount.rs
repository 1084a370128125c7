//! `--static`: `PREFIX=DIR`, `django`, or a table of a configuration file as JSON.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value as Json};

use super::headers::{FRAMING, is_token};
use super::{InvalidValue, ParsedValue, directory, duration};
use crate::config::{DirectoryIndex, DjangoFiles, Fallthrough, Immutable, StaticMount};

/// What one value of the setting mounts.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) enum Mounted {
    Directory(Box<StaticMount>),
    Django(Vec<DjangoFiles>),
}

pub(in crate::config) fn mount(text: &str, base: &Path) -> ParsedValue<Mounted> {
    let text = text.trim();
    if text.starts_with('{') {
        return table(text, base).map(|mount| Mounted::Directory(Box::new(mount)));
    }
    if let Some(rest) = text
        .strip_prefix("django")
        .filter(|rest| matches!(rest.as_bytes(), [] | [b',', ..]))
    {
        return django(rest).map(Mounted::Django);
    }
    let Some((path, place)) = text.split_once('=') else {
        return Err(InvalidValue::new("is not PREFIX=DIR")
            .hint("for example `--static /static=staticfiles`, or `--static django`"));
    };
    let mount = StaticMount::new(prefix(path)?, root(place, base)?);
    Ok(Mounted::Directory(Box::new(mount)))
}

fn django(rest: &str) -> ParsedValue<Vec<DjangoFiles>> {
    let mut files = vec![DjangoFiles::Static];
    for name in rest
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match name {
            "static" => {}
            "media" => files.push(DjangoFiles::Media),
            _ => {
                return Err(InvalidValue::new(
                    "names something else than `static` and `media`",
                ));
            }
        }
    }
    files.dedup();
    Ok(files)
}

/// With one slash in front and none at the end, or `/`.
fn prefix(text: &str) -> ParsedValue<String> {
    let text = text.trim();
    let trimmed = text.trim_end_matches('/');
    if !text.starts_with('/') {
        return Err(
            InvalidValue::new("has a prefix that does not begin with a slash")
                .hint(format!("write `/{text}`")),
        );
    }
    let wrong = trimmed.contains("//")
        || trimmed.split('/').any(|name| matches!(name, "." | ".."))
        || text
            .bytes()
            .any(|byte| byte.is_ascii_control() || b"?#%\\".contains(&byte));
    if wrong {
        return Err(InvalidValue::new("has a prefix that is not a plain path")
            .hint("write it without escapes, query and dot segments"));
    }
    Ok(if trimmed.is_empty() {
        "/".to_owned()
    } else {
        trimmed.to_owned()
    })
}

fn root(text: &str, base: &Path) -> ParsedValue<std::path::PathBuf> {
    if text.trim().is_empty() {
        return Err(InvalidValue::new("has no directory after the `=`"));
    }
    let path = base.join(text.trim());
    directory(&path).map_err(|malformed| {
        let problem = format!(
            "names the directory {}, which {}",
            path.display(),
            malformed.problem
        );
        let malformed = InvalidValue {
            problem,
            ..malformed
        };
        if path.exists() {
            malformed
        } else {
            malformed.hint("make it first; for Django: `python manage.py collectstatic`")
        }
    })
}

fn table(text: &str, base: &Path) -> ParsedValue<StaticMount> {
    const KEYS: &str = "prefix, directory, max_age, immutable, fallthrough, index, headers";
    let fields: Map<String, Json> = serde_json::from_str(text)
        .map_err(|error| InvalidValue::new(format!("is not a table: {error}")))?;
    let needed = |name: &str| {
        let given = fields.get(name).and_then(Json::as_str);
        given.ok_or_else(|| InvalidValue::new(format!("has no `{name}`, which must be a string")))
    };
    let mut mount = StaticMount::new(
        prefix(needed("prefix")?)?,
        root(needed("directory")?, base)?,
    );
    for (name, value) in &fields {
        match name.as_str() {
            "prefix" | "directory" => {}
            "max_age" => mount.max_age = Some(age(value)?),
            "immutable" => {
                mount.immutable = if boolean(name, value)? {
                    Immutable::All
                } else {
                    Immutable::None
                };
            }
            "fallthrough" => {
                mount.fallthrough = if boolean(name, value)? {
                    Fallthrough::ToApp
                } else {
                    Fallthrough::Never
                };
            }
            "index" => {
                mount.index = if boolean(name, value)? {
                    DirectoryIndex::IndexHtml
                } else {
                    DirectoryIndex::None
                };
            }
            "headers" => mount.headers = headers(value)?,
            _ => {
                return Err(InvalidValue::new(format!("has the unknown key `{name}`"))
                    .hint(format!("there are {KEYS}")));
            }
        }
    }
    Ok(mount)
}

fn age(value: &Json) -> ParsedValue<Duration> {
    match value {
        Json::String(text) => duration(text),
        Json::Number(number) => duration(&number.to_string()),
        _ => Err(InvalidValue::new(
            "has a `max_age` that is not a number of seconds",
        )),
    }
}

fn boolean(name: &str, value: &Json) -> ParsedValue<bool> {
    value
        .as_bool()
        .ok_or_else(|| InvalidValue::new(format!("has a `{name}` that is neither true nor false")))
}

fn headers(value: &Json) -> ParsedValue<Vec<(String, String)>> {
    let Some(fields) = value.as_object() else {
        return Err(InvalidValue::new("has `headers` that are not a table"));
    };
    let mut headers = Vec::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        let token = is_token(&name);
        let Some(value) = value
            .as_str()
            .filter(|value| token && !value.chars().any(char::is_control))
        else {
            return Err(InvalidValue::new(format!(
                "has a header `{name}` that cannot be sent"
            )));
        };
        if FRAMING.contains(&name.as_str()) {
            return Err(InvalidValue::new(format!(
                "sets the header `{name}`, which rgun decides"
            )));
        }
        headers.push((name, value.to_owned()));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ParsedValue<StaticMount> {
        match mount(text, Path::new("/"))? {
            Mounted::Directory(mount) => Ok(*mount),
            Mounted::Django(_) => panic!("a directory is meant"),
        }
    }

    #[test]
    fn pairs_and_tables() {
        let plain = read("/static/=tmp").unwrap();
        assert_eq!(
            (&*plain.prefix, plain.directory.to_str()),
            ("/static", Some("/tmp"))
        );
        assert_eq!(plain.fallthrough, Fallthrough::Never);
        assert_eq!(read("/=tmp").unwrap().fallthrough, Fallthrough::ToApp);
        let whole = r#"{"prefix": "/a", "directory": "tmp", "max_age": 3600, "immutable": true, "fallthrough": true,
            "index": true, "headers": {"X-A": "b"}}"#;
        let mount = read(whole).unwrap();
        assert_eq!(mount.max_age, Some(Duration::from_secs(3600)));
        assert_eq!(
            (mount.immutable, mount.fallthrough),
            (Immutable::All, Fallthrough::ToApp)
        );
        assert_eq!(mount.headers, [("x-a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn django() {
        let read = |text| mount(text, Path::new("/"));
        assert_eq!(
            read("django"),
            Ok(Mounted::Django(vec![DjangoFiles::Static]))
        );
        let both = vec![DjangoFiles::Static, DjangoFiles::Media];
        assert_eq!(read("django,media"), Ok(Mounted::Django(both)));
        assert!(read("django,other").is_err());
        assert!(read("djangox").is_err());
    }

    #[test]
    fn what_is_wrong_says_so() {
        for (text, problem) in [
            ("static=tmp", "slash"),
            ("/static", "PREFIX=DIR"),
            ("/static=", "no directory"),
            ("/static=nowhere-at-all", "does not exist"),
            ("/a/../b=tmp", "plain path"),
            ("/a%20b=tmp", "plain path"),
            ("{", "table"),
            (r#"{"prefix": "/a"}"#, "`directory`"),
            (
                r#"{"prefix": "/a", "directory": "tmp", "maxage": 1}"#,
                "`maxage`",
            ),
            (
                r#"{"prefix": "/a", "directory": "tmp", "headers": {"content-length": "1"}}"#,
                "decides",
            ),
            (
                r#"{"prefix": "/a", "directory": "tmp", "headers": {"a b": "1"}}"#,
                "cannot be sent",
            ),
        ] {
            let malformed = read(text).expect_err(text);
            assert!(
                malformed.problem.contains(problem),
                "{text}: {}",
                malformed.problem
            );
        }
    }
}
