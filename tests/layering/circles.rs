//! Circles of files: each needs the other, directly or over further files, so none can be understood, tested or moved alone.
//!
//! The rule: an arrow goes from a file to the file that *defines* what it names. A parent that only declares modules and hands names on
//! (`pub use`) is looked through. A parent's use of its own children by relative paths is no arrow: the folder is its room. Methods are
//! not seen, only paths.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Names, names_of};

/// Each file of the crate by its module: `master::shell`; of a folder's `mod.rs`: `master`.
pub struct House {
    files: BTreeMap<String, Names>,
}

impl House {
    pub fn new(files: impl IntoIterator<Item = (String, String)>) -> Self {
        let files = files.into_iter();
        Self {
            files: files
                .map(|(module, text)| {
                    let names = names_of(&module, &text);
                    (module, names)
                })
                .collect(),
        }
    }

    /// The files of each circle, sorted.
    pub fn circles(&self) -> Vec<Vec<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .files
            .keys()
            .map(|module| (module.as_str(), self.reached(module)))
            .collect();
        let mut found: Vec<Vec<&str>> = Vec::new();
        for (module, others) in &reached {
            if found.iter().any(|circle| circle.contains(module)) || !others.contains(module) {
                continue;
            }
            let back = others
                .iter()
                .filter(|other| reached[*other].contains(module));
            found.push(back.copied().collect());
        }
        found
    }

    /// All that can be reached over one arrow or more.
    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.arrows(from);
        while let Some(module) = next.pop() {
            if reached.insert(module) {
                next.extend(self.arrows(module));
            }
        }
        reached
    }

    fn arrows(&self, from: &str) -> Vec<&str> {
        let needed = self.files.get(from).map(|names| names.needed.as_slice());
        let needed = needed.unwrap_or_default().iter();
        needed
            .filter_map(|path| self.defined_in(path, 8))
            .filter(|module| *module != from)
            .collect()
    }

    /// The file that defines what a path names, looked for through at most `depth` parents that hand it on.
    fn defined_in(&self, path: &str, depth: usize) -> Option<&str> {
        let mut module = path;
        let (found, rest) = loop {
            if let Some((module, _)) = self.files.get_key_value(module) {
                break (module, path[module.len()..].trim_start_matches("::"));
            }
            module = module.rsplit_once("::")?.0;
        };
        let name = rest.split("::").next().unwrap_or_default();
        let exported = self.files[found].exported.iter();
        let source = exported
            .filter(|source| !name.is_empty() && source.rsplit("::").next() == Some(name))
            .find(|source| source.as_str() != path);
        match source {
            Some(source) if depth > 0 => self.defined_in(source, depth - 1),
            _ => Some(found),
        }
    }
}
