//! A type's methods stand in few files: every call through `self` into another file is an arrow that no import shows. What many topics
//! do with one type are functions of the topics' modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use crate::source::implemented;
use crate::{module_of, rust_files};

/// Files with `impl` blocks of one type. Implementations of traits do not count.
const MOST_FILES: usize = 3;

#[test]
fn methods_of_a_type_stand_in_few_files() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src).into_iter().map(|file| {
        let module = module_of(file.strip_prefix(&src).expect("found below it"));
        (module, std::fs::read_to_string(&file).expect("readable"))
    });
    let spread = spread(files);
    let mut report = String::new();
    for (name, modules) in &spread {
        if modules.len() > MOST_FILES {
            let _ = writeln!(
                report,
                "`impl {name}` is in {} files, more than {MOST_FILES}: {}",
                modules.len(),
                modules.iter().cloned().collect::<Vec<_>>().join(", ")
            );
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn planted_methods_are_found() {
    let files = [
        (
            "a",
            "struct One; impl One { fn f() {} } impl Drop for One { }",
        ),
        (
            "b",
            "impl<'a, T: Into<Vec<u8>>> super::One<'a, T> where T: Copy { }",
        ),
        (
            "c",
            "impl crate::a::One { fn f(&self) -> impl Fn() { || () } } impl Two { }",
        ),
        ("d", "impl From<u8> for One { } mod inner { impl One { } }"),
        (
            "e",
            "// impl One {}\n#[cfg(test)] mod tests { impl One { } }",
        ),
        ("f", "fn f(it: impl One) { }"),
    ];
    let files = files.map(|(module, text)| (module.to_owned(), text.to_owned()));
    let found = spread(files);
    let modules = |name: &str| -> Vec<&str> {
        let modules = found.get(name).into_iter().flatten();
        modules.map(String::as_str).collect()
    };
    assert_eq!(modules("One"), ["a", "b", "c", "d"]);
    assert_eq!(modules("Two"), ["c"]);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// The modules with `impl` blocks of each type.
fn spread(files: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, BTreeSet<String>> {
    let mut modules: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in files {
        for name in implemented(&text) {
            modules.entry(name).or_default().insert(module.clone());
        }
    }
    modules
}
