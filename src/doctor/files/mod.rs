//! Parsers of nginx's, systemd's, compose's, Kubernetes' and Docker's files, as far as the rules need them. Text in, facts out.

mod container;
mod nginx;
mod quantity;
mod unit;
mod yaml;

use super::facts::{Deployment, Pass};

/// The content of a file.
#[derive(Debug, Default)]
pub struct Contents {
    pub deployments: Vec<Deployment>,
    pub passes: Vec<Pass>,
}

/// `None`: a file of an unknown kind. `Err`: of a known kind, but it cannot be parsed.
pub fn read(place: &str, text: &str) -> Result<Option<Contents>, String> {
    let name = place.rsplit('/').next().unwrap_or(place);
    let is = |extension: &str| {
        name.rsplit_once('.')
            .is_some_and(|(_, own)| own == extension)
    };
    if is("service") {
        let deployments = unit::read(place, text).into_iter().collect();
        return Ok(Some(Contents {
            deployments,
            ..Contents::default()
        }));
    }
    if is("yaml") || is("yml") {
        return yaml::read(place, text).map(|deployments| {
            Some(Contents {
                deployments,
                ..Contents::default()
            })
        });
    }
    if name.starts_with("Dockerfile") || name.starts_with("Containerfile") || is("Dockerfile") {
        let deployments = container::read(place, text).into_iter().collect();
        return Ok(Some(Contents {
            deployments,
            ..Contents::default()
        }));
    }
    if is("conf") || text.contains("proxy_pass") {
        return nginx::read(place, text).map(|passes| {
            Some(Contents {
                passes,
                ..Contents::default()
            })
        });
    }
    Ok(None)
}

/// Whether a command starts this program: directly, by `env`, `exec`, a launcher or `python -m`.
fn starts_rgun(command: &[String]) -> bool {
    let place = command.iter().position(|word| is_program(word));
    // `rgun ctl` and the like are not servers.
    let next = place.and_then(|place| command.get(place + 1));
    place.is_some() && !next.is_some_and(|word| ["ctl", "init", "doctor"].contains(&word.as_str()))
}

/// The name, or a path that ends in it.
pub fn is_program(word: &str) -> bool {
    word.rsplit('/').next() == Some("rgun")
}

/// The words of a command that a shell runs, and whether the shell stays.
fn unshelled(command: Vec<String>) -> (Vec<String>, bool) {
    let is_shell = command.first().is_some_and(|word| {
        let name = word.rsplit('/').next().unwrap_or_default();
        ["sh", "bash", "dash", "ash", "zsh"].contains(&name)
    });
    let script = command
        .iter()
        .position(|word| word.starts_with('-') && word.contains('c'));
    let script = script.and_then(|place| command.get(place + 1));
    match script.filter(|_| is_shell) {
        None => (command, false),
        Some(script) => {
            let stays = !script.trim_start().starts_with("exec ") && !script.contains("exec rgun");
            let words = crate::config::split(script).unwrap_or_default();
            (words, stays)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_this_program() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (command, starts) in [
            ("rgun app:app", true),
            ("/usr/bin/env rgun app:app", true),
            ("/srv/.venv/bin/rgun app:app -w 4", true),
            ("python -m rgun app:app", true),
            ("rgun ctl reload", false),
            ("gunicorn app:app", false),
        ] {
            assert_eq!(starts_rgun(&words(command)), starts, "{command}");
        }
        let (inner, stays) = unshelled(vec!["sh".into(), "-c".into(), "rgun app:app".into()]);
        assert_eq!((inner, stays), (words("rgun app:app"), true));
        let (_, stays) = unshelled(vec!["/bin/bash".into(), "-lc".into(), "exec rgun a".into()]);
        assert!(!stays);
        assert_eq!(unshelled(words("rgun a")), (words("rgun a"), false));
    }
}
