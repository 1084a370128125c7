//! Reads deployment files, directories of them, and the state of the sockets that nginx connects to.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::resolved;
use crate::config::ProcessEnvironment;
use crate::doctor::facts::{DeploymentFacts, Pass, ProxiedSocket, SocketState};
use crate::doctor::files::{self, Contents};

/// The most levels of directories.
const DEEPEST: usize = 4;
/// Deployment files are far smaller.
const LARGEST: u64 = 1 << 20;

/// Adds the content of `path`. A file that was named must be of a known kind; a directory may contain others.
pub fn read(
    path: &Path,
    process_environment: &ProcessEnvironment,
    facts: &mut DeploymentFacts,
) -> Result<(), String> {
    let about = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if about.is_dir() {
        return directory(path, process_environment, facts, 0);
    }
    match contents(path, &about)? {
        Some(contents) => add(contents, process_environment, facts),
        None => {
            return Err(format!(
                "{}: not a configuration of nginx, a unit, a compose file, a manifest or a Dockerfile",
                path.display()
            ));
        }
    }
    Ok(())
}

fn directory(
    path: &Path,
    process_environment: &ProcessEnvironment,
    facts: &mut DeploymentFacts,
    depth: usize,
) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_own = name.starts_with('.') || name == "node_modules";
        if about.is_dir() && !is_own && depth < DEEPEST {
            directory(&path, process_environment, facts, depth + 1)?;
        } else if about.is_file()
            && let Some(contents) = contents(&path, &about)?
        {
            add(contents, process_environment, facts);
        }
    }
    Ok(())
}

fn contents(path: &Path, about: &fs::Metadata) -> Result<Option<Contents>, String> {
    let name = path.display().to_string();
    if !about.is_file() || about.len() > LARGEST {
        return Ok(None);
    }
    let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    files::read(&name, &text).map_err(|problem| format!("{name}: {problem}"))
}

fn add(contents: Contents, process_environment: &ProcessEnvironment, facts: &mut DeploymentFacts) {
    for mut deployment in contents.deployments {
        let begin = deployment
            .command
            .iter()
            .position(|word| files::is_program(word));
        let words = begin.and_then(|begin| deployment.command.get(begin + 1..));
        let words: Vec<OsString> = words
            .unwrap_or_default()
            .iter()
            .map(OsString::from)
            .collect();
        deployment.server = resolved(&deployment.place, &words, process_environment);
        facts.deployments.push(deployment);
    }
    for pass in contents.passes {
        facts.sockets.extend(sockets(&pass));
        facts.passes.push(pass);
    }
}

/// The unix sockets of a pass that exist on this machine.
fn sockets(pass: &Pass) -> Vec<ProxiedSocket> {
    let servers = pass.upstream.iter().flat_map(|upstream| &upstream.servers);
    // `http://unix:/path:/uri`
    let direct = pass.target.split_once("://").map(|(_, rest)| rest);
    let direct = direct.and_then(|rest| rest.strip_prefix("unix:"));
    let direct = direct.and_then(|rest| rest.split(':').next());
    let paths = servers
        .filter_map(|server| server.strip_prefix("unix:"))
        .chain(direct);
    let found = paths.filter_map(|path| {
        let path = PathBuf::from(path);
        let state = state(&path)?;
        Some(ProxiedSocket {
            path,
            place: pass.place.clone(),
            state,
        })
    });
    found.collect()
}

/// `None`: it does not exist, or not on this machine.
fn state(path: &Path) -> Option<SocketState> {
    let about = fs::metadata(path).ok()?;
    if !about.file_type().is_socket() {
        return Some(SocketState::NoSocket);
    }
    let groups = proxy_groups();
    let lets = |about: &fs::Metadata, others: u32| {
        about.mode() & others != 0
            || (about.mode() & (others << 3) != 0 && groups.contains(&about.gid()))
    };
    for directory in path.ancestors().skip(1) {
        let about = fs::metadata(directory).ok()?;
        if !lets(&about, 0o001) {
            return Some(SocketState::Behind {
                directory: directory.to_owned(),
                mode: about.mode() & 0o777,
            });
        }
    }
    if lets(&about, 0o002) {
        return Some(SocketState::Usable);
    }
    Some(SocketState::Closed {
        mode: about.mode() & 0o777,
    })
}

/// Groups that distributions run nginx with.
fn proxy_groups() -> Vec<u32> {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        ["www-data", "nginx", "http"]
            .contains(&name)
            .then(|| fields.nth(1)?.parse().ok())?
    });
    lines.collect()
}
