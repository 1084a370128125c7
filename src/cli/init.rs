//! `rgun init`: writes deployment files for the project in a directory.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, value_parser};

use super::misuse::{self, USAGE};
use super::report;
use crate::init::{Choices, DeployTarget, Draft, Project, Unclear, drafts, obstacle, omissions};
use crate::sys::Error as SystemError;

const MORE: &str = "\
The app, Django's settings, static files, Python's version and the requirements (requirements.txt, uv.lock, Poetry, pyproject.toml, setup.py, Pipfile) are read from the project's files; nothing is imported. \
An existing file is not overwritten without --force; rgun.toml, Dockerfile and .dockerignore of the project are kept in any case.

What it writes is a start: lines that a project may have to change are marked \"Yours\".";

pub(super) fn command() -> Command {
    let targets = DeployTarget::ALL
        .map(|target| clap::builder::PossibleValue::new(target.name()).help(target.about()));
    let text = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("rgun init")
        .about("Write deployment files for this project")
        .after_long_help(MORE)
        .no_binary_name(true)
        .max_term_width(100)
        .arg(
            Arg::new("target")
                .value_name("TARGET")
                .required(true)
                .value_parser(targets)
                .help("How the project is deployed"),
        )
        .args([
            text(
                "app",
                "APP",
                "The app, as MODULE:ATTRIBUTE; without it, it is looked for",
            ),
            text(
                "name",
                "NAME",
                "Of the service, its files and images; without it, the directory's",
            ),
            text(
                "port",
                "PORT",
                "Where the app listens in containers [default: 8000]",
            )
            .value_parser(value_parser!(u16).range(1..)),
            text(
                "domain",
                "HOST",
                "The site's host name [default: example.org]",
            ),
            text("directory", "DIR", "The project [default: .]")
                .value_parser(value_parser!(PathBuf)),
        ])
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Overwrite files of an earlier run"),
        )
        .arg(
            Arg::new("print")
                .long("print")
                .action(ArgAction::SetTrue)
                .conflicts_with("force")
                .help("Print the files instead of writing them"),
        )
}

/// `arguments` begin after `init`. Returns the exit code: 0 when all files were written.
pub(super) fn main(arguments: Vec<OsString>) -> u8 {
    let mut command = command();
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            return report::page(&error.render());
        }
        Err(error) => {
            let mut misuse = misuse::explained(&error, &command);
            if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidValue)
                && let Some(target) = DeployTarget::meant(word)
            {
                let (name, about) = (target.name(), target.about());
                misuse.hint = Some(format!("`rgun init {name}` writes {about}"));
            }
            return report::misuse(&misuse);
        }
    };
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let choices = Choices {
        app: text("app"),
        name: text("name"),
        port: matches.get_one::<u16>("port").copied(),
        domain: text("domain"),
    };
    let target = text("target").and_then(|name| {
        DeployTarget::ALL
            .into_iter()
            .find(|target| target.name() == name)
    });
    let Some(target) = target else {
        return USAGE;
    };
    let directory = matches.get_one::<PathBuf>("directory").cloned();
    let directory = directory.unwrap_or_else(|| PathBuf::from("."));
    let directory = match directory.canonicalize() {
        Ok(directory) => directory,
        Err(error) => {
            return report::failure(
                &format!("{}: {}", directory.display(), SystemError::reason(&error)),
                None,
            );
        }
    };
    let project = match Project::found(&directory, choices) {
        Ok(project) => project,
        Err(error) => return report::failure(&error.to_string(), Some(hint(&error))),
    };
    if let Some(obstacle) = obstacle(target, &project) {
        return report::failure(&obstacle.problem, Some(obstacle.hint));
    }
    let drafts = match drafts(target, &project) {
        Ok(drafts) => drafts,
        Err(error) => return report::failure(&error.to_string(), None),
    };
    if matches.get_flag("print") {
        drafts.iter().for_each(print);
        return 0;
    }
    let code = write(&directory, &project, &drafts, matches.get_flag("force"));
    if code == 0 {
        for omission in omissions(target, &project) {
            let (what, text) = (omission.what, omission.text);
            report::text(&format!("  missing  {what}: {text}\n"));
        }
    }
    code
}

fn hint(error: &Unclear) -> &'static str {
    match error {
        Unclear::NoApp(_) => {
            "name it: --app MODULE:ATTRIBUTE. Looked for: manage.py with its asgi.py or wsgi.py, and FastAPI, Starlette, Flask, \
             Litestar or Quart in main.py, app.py, asgi.py, wsgi.py and app/"
        }
        Unclear::App(_) => "for example --app config.asgi:application",
        Unclear::Name(_) => "for example --name shop",
        Unclear::Domain(_) => "for example --domain shop.example.org",
    }
}

fn print(draft: &Draft) {
    report::text(&format!("# ==> {} <==\n{}\n", draft.path, draft.text));
}

/// Writes nothing if one of the files already exists.
fn write(directory: &Path, project: &Project, drafts: &[Draft], force: bool) -> u8 {
    let is_there = |draft: &Draft| directory.join(&draft.path).symlink_metadata().is_ok();
    let in_the_way: Vec<_> = drafts
        .iter()
        .filter(|draft| !draft.is_shared && !force && is_there(draft))
        .map(|draft| draft.path.as_str())
        .collect();
    if !in_the_way.is_empty() {
        return report::failure(
            &format!("already exists: {}", in_the_way.join(", ")),
            Some("--force overwrites them, --print shows what would be written"),
        );
    }
    report::text(&format!("{} serves {}\n", project.name, project.app));
    for draft in drafts {
        let kept = if draft.is_shared && is_there(draft) {
            Some((
                "kept    ",
                "it may have changes of your own; remove it first to have it written anew",
            ))
        } else if draft.path == "rgun.toml" && directory.join("gunicorn.conf.py").exists() {
            // With two configuration files a start would be ambiguous.
            Some(("left out", "gunicorn.conf.py configures the server"))
        } else {
            None
        };
        if let Some((verb, reason)) = kept {
            report::text(&format!("  {verb} {} ({reason})\n", draft.path));
            continue;
        }
        if let Err(error) = create(&directory.join(&draft.path), draft) {
            return report::failure(
                &format!("{}: {}", draft.path, SystemError::reason(&error)),
                None,
            );
        }
        report::text(&format!("  wrote    {}\n", draft.path));
    }
    0
}

fn create(path: &Path, draft: &Draft) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if path.symlink_metadata().is_ok() {
        // Does not follow a symbolic link: its target is not a file of `rgun init`.
        fs::remove_file(path)?;
    }
    let mode = if draft.is_executable { 0o755 } else { 0o644 };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(draft.text.as_bytes())
}
