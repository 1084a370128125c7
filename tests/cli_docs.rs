//! Checks that files generated from the definitions (`docs/`, the manual page, completions) are up to date.
//! `UPDATE=1 cargo test --test cli_docs` regenerates them.

use std::collections::BTreeSet;
use std::path::Path;

use clap_complete::Shell;
use rgun::cli::Artifact;

/// What the wheel installs below `share`.
const SHARE: &str = "python/rgun.data/data/share";

#[test]
fn the_settings_page_is_not_stale() {
    not_stale("docs/settings.md", &rgun::config::page());
}

#[test]
fn the_page_for_those_who_come_from_elsewhere_is_not_stale() {
    not_stale("docs/gunicorn.md", &rgun::config::migration());
}

#[test]
fn the_schema_is_not_stale() {
    for place in ["docs".to_owned(), format!("{SHARE}/rgun")] {
        not_stale(
            &format!("{place}/rgun.schema.json"),
            &rgun::config::schema(),
        );
    }
}

#[test]
fn the_manual_pages_are_not_stale() {
    let pages = rgun::cli::manuals(Artifact::Wheel);
    for (name, page) in &pages {
        not_stale(&format!("{SHARE}/man/man1/{name}.1"), page);
    }
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(SHARE)
        .join("man/man1");
    let files = std::fs::read_dir(directory).expect("the pages");
    assert_eq!(
        files.count(),
        pages.len(),
        "a page of a command that is gone"
    );
}

#[test]
fn the_completions_are_not_stale() {
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/rgun"),
        (Shell::Zsh, "zsh/site-functions/_rgun"),
        (Shell::Fish, "fish/vendor_completions.d/rgun.fish"),
    ] {
        not_stale(
            &format!("{SHARE}/{place}"),
            &rgun::cli::completions(shell, Artifact::Wheel),
        );
    }
}

#[test]
fn every_event_of_the_log_is_on_its_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/logs.md")).expect("the page");
    let mut events = BTreeSet::new();
    collect_events(&root.join("src/master"), &mut events);
    assert!(events.len() > 30, "{events:?}");
    let missing = events
        .iter()
        .filter(|event| !page.contains(&format!("`{event}`")));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}

fn collect_events(directory: &Path, events: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_events(&path, events);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let named = text.split("event = \"").skip(1);
        events.extend(named.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
}

fn not_stale(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("it is in a directory")).expect("writable");
        std::fs::write(&path, page).expect("writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    // Not assert_eq, which would print two whole pages.
    let stale = page
        .lines()
        .zip(found.lines().chain(std::iter::repeat("")))
        .find(|(new, old)| new != old);
    assert!(
        found == page,
        "{name} is stale from {stale:?} on; run `UPDATE=1 cargo test --test cli_docs`"
    );
}
