//! Reads deployment files, directories of them, and the state of the sockets that nginx connects to.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::certificate;
use super::server::{self, ServerCommand};
use crate::cli::EntryPoint;
use crate::config::ProcessEnvironment;
use crate::doctor::deployment::{Deployment, MisuseConsequence, MisusedSetting};
use crate::doctor::environment;
use crate::doctor::facts::{DeploymentFacts, Pass, ProxiedSocket, SocketState};
use crate::doctor::files::{self, Contents, SourceFile};
use crate::sys::Error as SystemError;

/// The most levels of directories.
const DEEPEST: usize = 4;
/// Deployment files are far smaller.
const LARGEST: u64 = 1 << 20;

/// A file that was named must be of a known kind; a directory may contain others.
pub fn read<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<Contents, String> {
    let mut contents = Contents::default();
    for path in paths {
        let about = fs::metadata(path).map_err(|error| of(path, &error))?;
        if about.is_dir() {
            directory(path, 0, &mut contents)?;
        } else if !file(path, &about, &mut contents) {
            return Err(format!(
                "{}: not a configuration of nginx, a unit, a compose file, a manifest or a Dockerfile",
                path.display()
            ));
        }
    }
    Ok(contents)
}

fn of(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {}", path.display(), SystemError::reason(error))
}

fn directory(path: &Path, depth: usize, contents: &mut Contents) -> Result<(), String> {
    let entries = fs::read_dir(path).map_err(|error| of(path, &error))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_own = name.starts_with('.') || name == "node_modules";
        if about.is_dir() && !is_own && depth < DEEPEST {
            directory(&path, depth + 1, contents)?;
        } else if about.is_file() {
            file(&path, &about, contents);
        }
    }
    Ok(())
}

/// `false`: it is of an unknown kind.
fn file(path: &Path, about: &fs::Metadata, contents: &mut Contents) -> bool {
    let place = path.display().to_string();
    if !about.is_file() || about.len() > LARGEST {
        return false;
    }
    let read = fs::read(path).map_err(|error| SystemError::reason(&error));
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(reason) => {
            contents.unreadable.push((place, reason));
            return true;
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return false;
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let beside = |other: &str| {
        let other = directory.join(other);
        // A FIFO would be waited for.
        let about = fs::metadata(&other).ok()?;
        let is_usual = about.is_file() && about.len() <= LARGEST;
        is_usual.then(|| fs::read_to_string(other).ok())?
    };
    let file = SourceFile {
        place: &place,
        text: &text,
        beside: &beside,
    };
    files::read(&file, contents).unwrap_or_else(|problem| {
        contents.unreadable.push((place.clone(), problem));
        true
    })
}

/// Adds what was read, with the settings of each server.
pub fn add(
    contents: Contents,
    process_environment: &ProcessEnvironment,
    entry: &dyn EntryPoint,
    facts: &mut DeploymentFacts,
) {
    facts.unreadable = contents.unreadable;
    for mut deployment in contents.deployments {
        let is_broken = |misuse: &MisusedSetting| misuse.consequence == MisuseConsequence::Rejected;
        if deployment.misuses.iter().any(is_broken) {
            facts.deployments.push(deployment);
            continue;
        }
        let variables = environment::variables(&deployment, &contents.maps);
        let mut words = environment::command(&deployment, &variables);
        let program = words.iter().position(|word| word.is(files::is_program));
        let command = ServerCommand {
            place: &deployment.place,
            words: words.split_off(program.map_or(0, |program| program + 1)),
            variables,
        };
        let (server, misuses) = server::resolved(command, process_environment, entry);
        deployment.server = server;
        deployment.misuses.extend(misuses);
        facts.deployments.push(deployment);
    }
    for autoscaler in contents.autoscalers {
        let end = format!(": {}", autoscaler.workload);
        let scaled = facts.deployments.iter_mut();
        for deployment in scaled.filter(|one| one.place.ends_with(&end)) {
            deployment.replicas = deployment.replicas.max(autoscaler.most_replicas);
        }
    }
    facts.load_balancers = contents.load_balancers;
    facts.postgres = contents.postgres;
    for named in contents.certificates {
        let file = Path::new(&named.file);
        facts
            .certificates
            .extend(certificate::served(&named.place, file));
    }
    for deployment in &facts.deployments {
        facts.sockets.extend(future_sockets(deployment));
    }
    for pass in contents.passes {
        facts.sockets.extend(sockets(&pass));
        facts.passes.push(pass);
    }
}

/// Sockets in a directory that systemd will make for the service, and others cannot enter.
fn future_sockets(deployment: &Deployment) -> Vec<ProxiedSocket> {
    let (Some(directory), Some(server)) = (&deployment.runtime_directory, &deployment.server)
    else {
        return Vec::new();
    };
    let group = directory.group.as_deref();
    let lets_proxy =
        directory.mode & 0o010 != 0 && group.is_some_and(|group| PROXY_GROUPS.contains(&group));
    if directory.mode & 0o001 != 0 || lets_proxy {
        return Vec::new();
    }
    let of_name = |path: &Path| {
        let mut names = directory
            .names
            .iter()
            .map(|name| Path::new("/run").join(name));
        names.find(|name| path.starts_with(name))
    };
    let sockets = server.unix_sockets.iter().filter_map(|path| {
        let made = of_name(path)?;
        Some(ProxiedSocket {
            path: path.clone(),
            place: deployment.place.clone(),
            state: SocketState::Behind {
                directory: made,
                mode: directory.mode,
            },
        })
    });
    sockets.collect()
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
const PROXY_GROUPS: [&str; 3] = ["www-data", "nginx", "http"];

/// Their numbers on this machine.
fn proxy_groups() -> Vec<u32> {
    let text = fs::read_to_string("/etc/group").unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        PROXY_GROUPS
            .contains(&name)
            .then(|| fields.nth(1)?.parse().ok())?
    });
    lines.collect()
}
