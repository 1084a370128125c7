//! `MODULE:ATTRIBUTE`. Whether the app exists is found out by the worker that imports it.

use super::{InvalidValue, ParsedValue};
use crate::config::{AppSpec, Factory};

pub(in crate::config) fn app(text: &str) -> ParsedValue<AppSpec> {
    if text.is_empty() {
        return Err(
            InvalidValue::new("is empty").hint("name the app as in config.asgi:application")
        );
    }
    if text.contains(char::is_whitespace) && !text.contains('(') {
        return Err(InvalidValue::new("contains a space")
            .hint("name the app as in config.asgi:application"));
    }
    let (module, attribute) = match text.split_once(':') {
        Some(("asgi" | "wsgi", rest)) if rest.contains(':') => {
            return Err(InvalidValue::new("starts with the name of an interface")
                .hint(format!("try `{rest}`; --worker-class says which")));
        }
        Some((module, attribute)) => (module, Some(attribute)),
        None => (text, None),
    };
    check_module(module, attribute)?;
    let Some(attribute) = attribute else {
        return Ok(AppSpec {
            module: module.to_owned(),
            attribute: None,
            factory: Factory::Plain,
        });
    };
    if attribute.is_empty() {
        return Err(InvalidValue::new("ends with a colon")
            .hint(format!("name the attribute, as in {module}:application")));
    }
    let (attribute, factory) = match attribute.split_once('(') {
        Some((name, rest)) => {
            let Some(arguments) = rest.trim_end().strip_suffix(')') else {
                return Err(
                    InvalidValue::new("does not close the factory's parenthesis")
                        .hint(format!("call it as in {module}:{name}()")),
                );
            };
            let arguments = arguments.trim().to_owned();
            (name.trim_end(), Factory::Call { arguments })
        }
        None => (attribute, Factory::Plain),
    };
    if !attribute.split('.').all(is_identifier) {
        return Err(
            InvalidValue::new("does not name an attribute after the colon")
                .hint("name the app as in config.asgi:application"),
        );
    }
    Ok(AppSpec {
        module: module.to_owned(),
        attribute: Some(attribute.to_owned()),
        factory,
    })
}

fn check_module(module: &str, attribute: Option<&str>) -> ParsedValue<()> {
    let again = |module: &str| {
        attribute
            .filter(|name| !name.is_empty())
            .map_or(module.to_owned(), |name| format!("{module}:{name}"))
    };
    // Python accepts any file name as a module's, `my-app` too, but not a path.
    let is_path = module.contains('/')
        || (module.contains('.') && module.to_ascii_lowercase().ends_with(".py"));
    if is_path {
        let stem = &module[..module.len()
            - if module.to_ascii_lowercase().ends_with(".py") {
                3
            } else {
                0
            }];
        let dotted = stem
            .trim_start_matches("./")
            .trim_matches('/')
            .replace('/', ".");
        let malformed = InvalidValue::new("is a path, not a module");
        return Err(match () {
            () if module.starts_with('/') || dotted.contains("..") => {
                let (directory, name) = stem.rsplit_once('/').unwrap_or((".", stem));
                malformed.hint(format!(
                    "try `--chdir {} {}`",
                    if directory.is_empty() { "/" } else { directory },
                    again(name)
                ))
            }
            () => malformed.hint(format!("try `{}`", again(&dotted))),
        });
    }
    if module.is_empty() {
        return Err(InvalidValue::new("names no module before the colon")
            .hint("name the app as in config.asgi:application"));
    }
    if module.split('.').any(str::is_empty) {
        let malformed = InvalidValue::new("is not a module's dotted name");
        let without = module.trim_matches('.');
        return Err(
            if !without.is_empty() && !without.split('.').any(str::is_empty) {
                malformed.hint(format!("try `{}`", again(without)))
            } else {
                malformed
            },
        );
    }
    Ok(())
}

/// An approximation: anything else that Python rejects is reported by the import.
fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first == '_' || first.is_alphabetic())
        && characters.all(|c| c == '_' || c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form() {
        let called = |arguments: &str| Factory::Call {
            arguments: arguments.to_owned(),
        };
        for (text, module, attribute, factory) in [
            ("site", "site", None, Factory::Plain),
            (
                "config.asgi:application",
                "config.asgi",
                Some("application"),
                Factory::Plain,
            ),
            ("site:api.app", "site", Some("api.app"), Factory::Plain),
            ("site:create_app()", "site", Some("create_app"), called("")),
            ("site:make.app()", "site", Some("make.app"), called("")),
            (
                "site:make('a b', debug=True)",
                "site",
                Some("make"),
                called("'a b', debug=True"),
            ),
            ("my-app:app", "my-app", Some("app"), Factory::Plain),
            ("modül:größe", "modül", Some("größe"), Factory::Plain),
            ("py:app", "py", Some("app"), Factory::Plain),
        ] {
            let spec = app(text).expect(text);
            assert_eq!(
                (
                    spec.module.as_str(),
                    spec.attribute.as_deref(),
                    spec.factory
                ),
                (module, attribute, factory),
                "{text:?}"
            );
        }
    }

    #[test]
    fn every_refusal() {
        for (text, problem, hint) in [
            (
                "",
                "is empty",
                Some("name the app as in config.asgi:application"),
            ),
            (
                "config asgi",
                "contains a space",
                Some("name the app as in config.asgi:application"),
            ),
            (
                "config.asgi:",
                "ends with a colon",
                Some("name the attribute, as in config.asgi:application"),
            ),
            (
                ":app",
                "names no module before the colon",
                Some("name the app as in config.asgi:application"),
            ),
            (
                "config/asgi.py",
                "is a path, not a module",
                Some("try `config.asgi`"),
            ),
            (
                "config/asgi",
                "is a path, not a module",
                Some("try `config.asgi`"),
            ),
            (
                "./config/asgi.py:app",
                "is a path, not a module",
                Some("try `config.asgi:app`"),
            ),
            ("app.py", "is a path, not a module", Some("try `app`")),
            (
                "/srv/site/app.py:app",
                "is a path, not a module",
                Some("try `--chdir /srv/site app:app`"),
            ),
            (
                "/app.py:app",
                "is a path, not a module",
                Some("try `--chdir / app:app`"),
            ),
            (
                "../site/app.py",
                "is a path, not a module",
                Some("try `--chdir ../site app`"),
            ),
            (
                ".app:app",
                "is not a module's dotted name",
                Some("try `app:app`"),
            ),
            ("a..b:app", "is not a module's dotted name", None),
            (
                "asgi:site:app",
                "starts with the name of an interface",
                Some("try `site:app`; --worker-class says which"),
            ),
            (
                "a:b:c",
                "does not name an attribute after the colon",
                Some("name the app as in config.asgi:application"),
            ),
            (
                "a:1b",
                "does not name an attribute after the colon",
                Some("name the app as in config.asgi:application"),
            ),
            (
                "a:make('x'",
                "does not close the factory's parenthesis",
                Some("call it as in a:make()"),
            ),
        ] {
            let malformed = app(text).expect_err(text);
            assert_eq!(
                (malformed.problem.as_str(), malformed.hint.as_deref()),
                (problem, hint),
                "{text:?}"
            );
        }
    }
}
