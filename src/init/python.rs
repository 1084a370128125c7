//! The version of Python that a project runs on, from its files.

use std::path::Path;

use super::project_file::text;
use super::source;

/// The newest minor version of Python 3 that images and servers are sure to have.
const DEFAULT: u32 = 13;

/// The version in `.python-version`, else ours, or the one next to it that `pyproject.toml` allows.
pub(super) fn version(directory: &Path) -> String {
    let pinned = text(&directory.join(".python-version"));
    let minor = pinned.as_deref().and_then(minor).unwrap_or_else(|| {
        let project = text(&directory.join("pyproject.toml")).unwrap_or_default();
        let required = source::text_after(&project, "requires-python")
            // Poetry's.
            .or_else(|| source::text_of(&project, "python"));
        required.map_or(DEFAULT, allowed)
    });
    format!("3.{minor}")
}

/// The minor version next to the default that a list of specifiers (PEP 440) allows.
fn allowed(specifiers: &str) -> u32 {
    let (mut least, mut most) = (0, u32::MAX);
    for specifier in specifiers.split(',').map(str::trim) {
        let operator_ends = specifier.find(|c: char| c.is_ascii_digit());
        let (operator, version) = specifier.split_at(operator_ends.unwrap_or(specifier.len()));
        let Some(minor) = minor(version) else {
            continue;
        };
        // `<3.14` excludes all of 3.14, `<3.14.2` does not.
        let has_patch = version.split('.').nth(2).is_some_and(|patch| patch != "*");
        match operator.trim() {
            ">=" | ">" | "^" | "" => least = least.max(minor),
            "~=" if !has_patch => least = least.max(minor),
            "~=" | "==" | "===" | "~" => (least, most) = (minor, minor),
            "<" if !has_patch => most = most.min(minor.saturating_sub(1)),
            "<" | "<=" => most = most.min(minor),
            _ => {}
        }
    }
    DEFAULT.min(most).max(least)
}

/// Of a version such as `3.13.1`.
fn minor(version: &str) -> Option<u32> {
    let mut numbers = version.trim().split('.');
    if numbers.next() != Some("3") {
        return None;
    }
    let minor: String = numbers
        .next()?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    minor.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_next_to_the_default_that_is_allowed() {
        for (specifiers, expected) in [
            (">=3.14", 14),
            (">=3.9", 13),
            (">= 3.9, <3.13", 12),
            (">=3.9,<3.13.2", 13),
            (">=3.9,<=3.11", 11),
            (">=3.9,<4", 13),
            ("==3.12.*", 12),
            ("~=3.12", 13),
            ("~=3.12.1", 12),
            ("^3.14", 14),
            (">=3.9,!=3.10.*", 13),
            ("*", 13),
            ("", 13),
            ("nonsense", 13),
        ] {
            assert_eq!(allowed(specifiers), expected, "{specifiers}");
        }
    }
}
