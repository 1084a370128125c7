//! Where control sockets are: the rule that the server opens by and `rgun ctl` looks by. It opens nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// In that order, the first that can be had. `name`: what the server is called, if it is.
pub fn candidates(name: Option<&str>, pid: u32) -> Vec<PathBuf> {
    let own = name.map_or_else(|| pid.to_string(), file_name);
    let mut found = Vec::new();
    if let Some(directory) = runtime_directory() {
        found.push(directory.join("rgun.ctl"));
        found.push(directory.join(format!("rgun-{own}.ctl")));
    }
    if let Some(directory) = user_directory() {
        found.push(directory.join(format!("rgun-{own}.ctl")));
        found.push(directory.join(format!("rgun-{pid}.ctl")));
    }
    found.dedup();
    found
}

/// Every socket that a server may have by that rule, also those of units of systemd, whose directories only they know.
pub fn existing() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = runtime_directory().into_iter().collect();
    directories.extend(user_directory());
    directories.push("/run".into());
    directories.extend(below(Path::new("/run")));
    let mut found: Vec<PathBuf> = Vec::new();
    for path in directories.iter().flat_map(|directory| below(directory)) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let fits = name
            .strip_suffix(".ctl")
            .is_some_and(|stem| stem == "rgun" || stem.starts_with("rgun-"));
        if fits && !found.contains(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

/// systemd names several, separated by colons, when a unit asks for several.
fn runtime_directory() -> Option<PathBuf> {
    let value = env::var("RUNTIME_DIRECTORY").ok()?;
    let first = value.split(':').next().filter(|first| !first.is_empty())?;
    Some(first.into())
}

fn user_directory() -> Option<PathBuf> {
    env::var_os("XDG_RUNTIME_DIR")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// A process name may be anything; a file name may not.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .take(40)
        .collect()
}
