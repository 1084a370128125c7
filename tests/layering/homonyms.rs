//! One word, one thing: a type's name is defined in one file only. Test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::source::types_of;
use crate::{module_of, rust_files};

/// Names that several files define, each with its reason.
const KNOWN_HOMONYMS: &[(&str, &str)] = &[
    (
        "Error",
        "each layer has its own, always named with it: `sys::Error`, `ipc::Error`, `config::Error`, `master::Error`",
    ),
    ("Result", "the result with the error of its layer"),
];

#[test]
fn every_type_name_has_one_meaning() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<_> = rust_files(&src)
        .into_iter()
        .map(|file| {
            let module = module_of(file.strip_prefix(&src).expect("found below it"));
            (module, std::fs::read_to_string(&file).expect("readable"))
        })
        .collect();
    let homonyms = homonyms(&files);
    let mut report = String::new();
    for (name, modules) in &homonyms {
        if !KNOWN_HOMONYMS.iter().any(|(known, _)| known == name) {
            let modules = modules.join(", ");
            let _ = writeln!(
                report,
                "`{name}` has several meanings: {modules}. Choose longer names"
            );
        }
    }
    for (name, reason) in KNOWN_HOMONYMS {
        if !homonyms.contains_key(*name) {
            let _ = writeln!(
                report,
                "`{name}` is no homonym any more: remove it from the list ({reason})"
            );
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn planted_homonyms_are_found() {
    let files = [
        (
            "a",
            "pub struct One<'a>(&'a u8); enum Two {} mod inner { pub(super) trait Three {} }",
        ),
        (
            "b",
            "pub(crate) enum One {} type Two = u8; // struct Four\nimpl T for S { type Three = u8; }",
        ),
        (
            "c",
            "fn three() { struct Three; } struct Four; #[cfg(test)] mod tests { struct One; }",
        ),
    ];
    let files = files.map(|(module, text)| (module.to_owned(), text.to_owned()));
    let found = homonyms(&files);
    let expected = [("One", vec!["a", "b"]), ("Two", vec!["a", "b"])];
    assert!(
        found
            .iter()
            .map(|(name, modules)| (name.as_str(), modules.clone()))
            .eq(expected),
        "{found:?}"
    );
}

/// The modules that define a name, for each name that more than one of them defines.
fn homonyms(files: &[(String, String)]) -> BTreeMap<String, Vec<&str>> {
    let mut modules: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (module, text) in files {
        for name in types_of(text).into_iter().collect::<BTreeSet<_>>() {
            modules.entry(name).or_default().push(module);
        }
    }
    modules.retain(|_, modules| modules.len() > 1);
    modules
}
