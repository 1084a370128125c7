//! The page "coming from gunicorn, uvicorn, granian" (`docs/gunicorn.md`), from the definitions. A test fails when it is stale.

pub(super) mod gunicorn;
mod others;

use std::fmt::Write;

use super::{Definition, Support, definition};
pub use gunicorn::is_hook;
use gunicorn::{Like, SETTINGS};

#[must_use]
pub fn migration() -> String {
    let mut page = String::from(
        "# Coming from gunicorn, uvicorn or granian\n\n\
         <!-- Made from the tables in src/config; `UPDATE=1 cargo test --test cli_docs` writes it anew. -->\n\n\
         ## gunicorn\n\n\
         Replace `gunicorn` with `rgun` in your start command and requirements. Options, `gunicorn.conf.py`, `GUNICORN_CMD_ARGS`,\n\
         variables, signals and exit codes keep working. To see the resulting settings, without serving:\n\n\
         ```\nrgun --print-config config.wsgi:application    # and whatever else the command line has\n```\n\n\
         Settings that rgun accepts but ignores are logged once. Settings it cannot support stop the start with an error that says what to use instead.\n\
         A file that imports gunicorn or uvicorn's worker can be read without them.\n\n\
         What you will notice:\n\n\
         - A reload (`HUP`) boots the new code before the old workers drain; if it does not boot, the old workers go on serving. No request is\n  \
           lost by a reload or a stop.\n\
         - Idle connections stay open for 75 s instead of 2, longer than the proxies in front of them.\n\
         - rgun detects whether the app is ASGI or WSGI (`-k auto`), and `REMOTE_ADDR` is the client that a trusted proxy names.\n\
         - The file is run in a [process that workers are forked from](preload.md), as gunicorn's master is: workers inherit what it and the hooks do to Python. One whose names are\n  \
           only values needs no such process. It is read once more at the start, in a process that ends. After a reload what `on_starting` did to Python is lost.\n\
         - The master's log lines are its own\n  \
           (`worker ready slot=0 ...`), in gunicorn's format.\n\
         - The field `Server` is `rgun`, unless the app sets one or `--no-server-header` is given: what a \
          file does to `gunicorn.SERVER_SOFTWARE` has no effect.\n\
         - `setproctitle` in the app has no effect.\n\
         - A program that starts gunicorn by itself (`BaseApplication`, `WSGIApplication`) needs [one line more](development.md#programs-that-start-gunicorn).\n\
         - Options are written in full: `--error-log` for `--error-logfile` ends the start, with the name.\n\
         - `USR2` [upgrades in place](upgrade.md); with `--upgrade-mode fork` there is [a second master](upgrade.md#a-second-master-as-with-gunicorn) and `PIDFILE.2`. `HUP` opens addresses that were added to `bind`, and closes those that were removed.\n\n\
         All of gunicorn's settings:\n\n\
         | setting | option | here |\n|---|---|---|\n",
    );
    for (name, like) in SETTINGS {
        let definition = definition(name);
        // gunicorn's spelling, where it differs from rgun's.
        let own = name.replace('_', "-");
        let option = definition
            .and_then(|definition| {
                let mut aliases = definition.aliases.iter().copied();
                aliases.find(|alias| *alias == own).or(definition.long)
            })
            .map_or_else(String::new, |long| format!("`--{long}`"));
        let _ = writeln!(page, "| `{name}` | {option} | {} |", here(like, definition));
    }
    others::pages(&mut page);
    page
}

/// The names that a program which sets gunicorn's settings by itself may use, with their defaults.
pub fn known_settings() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let own =
        super::definitions().filter(|known| SETTINGS.iter().all(|(name, _)| *name != known.name));
    let theirs = SETTINGS.iter().map(|(name, _)| *name);
    let default = |name| definition(name).and_then(|definition| definition.default);
    theirs
        .map(move |name| (name, default(name)))
        .chain(own.map(|known| (known.name, known.default)))
}

fn here(like: Like, definition: Option<&Definition>) -> String {
    let support = definition.map_or(Support::Ours, |definition| definition.support);
    match (like, support) {
        (_, Support::Idle(why)) => format!("accepted but ignored: {why}"),
        (_, Support::Refused(way)) => format!("refused: {way}"),
        (Like::But(text), Support::Part(_)) => text.to_owned(),
        (_, Support::Part(why)) => format!("accepted but ignored: {why}"),
        (Like::Same, Support::Ours) => "the same".to_owned(),
        (Like::Not(text) | Like::But(text), Support::Ours) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::understood;

    #[test]
    fn every_setting_of_gunicorns_has_its_row() {
        let names: BTreeSet<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
        assert_eq!((names.len(), SETTINGS.len()), (120, 120));
        for definition in understood().filter(|one| one.support != Support::Ours) {
            assert!(names.contains(definition.name), "{}", definition.name);
        }
    }

    /// A row without text of its own needs a definition to take it from.
    #[test]
    fn what_is_the_same_is_there() {
        for (name, like) in SETTINGS {
            let is_there = definition(name).is_some();
            match like {
                Like::Same | Like::But(_) => assert!(is_there, "{name}"),
                Like::Not(_) => assert!(!is_there, "{name} is there: say what it does"),
            }
        }
    }
}
