//! Checks that files generated from the definitions (`docs/`, the manual page, completions) are up to date.
//! `UPDATE=1 cargo test --test cli_docs` regenerates them.

use std::path::Path;

use clap_complete::Shell;

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
    not_stale("docs/rgun.schema.json", &rgun::config::schema());
}

#[test]
fn the_manual_page_is_not_stale() {
    not_stale(&format!("{SHARE}/man/man1/rgun.1"), &rgun::cli::manual());
}

#[test]
fn the_completions_are_not_stale() {
    for (shell, place) in [
        (Shell::Bash, "bash-completion/completions/rgun"),
        (Shell::Zsh, "zsh/site-functions/_rgun"),
        (Shell::Fish, "fish/vendor_completions.d/rgun.fish"),
    ] {
        not_stale(&format!("{SHARE}/{place}"), &rgun::cli::completions(shell));
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
