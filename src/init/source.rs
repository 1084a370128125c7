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

/// The last string of a path that is composed in a line: `STATIC_ROOT = BASE_DIR / "static"`.
pub(super) fn last_text_of<'t>(module: &'t str, name: &str) -> Option<&'t str> {
    let line = code(module).find(|line| is_assigned(line, name))?;
    let start = line.rfind(['"', '\'']).map(|end| &line[..end])?;
    let open = start.rfind(['"', '\''])?;
    Some(&start[open + 1..])
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

fn code(module: &str) -> impl Iterator<Item = &str> {
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
    fn packages_by_their_names() {
        let text =
            "Django>=5\npsycopg[binary]==3.2\ndependencies = [\"celery>=5\", 'uvloop']\n# redis";
        assert!(requires(text, &["psycopg"]));
        assert!(requires(text, &["celery"]));
        assert!(!requires(text, &["redis"]));
        assert!(!requires(text, &["djan"]));
    }

    #[test]
    fn paths_of_settings() {
        assert_eq!(
            last_text_of("STATIC_ROOT = BASE_DIR / \"static\" / 'all'", "STATIC_ROOT"),
            Some("all")
        );
        assert_eq!(
            last_text_of("STATIC_URL = '/s/'\nSTATIC_ROOT = x", "STATIC_ROOT"),
            None
        );
    }
}
