//! `docs/settings.md` says what the definitions say. `UPDATE=1 cargo test --test cli_docs` writes it anew.

use std::path::Path;

#[test]
fn the_settings_page_is_not_stale() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let page = rgun::config::page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().expect("it is in docs")).expect("writable");
        std::fs::write(&path, &page).expect("writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    // Not assert_eq: nobody wants to read two pages side by side.
    let stale = page
        .lines()
        .zip(found.lines().chain(std::iter::repeat("")))
        .find(|(new, old)| new != old);
    assert!(
        found == page,
        "docs/settings.md is stale from {stale:?} on; run `UPDATE=1 cargo test --test cli_docs`"
    );
}
