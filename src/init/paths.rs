//! A directory in Django's settings, from the expression that it is assigned: texts, `BASE_DIR / "static"`, `os.path.join`.
//!
//! What the expression needs beyond that (the environment, other modules) is not evaluated: then the directory is not known.

use std::path::{Component, Path, PathBuf};

use serde::Serialize;

/// A directory that the settings name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct SettingsDirectory {
    /// Below the project's directory, or absolute. `None`: its expression does not show it, or it is beside the project.
    pub path: Option<String>,
}

/// `module` is a text below the project, `depth` directories deep with its own name. `None`: the name is not assigned, or
/// assigned nothing.
pub(super) fn directory(module: &str, name: &str, depth: usize) -> Option<SettingsDirectory> {
    let value = assigned(module, name)?;
    if value.is_empty()
        || matches!(&value[..], [Lexeme::Text(text)] if text.is_empty())
        || matches!(&value[..], [Lexeme::Name(none)] if *none == "None")
    {
        return None;
    }
    Some(SettingsDirectory {
        path: evaluated(&value, module, depth),
    })
}

/// The path that an expression of the module shows.
pub(super) fn evaluated(value: &[Lexeme<'_>], module: &str, depth: usize) -> Option<String> {
    let reader = Reader {
        rest: value,
        module,
        depth,
        nested: 0,
    };
    let path = reader.whole()?;
    plain(path.strip_prefix(PROJECT).unwrap_or(&path))
}

/// Stands for the project's directory, wherever it is.
const PROJECT: &str = "/\u{1}";

/// Without dots, and of characters that no configuration file gives a meaning.
pub(super) fn plain(path: &Path) -> Option<String> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
            Component::RootDir | Component::Normal(_) => clean.push(component),
        }
    }
    let text = clean.to_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '@');
    let is_directory = !text.is_empty() && text != "/";
    (is_directory && text.chars().all(is_plain)).then(|| text.to_owned())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme<'t> {
    Name(&'t str),
    Text(&'t str),
    Sign(char),
}

/// The value of the last assignment at the top of the module; it ends with the line, unless a bracket is open.
pub(super) fn assigned<'t>(module: &'t str, name: &str) -> Option<Vec<Lexeme<'t>>> {
    let mut value = None;
    let mut begin = 0;
    for line in module.split_inclusive('\n') {
        let after = begin + line.len();
        if let Some(rest) = line.strip_prefix(name)
            && let Some((annotation, text)) = rest.split_once('=')
            && (annotation.trim().is_empty() || annotation.trim_start().starts_with(':'))
            && !text.starts_with('=')
        {
            value = Some(after - text.len());
        }
        begin = after;
    }
    Some(tokens(&module[value?..]))
}

fn tokens(text: &str) -> Vec<Lexeme<'_>> {
    let mut found = Vec::new();
    let mut open = 0_usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (_, behind) = rest.split_at(first.len_utf8());
        rest = match first {
            '\n' if open == 0 => break,
            '#' => behind.find('\n').map_or("", |end| &behind[end..]),
            '"' | '\'' => {
                let Some((text, after)) = behind.split_once(first) else {
                    break;
                };
                found.push(Lexeme::Text(text));
                after
            }
            _ if first.is_whitespace() => behind,
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                // A raw text is one; an `f` in front makes it an expression, and that is not read.
                if !(matches!(word, "r" | "R") && after.starts_with(['"', '\''])) {
                    found.push(Lexeme::Name(word));
                }
                after
            }
            _ => {
                match first {
                    '(' | '[' | '{' => open += 1,
                    ')' | ']' | '}' => open = open.saturating_sub(1),
                    _ => {}
                }
                found.push(Lexeme::Sign(first));
                behind
            }
        };
    }
    found
}

/// Below the project: not a name that `plain` lets through.
const UNNAMED: &str = "\u{1}";

/// Names lead to other assignments, and these may name each other.
const DEEPEST: usize = 8;

/// Reads an expression from the left; each function returns `None` for syntax that is not supported.
struct Reader<'r, 't> {
    rest: &'r [Lexeme<'t>],
    module: &'t str,
    depth: usize,
    nested: usize,
}

impl<'t> Reader<'_, 't> {
    fn whole(mut self) -> Option<PathBuf> {
        let path = self.expression()?;
        self.rest.is_empty().then_some(path)
    }

    fn next(&mut self) -> Option<Lexeme<'t>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn takes(&mut self, sign: char) -> bool {
        let is_next = self.rest.first() == Some(&Lexeme::Sign(sign));
        if is_next {
            self.next();
        }
        is_next
    }

    fn expression(&mut self) -> Option<PathBuf> {
        let mut path = self.term()?;
        loop {
            if self.takes('/') {
                path.push(self.term()?);
            } else if self.takes('+') {
                let mut text = path.into_os_string();
                text.push(self.term()?);
                path = text.into();
            } else {
                return Some(path);
            }
        }
    }

    /// With the attributes behind it.
    fn term(&mut self) -> Option<PathBuf> {
        let mut path = match self.next()? {
            Lexeme::Text(text) => PathBuf::from(text),
            Lexeme::Sign('(') => {
                let path = self.expression()?;
                self.takes(')').then_some(path)?
            }
            Lexeme::Name(name) => self.name(name)?,
            Lexeme::Sign(_) => return None,
        };
        while self.takes('.') {
            let Lexeme::Name(attribute) = self.next()? else {
                return None;
            };
            match attribute {
                "parent" => path = parent(&path)?,
                "resolve" | "absolute" | "as_posix" => {
                    self.arguments()?;
                }
                "joinpath" => path.extend(self.arguments()?),
                _ => return None,
            }
        }
        Some(path)
    }

    fn name(&mut self, name: &'t str) -> Option<PathBuf> {
        let mut name = name;
        // `os.path.join`, `pathlib.Path`: the last part says it.
        while matches!(name, "os" | "path" | "pathlib") && self.takes('.') {
            let Some(Lexeme::Name(part)) = self.next() else {
                return None;
            };
            name = part;
        }
        match name {
            "__file__" => {
                // The settings' own directory and file, which are not named here: `parent` leads out of them.
                let mut file = PathBuf::from(PROJECT);
                file.extend((0..self.depth).map(|_| UNNAMED));
                Some(file)
            }
            "str" | "Path" | "abspath" | "realpath" | "normpath" | "fspath" | "join" => {
                let mut arguments = self.arguments()?.into_iter();
                let mut path = arguments.next()?;
                path.extend(arguments);
                Some(path)
            }
            "dirname" => match &self.arguments()?[..] {
                [path] => parent(path),
                _ => None,
            },
            _ if self.nested < DEEPEST && self.rest.first() != Some(&Lexeme::Sign('(')) => {
                let Some(value) = assigned(self.module, name) else {
                    // Imported from the settings that these extend; Django's template has it for the project's directory.
                    return (name == "BASE_DIR").then(|| PathBuf::from(PROJECT));
                };
                Reader {
                    rest: &value,
                    module: self.module,
                    depth: self.depth,
                    nested: self.nested + 1,
                }
                .whole()
            }
            _ => None,
        }
    }

    fn arguments(&mut self) -> Option<Vec<PathBuf>> {
        let mut found = Vec::new();
        if !self.takes('(') {
            return None;
        }
        while !self.takes(')') {
            found.push(self.expression()?);
            if !self.takes(',') && self.rest.first() != Some(&Lexeme::Sign(')')) {
                return None;
            }
        }
        Some(found)
    }
}

/// `None`: of the project's own directory.
fn parent(path: &Path) -> Option<PathBuf> {
    path.parent()
        .filter(|_| path != Path::new(PROJECT))
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<SettingsDirectory> {
        directory(text, "STATIC_ROOT", 2)
    }

    fn at(path: &str) -> SettingsDirectory {
        let path = Some(path.to_owned());
        SettingsDirectory { path }
    }

    #[test]
    fn expressions_of_paths() {
        for (value, path) in [
            ("'staticfiles'", "staticfiles"),
            ("r'staticfiles/'", "staticfiles"),
            ("BASE_DIR / \"public\" / 'static'", "public/static"),
            (
                "BASE_DIR/\"public\"/\"static\"  # served by nginx",
                "public/static",
            ),
            (
                "os.path.join(BASE_DIR, \"public\", \"static\")",
                "public/static",
            ),
            (
                "os.path.join(\n    BASE_DIR,  # the project\n    'static',\n)",
                "static",
            ),
            ("str(BASE_DIR / 'static')", "static"),
            ("BASE_DIR.joinpath('a', 'b')", "a/b"),
            ("BASE_DIR + '/static'", "static"),
            ("'/var/www/shop/static'", "/var/www/shop/static"),
            ("Path('/var/www') / 'static'", "/var/www/static"),
            ("(BASE_DIR / 'a')", "a"),
            (
                "Path(__file__).resolve().parent.parent / 'static'",
                "static",
            ),
        ] {
            let text = format!("DEBUG = False\nSTATIC_ROOT = {value}\nX = 'x'\n");
            assert_eq!(found(&text), Some(at(path)), "{value}");
        }
    }

    #[test]
    fn names_lead_to_their_assignments() {
        let base = "BASE_DIR = Path(__file__).resolve().parent.parent\n";
        let old = "BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n";
        for base in [base, old] {
            let text =
                format!("{base}PUBLIC: Path = BASE_DIR / 'public'\nSTATIC_ROOT=PUBLIC / 's'\n");
            assert_eq!(found(&text), Some(at("public/s")), "{base}");
        }
    }

    #[test]
    fn what_cannot_be_told() {
        for value in [
            "env('STATIC_ROOT')",
            "os.environ['STATIC_ROOT']",
            "f'{HOME}/static'",
            "BASE_DIR.parent / 'st'",
            "BASE_DIR / '..' / 'st'",
            "BASE_DIR + 'static'",
            "Path(__file__).parent / 'static'",
            "BASE_DIR",
            "'a b; rm'",
            "'/'",
            "STATIC_ROOT",
            "join(",
            "root() / 'x'",
            "'a' if x else 'b'",
        ] {
            let text = format!("STATIC_ROOT = {value}\n");
            assert_eq!(
                found(&text),
                Some(SettingsDirectory { path: None }),
                "{value}"
            );
        }
        for text in [
            "",
            "STATIC_ROOTS = 'x'\n",
            "STATIC_ROOT = ''\n",
            "STATIC_ROOT = None\n",
            "if STATIC_ROOT == 'x': ...\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
