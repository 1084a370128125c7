//! Facts from the lines of a Python module or of a requirements file, without running anything.

/// The text of the first string in a call or assignment whose line has `word`: `os.environ.setdefault("WORD", "text")`,
/// `WORD = "text"`.
pub(super) fn text_after<'t>(module: &'t str, word: &str) -> Option<&'t str> {
    code(module).find_map(|line| {
        let (_, rest) = line.split_once(word)?;
        // The closing quote of the word, or the sign of an assignment.
        let rest = rest.trim_start_matches(['"', '\'']);
        let rest = rest.trim_start_matches([' ', ',', '=', '(']);
        quoted(rest)
    })
}

/// The name that one of those classes is instantiated under at the top of the module: `app = FastAPI(...)`.
pub(super) fn instance_of<'t>(module: &'t str, classes: &[&str]) -> Option<&'t str> {
    module.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let name = name.split(':').next()?.trim_end();
        let class = value.trim_start().split('(').next()?;
        let class = class.rsplit('.').next()?;
        (is_name(name) && value.contains('(') && classes.contains(&class)).then_some(name)
    })
}

/// The text that is assigned to a name: `python = "^3.12"`.
pub(super) fn text_of<'t>(module: &'t str, name: &str) -> Option<&'t str> {
    let line = code(module).find(|line| is_assigned(line, name))?;
    let (_, value) = line.split_once('=')?;
    quoted(value.trim_start())
}

/// Whether the app of that name is ASGI, by its definition or else by the one kind of class that the module names.
/// `None`: the text does not show it.
pub(super) fn is_asgi(module: &str, name: &str, asgi: &[&str], wsgi: &[&str]) -> Option<bool> {
    let kind_of = |word: &str| {
        let lower = word.to_ascii_lowercase();
        if asgi.contains(&word) || lower.contains("asgi") {
            Some(true)
        } else if wsgi.contains(&word) || lower.contains("wsgi") {
            Some(false)
        } else {
            None
        }
    };
    let defined = code(module).find_map(|line| {
        let definition = line
            .strip_prefix("def ")
            .or(line.strip_prefix("async def "));
        if let Some(arguments) = definition.and_then(|rest| rest.strip_prefix(name)) {
            let has = |argument| arguments.starts_with('(') && arguments.contains(argument);
            return match (has("scope"), has("environ")) {
                (true, _) => Some(true),
                (_, true) => Some(false),
                _ => None,
            };
        }
        let (target, value) = line.split_once('=')?;
        (target.split(':').next()?.trim_end() == name)
            .then(|| words(value).find_map(kind_of))
            .flatten()
    });
    let named = || {
        let mut kinds = code(module).flat_map(words).filter_map(kind_of);
        let first = kinds.next()?;
        kinds.all(|kind| kind == first).then_some(first)
    };
    defined.or_else(named)
}

/// A function at the top of the module that returns the app: `def create_app():`.
pub(super) fn factory(module: &str) -> Option<&'static str> {
    ["create_app", "make_app"].into_iter().find(|name| {
        module
            .lines()
            .any(|line| line.starts_with("def ") && line[4..].starts_with(&format!("{name}(")))
    })
}

pub(super) fn is_defined(module: &str, name: &str) -> bool {
    code(module).any(|line| is_assigned(line, name))
}

/// Whether the module's only assignment of that name has a value that is the same in every environment.
pub(super) fn is_constant(module: &str, name: &str) -> bool {
    let mut lines = code(module).filter(|line| line.contains(name));
    let value = lines.next().filter(|line| is_assigned(line, name));
    let value = value.and_then(|line| Some(line.split_once('=')?.1.trim()));
    let is_only = lines.next().is_none();
    is_only
        && value.is_some_and(|value| {
            let begins =
                value.starts_with(['"', '\'']) || is_word(value, "True") || is_word(value, "False");
            let is_list = value.starts_with('[') && value.ends_with(']') && !value.contains('(');
            begins || (is_list && !value.contains("environ"))
        })
}

/// Whether a requirements file or pyproject.toml names one of those packages.
pub(super) fn requires(requirements: &str, packages: &[&str]) -> bool {
    requirements.lines().any(|line| {
        line.split(['"', '\'', ',', '[', ']']).any(|word| {
            let name: String = word
                .trim_start()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                .map(|c| {
                    if c == '_' {
                        '-'
                    } else {
                        c.to_ascii_lowercase()
                    }
                })
                .collect();
            packages.contains(&name.as_str())
        })
    })
}

/// Whether a line imports that package: `import flask`, `from flask.views import View`.
pub(super) fn imports(module: &str, package: &str) -> bool {
    code(module).any(|line| {
        let mut words = line.split([' ', '\t', ',']).filter(|word| !word.is_empty());
        let is_import = matches!(words.next(), Some("import" | "from"));
        is_import
            && words
                .next()
                .is_some_and(|name| name.split('.').next() == Some(package))
    })
}

/// Whether a text is that word, and a comment at the most.
fn is_word(text: &str, word: &str) -> bool {
    let rest = text.strip_prefix(word).map(str::trim_start);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// Its names.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

pub(super) fn code(module: &str) -> impl Iterator<Item = &str> {
    module
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
}

fn is_assigned(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| {
        rest.trim_start().starts_with('=') && !rest.trim_start().starts_with("==")
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text[1..].split(quote).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_module() {
        for line in [
            "    os.environ.setdefault(\"DJANGO_SETTINGS_MODULE\", \"config.settings\")",
            "    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')",
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'",
        ] {
            let line = line.replace("'] =", "' =");
            assert_eq!(
                text_after(&line, "DJANGO_SETTINGS_MODULE"),
                Some("config.settings")
            );
        }
        assert_eq!(
            text_after("# DJANGO_SETTINGS_MODULE = 'x'", "DJANGO_SETTINGS_MODULE"),
            None
        );
    }

    #[test]
    fn constants() {
        for (module, expected) in [
            ("DEBUG = True\n", true),
            ("DEBUG = False  # off\n", true),
            ("DEBUG = 'django-insecure-x'\n", true),
            ("DEBUG = []\n", true),
            ("DEBUG = ['a.example']\n", true),
            ("DEBUG = os.environ.get('DEBUG') == '1'\n", false),
            ("DEBUG = [os.environ['HOST']]\n", false),
            ("DEBUG = True\nDEBUG = env.bool('DEBUG')\n", false),
            ("", false),
        ] {
            assert_eq!(is_constant(module, "DEBUG"), expected, "{module}");
        }
    }

    #[test]
    fn instances_and_factories() {
        let classes = ["FastAPI", "Flask"];
        assert_eq!(instance_of("app = FastAPI()", &classes), Some("app"));
        assert_eq!(
            instance_of("api: FastAPI = fastapi.FastAPI(title='x')", &classes),
            Some("api")
        );
        assert_eq!(instance_of("    app = Flask(__name__)", &classes), None);
        assert_eq!(instance_of("x == FastAPI()", &classes), None);
        assert_eq!(
            factory("def create_app(config=None):\n    pass"),
            Some("create_app")
        );
        assert_eq!(factory("    def create_app():"), None);
    }

    #[test]
    fn interfaces_by_the_text_of_the_module() {
        for (text, name, expected) in [
            ("app = FastAPI(title='x')", "app", Some(true)),
            ("app: FastAPI = fastapi.FastAPI()", "app", Some(true)),
            ("app = Flask(__name__)", "app", Some(false)),
            (
                "flask = Flask('x')\napp = WsgiToAsgi(flask)",
                "app",
                Some(true),
            ),
            (
                "application = get_wsgi_application()",
                "application",
                Some(false),
            ),
            (
                "application = get_asgi_application()",
                "application",
                Some(true),
            ),
            ("async def app(scope, receive, send):", "app", Some(true)),
            ("def app(environ, start_response):", "app", Some(false)),
            (
                "def create_app():\n    return FastAPI()",
                "create_app",
                Some(true),
            ),
            ("from x import Flask, FastAPI", "app", None),
            ("# FastAPI\nfrom .main import app", "app", None),
        ] {
            let found = is_asgi(text, name, &["FastAPI"], &["Flask"]);
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn packages_by_their_names() {
        let text =
            "Django>=5\npsycopg[binary]==3.2\ndependencies = [\"celery>=5\", 'uvloop']\n# redis";
        assert!(requires(text, &["psycopg"]));
        assert!(requires(text, &["celery"]));
        assert!(!requires(text, &["redis"]));
        assert!(!requires(text, &["djan"]));
    }
}
