//! `--reload-extra-file` with wildcards, as in Python's glob.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// `*` stays within a directory and passes by hidden files; `**` descends.
const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

#[derive(Debug)]
pub struct Pattern {
    /// The last directory that is named in full.
    pub base: PathBuf,
    whole: glob::Pattern,
    /// How many directories below `base` it reaches; `None`: all.
    depth: Option<usize>,
}

/// Whether gunicorn would take this for a pattern.
#[must_use]
pub fn is_pattern(text: &OsStr) -> bool {
    text.as_encoded_bytes()
        .iter()
        .any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

impl Pattern {
    /// `None`: it is malformed, and is ignored.
    pub fn new(path: &Path) -> Option<Self> {
        let whole = glob::Pattern::new(path.to_str()?).ok()?;
        let components: Vec<_> = path.components().collect();
        let named = components
            .iter()
            .take_while(|part| !is_pattern(part.as_os_str()))
            .count();
        let rest = components.get(named..).unwrap_or_default();
        Some(Self {
            base: components.iter().take(named).collect(),
            whole,
            depth: if rest.iter().any(|part| part.as_os_str() == "**") {
                None
            } else {
                Some(rest.len().saturating_sub(1))
            },
        })
    }

    pub fn matches(&self, path: &Path) -> bool {
        self.whole.matches_path_with(path, OPTIONS)
    }

    /// Whether something in that directory may match.
    pub fn reaches(&self, directory: &Path) -> bool {
        let Ok(below) = directory.strip_prefix(&self.base) else {
            return false;
        };
        let depth = below.components().count();
        self.depth.is_none_or(|most| depth <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(Path::new(text)).expect("it is well-formed")
    }

    #[test]
    fn stars_mean_what_they_mean_to_python() {
        let templates = pattern("/app/templates/**/*.html");
        assert_eq!(templates.base, Path::new("/app/templates"));
        for (path, matches) in [
            ("/app/templates/a.html", true),
            ("/app/templates/b/c/a.html", true),
            ("/app/templates/b/.a.html", false),
            ("/app/templates/a.txt", false),
            ("/app/a.html", false),
        ] {
            assert_eq!(templates.matches(Path::new(path)), matches, "{path}");
        }
        assert!(templates.reaches(Path::new("/app/templates/b/c")));
        assert!(!templates.reaches(Path::new("/app")));
        let flat = pattern("/app/conf/*.y?ml");
        assert!(flat.matches(Path::new("/app/conf/a.yaml")));
        assert!(!flat.matches(Path::new("/app/conf/sub/a.yaml")));
        assert!(flat.reaches(Path::new("/app/conf")));
        assert!(!flat.reaches(Path::new("/app/conf/sub")));
        let middle = pattern("/app/*/settings.json");
        assert!(middle.reaches(Path::new("/app/a")) && !middle.reaches(Path::new("/app/a/b")));
    }

    #[test]
    fn a_plain_path_is_no_pattern() {
        assert!(!is_pattern(OsStr::new("/etc/app.toml")));
        assert!(is_pattern(OsStr::new("*.toml")));
        assert!(Pattern::new(Path::new("/a/[")).is_none());
    }
}
