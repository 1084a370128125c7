//! The watched files, by directory, in their state at the last check.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::directory_watcher::DirectoryWatcher;
use super::pattern::{Pattern, is_pattern};
use super::stamp::Stamp;

/// More directories are not descended into: rgun was probably started in `/`.
const MOST_DIRECTORIES: usize = 20_000;

#[derive(Debug)]
pub struct Tree {
    places: BTreeMap<PathBuf, WatchedDirectory>,
    patterns: Vec<Pattern>,
    full: bool,
}

/// One directory.
#[derive(Debug, Default)]
struct WatchedDirectory {
    wants: Wants,
    seen: BTreeMap<OsString, Stamp>,
    /// Asked for by name: it stays when the directory goes, because it may come back.
    root: bool,
}

/// Which files of a directory are watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Wants {
    /// Every `*.py`, here and below.
    sources: bool,
    names: BTreeSet<OsString>,
    /// By their number.
    patterns: BTreeSet<usize>,
}

/// The result of a check of a directory.
#[derive(Default)]
struct DirectoryScan {
    files: BTreeMap<OsString, Stamp>,
    below: Vec<(PathBuf, Wants)>,
    /// Symbolic links: files that are elsewhere.
    links: Vec<PathBuf>,
}

impl Tree {
    /// `project`: its sources are watched, at any depth. `extra`: files, directories and patterns, all absolute.
    pub fn new(project: &Path, extra: &[PathBuf]) -> Self {
        let mut tree = Self {
            places: BTreeMap::new(),
            patterns: Vec::new(),
            full: false,
        };
        let wants = tree.root(project);
        wants.sources = true;
        // The settings; gunicorn.conf.py is a source like any other.
        wants.names.insert("rgun.toml".into());
        for path in extra {
            if is_pattern(path.as_os_str()) {
                tree.add_pattern(path);
            } else if path.is_dir() {
                tree.add_pattern(&path.join("**/*"));
            } else {
                tree.add_name(path);
            }
        }
        tree
    }

    pub fn directories(&self) -> usize {
        self.places.len()
    }

    pub fn files(&self) -> usize {
        self.places.values().map(|place| place.seen.len()).sum()
    }

    /// A file that was loaded: it is watched from now on, in its present state.
    pub fn learn(&mut self, path: &Path, directory_watcher: &mut DirectoryWatcher) {
        let truth = fs::canonicalize(path).ok();
        for path in std::iter::once(path).chain(truth.as_deref().filter(|truth| *truth != path)) {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            if self
                .places
                .get(directory)
                .is_some_and(|place| place.seen.contains_key(name))
            {
                continue;
            }
            directory_watcher.watch(directory);
            let stamp = stamp(path);
            let place = self.places.entry(directory.to_owned()).or_default();
            place.wants.names.insert(name.to_owned());
            place
                .seen
                .extend(stamp.map(|stamp| (name.to_owned(), stamp)));
        }
    }

    /// Whether that name there is watched, without checking the file.
    pub fn cares(&self, directory: &Path, name: &OsStr) -> bool {
        self.places
            .get(directory)
            .is_some_and(|place| self.counts(&place.wants, directory, name))
    }

    /// What has changed there since the last check: written, replaced, new or gone. Below, only what is new.
    pub fn look(
        &mut self,
        directory: &Path,
        directory_watcher: &mut DirectoryWatcher,
    ) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        let mut line = vec![directory.to_owned()];
        while let Some(directory) = line.pop() {
            directory_watcher.watch(&directory);
            let Some(place) = self.places.get(&directory) else {
                continue;
            };
            let wants = place.wants.clone();
            let Some(found) = self.find(&directory, &wants) else {
                changed.extend(self.lose(&directory));
                directory_watcher.forget(&directory);
                continue;
            };
            for link in found.links {
                self.learn(&link, directory_watcher);
            }
            for (path, wants) in found.below {
                if self.descend(&path, wants) {
                    line.push(path);
                }
            }
            if let Some(place) = self.places.get_mut(&directory) {
                let before = std::mem::replace(&mut place.seen, found.files);
                let now = &place.seen;
                let written = now
                    .iter()
                    .filter(|(name, stamp)| before.get(*name) != Some(*stamp));
                let gone = before.iter().filter(|(name, _)| !now.contains_key(*name));
                changed.extend(written.chain(gone).map(|(name, _)| directory.join(name)));
            }
        }
        changed
    }

    pub fn look_everywhere(&mut self, directory_watcher: &mut DirectoryWatcher) -> Vec<PathBuf> {
        let directories: Vec<_> = self.places.keys().cloned().collect();
        directories
            .iter()
            .flat_map(|directory| self.look(directory, directory_watcher))
            .collect()
    }

    /// The directory is gone, and all below it too: it may have been moved away as a whole.
    fn lose(&mut self, directory: &Path) -> Vec<PathBuf> {
        let lost: Vec<_> = self
            .places
            .keys()
            .filter(|path| path.starts_with(directory))
            .cloned()
            .collect();
        let mut changed = Vec::new();
        for path in lost {
            let Some(place) = self.places.get_mut(&path) else {
                continue;
            };
            let gone = std::mem::take(&mut place.seen);
            if !place.root && place.wants.names.is_empty() {
                self.places.remove(&path);
            }
            changed.extend(gone.keys().map(|name| path.join(name)));
        }
        changed
    }

    /// True: that directory, or something in it, is new.
    fn descend(&mut self, directory: &Path, wants: Wants) -> bool {
        if !self.places.contains_key(directory) && self.places.len() >= MOST_DIRECTORIES {
            if !std::mem::replace(&mut self.full, true) {
                tracing::warn!(
                    most = MOST_DIRECTORIES,
                    "too many directories, some are not watched"
                );
            }
            return false;
        }
        let place = self.places.entry(directory.to_owned()).or_default();
        let before = place.wants.clone();
        place.wants.sources |= wants.sources;
        place.wants.patterns.extend(wants.patterns);
        place.wants != before
    }

    fn find(&self, directory: &Path, wants: &Wants) -> Option<DirectoryScan> {
        let mut found = DirectoryScan::default();
        if wants.sources || !wants.patterns.is_empty() {
            for entry in fs::read_dir(directory).ok()?.flatten() {
                let (path, name) = (entry.path(), entry.file_name());
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_dir() {
                    found
                        .below
                        .extend(self.below(wants, &path, &name).map(|wants| (path, wants)));
                } else if self.counts(wants, directory, &name) {
                    if kind.is_symlink() {
                        found.links.extend(fs::canonicalize(&path));
                    }
                    found.files.extend(stamp(&path).map(|stamp| (name, stamp)));
                }
            }
        } else if !directory.is_dir() {
            return None;
        }
        for name in &wants.names {
            if !found.files.contains_key(name) {
                let stamp = stamp(&directory.join(name));
                found.files.extend(stamp.map(|stamp| (name.clone(), stamp)));
            }
        }
        Some(found)
    }

    fn counts(&self, wants: &Wants, directory: &Path, name: &OsStr) -> bool {
        (wants.sources && is_source(name))
            || wants.names.contains(name)
            || wants.patterns.iter().any(|n| {
                self.patterns
                    .get(*n)
                    .is_some_and(|pattern| pattern.matches(&directory.join(name)))
            })
    }

    /// What is watched in a directory within another one; `None`: nothing.
    fn below(&self, wants: &Wants, path: &Path, name: &OsStr) -> Option<Wants> {
        if is_hidden(name) {
            return None;
        }
        let patterns = wants.patterns.iter().copied().filter(|n| {
            self.patterns
                .get(*n)
                .is_some_and(|pattern| pattern.reaches(path))
        });
        let patterns: BTreeSet<_> = patterns.collect();
        let sources = wants.sources
            && name != "__pycache__"
            && name != "node_modules"
            && (self.is_known_project(path) || !path.join("pyvenv.cfg").exists());
        (sources || !patterns.is_empty()).then(|| Wants {
            sources,
            names: BTreeSet::new(),
            patterns,
        })
    }

    fn is_known_project(&self, path: &Path) -> bool {
        self.places
            .get(path)
            .is_some_and(|place| place.wants.sources)
    }

    fn add_pattern(&mut self, path: &Path) {
        let Some(pattern) = Pattern::new(path) else {
            tracing::warn!(pattern = %path.display(), "malformed pattern, it matches nothing");
            return;
        };
        let number = self.patterns.len();
        let base = pattern.base.clone();
        self.patterns.push(pattern);
        self.root(&base).patterns.insert(number);
    }

    fn add_name(&mut self, path: &Path) {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            self.root(directory).names.insert(name.to_owned());
        }
    }

    fn root(&mut self, directory: &Path) -> &mut Wants {
        let place = self.places.entry(directory.to_owned()).or_default();
        place.root = true;
        &mut place.wants
    }
}

/// Editors leave hidden files beside the real ones (`.#views.py`).
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

fn is_source(name: &OsStr) -> bool {
    !is_hidden(name) && Path::new(name).extension() == Some(OsStr::new("py"))
}

/// Of the file, wherever a link leads; `None`: there is none.
fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    found.is_file().then(|| Stamp::of(&found))
}

#[cfg(test)]
mod tests {
    use super::super::directory_watcher::WatchEvent;
    use super::*;

    struct Project {
        root: tempfile::TempDir,
        tree: Tree,
        directory_watcher: DirectoryWatcher,
    }

    impl Project {
        fn new(files: &[&str], extra: &[&str]) -> Self {
            let root = tempfile::tempdir().expect("a directory");
            let extra: Vec<_> = extra.iter().map(|path| root.path().join(path)).collect();
            let tree = Tree::new(&root.path().join("app"), &extra);
            let mut project = Self {
                root,
                tree,
                directory_watcher: DirectoryWatcher::closed(),
            };
            files.iter().for_each(|file| project.write(file, "1"));
            project.tree.look_everywhere(&mut project.directory_watcher);
            project
        }

        fn path(&self, file: &str) -> PathBuf {
            self.root.path().join(file)
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.path(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
            fs::write(path, text).expect("write");
        }

        fn changed(&mut self) -> Vec<String> {
            let mut changed: Vec<_> = self
                .tree
                .look_everywhere(&mut self.directory_watcher)
                .iter()
                .map(|path| path.strip_prefix(self.root.path()).expect("within"))
                .map(|path| path.to_string_lossy().into_owned())
                .collect();
            changed.sort();
            changed
        }
    }

    #[test]
    fn sources_of_the_project_count_at_any_depth() {
        let mut project = Project::new(&["app/a.py", "app/b/c.py"], &[]);
        assert_eq!(project.changed(), [""; 0]);
        project.write("app/b/c.py", "22");
        project.write("app/new/deep/d.py", "1");
        project.write("app/notes.txt", "1");
        project.write("app/rgun.toml", "workers = 1");
        fs::remove_file(project.path("app/a.py")).expect("rm");
        assert_eq!(
            project.changed(),
            [
                "app/a.py",
                "app/b/c.py",
                "app/new/deep/d.py",
                "app/rgun.toml"
            ]
        );
        assert_eq!(project.changed(), [""; 0]);
        fs::remove_dir_all(project.path("app/new")).expect("rm");
        assert_eq!(project.changed(), ["app/new/deep/d.py"]);
        project.write("app/new/deep/d.py", "1");
        assert_eq!(project.changed(), ["app/new/deep/d.py"]);
    }

    #[test]
    fn a_tree_that_takes_anothers_place_is_watched_anew() {
        let mut project = Project::new(&["app/b/c/d.py", "other/c/d.py"], &[]);
        project.directory_watcher = DirectoryWatcher::open();
        project.changed();
        let (app, other) = (project.path("app/b"), project.path("other"));
        fs::rename(&app, project.path("old")).expect("mv");
        assert_eq!(
            project
                .tree
                .look(&app, &mut project.directory_watcher)
                .len(),
            1
        );
        fs::rename(&other, &app).expect("mv");
        assert_eq!(project.changed(), ["app/b/c/d.py"]);
        project.directory_watcher.see().expect("inotify");
        project.write("app/b/c/d.py", "22");
        let sight = WatchEvent::Entry {
            directory: app.join("c"),
            name: "d.py".into(),
        };
        assert!(
            project
                .directory_watcher
                .see()
                .expect("inotify")
                .contains(&sight)
        );
    }

    #[test]
    fn a_save_by_rename_with_the_same_length_counts() {
        let mut project = Project::new(&["app/a.py"], &[]);
        project.write("app/a.py.tmp", "2");
        fs::rename(project.path("app/a.py.tmp"), project.path("app/a.py")).expect("mv");
        assert_eq!(project.changed(), ["app/a.py"]);
    }

    #[test]
    fn caches_environments_and_editors_leftovers_do_not_count() {
        let mut project = Project::new(&["app/a.py", "app/venv/pyvenv.cfg"], &[]);
        for file in [
            "app/__pycache__/a.py",
            "app/node_modules/x/a.py",
            "app/.git/a.py",
            "app/venv/lib/a.py",
            "app/.#a.py",
            "app/a.py~",
        ] {
            project.write(file, "1");
        }
        assert_eq!(project.changed(), [""; 0]);
        let app = project.path("app");
        assert!(!project.tree.cares(&app, OsStr::new("a.pyc")));
        assert!(project.tree.cares(&app, OsStr::new("z.py")));
    }

    #[test]
    fn loaded_files_and_extra_ones_count_wherever_they_are() {
        let mut project = Project::new(
            &["app/a.py", "lib/m.so", "etc/app.toml", "templates/x/p.html"],
            &["etc/app.toml", "templates/**/*.html"],
        );
        let loaded = project.path("lib/m.so");
        project.tree.learn(&loaded, &mut project.directory_watcher);
        project.write("lib/other.so", "1");
        assert_eq!(project.changed(), [""; 0]);
        for file in ["lib/m.so", "etc/app.toml", "templates/x/p.html"] {
            project.write(file, "22");
        }
        project.write("templates/y/new.html", "1");
        project.write("templates/y/new.txt", "1");
        assert_eq!(
            project.changed(),
            [
                "etc/app.toml",
                "lib/m.so",
                "templates/x/p.html",
                "templates/y/new.html"
            ]
        );
    }

    #[test]
    fn the_file_behind_a_link_counts() {
        let mut project = Project::new(&["real/settings.py"], &[]);
        fs::create_dir_all(project.path("app")).expect("mkdir");
        let (real, link) = (project.path("real"), project.path("app/settings.py"));
        std::os::unix::fs::symlink(real.join("settings.py"), link).expect("ln");
        project.changed();
        assert!(project.tree.cares(&real, OsStr::new("settings.py")));
        project.write("real/settings.py", "22");
        assert_eq!(project.changed(), ["app/settings.py", "real/settings.py"]);
    }
}
