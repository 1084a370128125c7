//! Arrows never point up: reads `src` and compares what each module uses with what its layer may use.
//!
//! It sees paths (`use` trees and paths in code), not types: what comes back from a function of a lower layer is not looked at.
//! Comments, texts and test modules do not count.

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/homonyms.rs"]
mod homonyms;
#[path = "layering/rules.rs"]
mod rules;
#[path = "layering/source.rs"]
mod source;
#[path = "layering/spread.rs"]
mod spread;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use circles::House;
use rules::{Rule, STANDARD, rule};
use source::{Used, uses};

#[test]
fn arrows_never_point_up() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut report = String::new();
    let mut files = 0;
    for file in rust_files(&src) {
        let module = module_of(file.strip_prefix(&src).expect("found below it"));
        let text = std::fs::read_to_string(&file).expect("readable");
        for violation in violations(&module, &text) {
            let _ = writeln!(report, "{}: {violation}", file.display());
        }
        files += 1;
    }
    assert!(
        files > 30,
        "only {files} files seen: is this still where the code is?"
    );
    assert!(report.is_empty(), "\n{report}");
}

#[test]
fn planted_circles_are_found() {
    let house = |files: &[(&str, &str)]| {
        let files = files.iter();
        House::new(files.map(|(module, text)| ((*module).to_owned(), (*text).to_owned())))
    };
    let through_a_parent = house(&[
        ("master", "mod a; mod b; pub use a::A; pub(super) use b::B;"),
        ("master::a", "use super::B; pub struct A;"),
        ("master::b", "use crate::master::A; pub struct B;"),
    ]);
    assert_eq!(through_a_parent.circles(), [["master::a", "master::b"]]);
    let through_code = house(&[
        ("sys", "mod a; mod b;"),
        ("sys::a", "fn f() { super::b::g() }"),
        ("sys::b", "use super::c::h; fn g() { h() }"),
        ("sys::c", "use super::a; fn h() { a::f() }"),
    ]);
    assert_eq!(through_code.circles(), [["sys::a", "sys::b", "sys::c"]]);
    let parent_that_hands_on = house(&[
        ("sys", "mod a; mod b; pub use a::A; pub use b::{B, C};"),
        ("sys::a", "use super::B; pub struct A(B);"),
        (
            "sys::b",
            "pub struct B; pub struct C; #[cfg(test)] mod tests { use super::super::A; }",
        ),
    ]);
    assert!(parent_that_hands_on.circles().is_empty());
}

#[test]
fn no_file_joins_a_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&src).into_iter().filter(|file| {
        let is_test = |part: std::path::Component<'_>| {
            ["tests", "tests.rs"]
                .iter()
                .any(|name| part.as_os_str() == *name)
        };
        !file.components().any(is_test)
    });
    let house = House::new(files.map(|file| {
        let module = module_of(file.strip_prefix(&src).expect("found below it"));
        (module, std::fs::read_to_string(&file).expect("readable"))
    }));
    let circles = house.circles();
    let circles: Vec<String> = circles.iter().map(|circle| circle.join(", ")).collect();
    assert!(
        circles.is_empty(),
        "circles of files:\n{}",
        circles.join("\n")
    );
}

/// A class whose objects hold Python objects takes part in the cycle collection, or a circle through it is never freed.
#[test]
fn classes_that_hold_python_objects_are_traversed() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut classes = 0;
    for file in rust_files(&src) {
        let text = std::fs::read_to_string(&file).expect("readable");
        if !text.contains("#[pyclass") {
            continue;
        }
        classes += 1;
        let complete = text.contains("fn __traverse__") && text.contains("fn __clear__");
        assert!(
            complete || !holds_python_objects(&text),
            "{}: a class holds Python objects and has not both of __traverse__ and __clear__",
            file.display()
        );
    }
    assert!(classes > 5, "only {classes} files with classes seen");
}

/// Whether a type that the file defines has a field for one.
fn holds_python_objects(text: &str) -> bool {
    let is_type = |line: &str| {
        let line = line.trim_start_matches("pub ");
        line.starts_with("struct ") || line.starts_with("enum ")
    };
    let mut within = false;
    text.lines().any(|line| {
        within = (within || is_type(line)) && !line.starts_with('}');
        within && (line.contains("Py<") || line.contains("Collected<"))
    })
}

/// What would make the one thread of the master stand still; its loop waits in one place, `sys::Turn`.
const WAITS: &[&str] = &[
    "thread::sleep",
    "wait_readable",
    "wait_writable",
    "wait_for(",
    "wait_for_end",
    "process::wait(",
    "read_to_end(",
    "read_exact(",
    ".output()",
];

/// Blocking code outside the master: the caller of `--daemon`, and the reader of a configuration before the master starts.
const BEFORE_THE_MASTER: &[&str] = &["daemon.rs", "program.rs"];

#[test]
fn the_master_never_waits() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/master");
    let mut report = String::new();
    let exempt = |file: &Path| {
        BEFORE_THE_MASTER.iter().any(|name| file.ends_with(name))
            || file.components().any(|part| part.as_os_str() == "tests")
    };
    for file in rust_files(&src).into_iter().filter(|file| !exempt(file)) {
        let text = std::fs::read_to_string(&file).expect("readable");
        for wait in waits(&text) {
            let _ = writeln!(report, "{}: `{wait}`", file.display());
        }
    }
    assert!(report.is_empty(), "\n{report}");
    let planted = "fn f() {\n    // no thread::sleep\n    std::thread::sleep(PAUSE);\n}\n";
    assert_eq!(waits(planted), ["thread::sleep"]);
}

fn waits(text: &str) -> Vec<&'static str> {
    let code = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let found = |line: &str| WAITS.iter().find(|wait| line.contains(*wait)).copied();
    lines.filter_map(found).collect()
}

/// One sentence for each use that the layer of `module` may not have.
fn violations(module: &str, text: &str) -> Vec<String> {
    let Some(rule) = rule(module) else {
        return vec![format!(
            "`{module}` has no layer: add it to tests/layering/rules.rs"
        )];
    };
    let mut found: Vec<_> = uses(module, text)
        .into_iter()
        .filter_map(|used| objection(rule, &used))
        .collect();
    found.dedup();
    found
}

fn objection(rule: &Rule, used: &Used) -> Option<String> {
    let Rule {
        module,
        may,
        crates,
        never,
        ..
    } = rule;
    let is_below = |path: &str, prefix: &str| {
        path == prefix
            || path
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with("::"))
    };
    match used {
        Used::Inside(path) => {
            let allowed = is_below(path, module) || may.iter().any(|prefix| is_below(path, prefix));
            (!allowed).then(|| format!("`{module}` may not use `crate::{path}`"))
        }
        Used::Outside(path) => {
            let name = path.split("::").next().unwrap_or_default();
            if name == "std" {
                let banned = never
                    .iter()
                    .chain(STANDARD.iter().filter(|ban| !rule.exempt.contains(ban)));
                let hit = banned.into_iter().find(|banned| is_below(path, banned))?;
                return Some(format!("`{module}` may not use `{hit}`"));
            }
            (!crates.contains(&name)).then(|| format!("`{module}` may not use the crate `{name}`"))
        }
        Used::Unsafe => (!rule.exempt.contains(&"unsafe"))
            .then(|| format!("`{module}` may not contain `unsafe`")),
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        // Tests may build their surroundings from anything.
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// `worker/python/mod.rs` is `worker::python`.
fn module_of(file: &Path) -> String {
    let path = file.with_extension("");
    let mut names: Vec<_> = path
        .iter()
        .map(|name| name.to_str().expect("ASCII"))
        .collect();
    if names.last() == Some(&"mod") {
        names.pop();
    }
    names.join("::")
}

/// The test of the test: one planted violation for each rule that matters.
#[test]
fn planted_violations_are_found() {
    for (module, text, expected) in [
        (
            "sys::poll",
            "use crate::config::Settings;",
            "`sys` may not use `crate::config::Settings`",
        ),
        (
            "config::resolve",
            "use super::super::master::run;",
            "`config` may not use `crate::master::run`",
        ),
        (
            "config",
            "fn f() { clap::Command::new(\"\"); }",
            "`config` may not use the crate `clap`",
        ),
        (
            "http::head",
            "use {bytes::Bytes, tokio::net::TcpStream};",
            "`http` may not use the crate `tokio`",
        ),
        (
            "http::head",
            "fn f() { std::time::Instant::now(); }",
            "`http` may not use `std::time::Instant`",
        ),
        (
            "master::act",
            "use pyo3::Python;",
            "`master` may not use the crate `pyo3`",
        ),
        (
            "master::act",
            "use std::thread; fn f() { thread::spawn(g); }",
            "`master` may not use `std::thread::spawn`",
        ),
        (
            "master::act",
            "use nix::unistd::fork;",
            "`master` may not use the crate `nix`",
        ),
        (
            "master::act",
            "use crate::{config::Settings, worker::{self}};",
            "`master` may not use `crate::worker`",
        ),
        (
            "master::supervisor::reload",
            "use crate::sys::Pid;",
            "`master::supervisor` may not use `crate::sys::Pid`",
        ),
        (
            "master::supervisor",
            "use std::time::{Duration, SystemTime};",
            "`master::supervisor` may not use `std::time::SystemTime`",
        ),
        (
            "master::supervisor",
            "fn f() { tracing::info!(\"\"); }",
            "`master::supervisor` may not use the crate `tracing`",
        ),
        (
            "ipc::codec",
            "use crate::observability as log;",
            "`ipc` may not use `crate::observability`",
        ),
        (
            "worker::network",
            "use crate::cli;",
            "`worker` may not use `crate::cli`",
        ),
        (
            "worker::network",
            "fn f() { unsafe { } }",
            "`worker` may not contain `unsafe`",
        ),
        (
            "worker::python::app",
            "use crate::http::Event;",
            "`worker::python` may not use `crate::http::Event`",
        ),
        (
            "observability",
            "use std::process; fn f() { process::exit(1) }",
            "`observability` may not use `std::process::exit`",
        ),
        (
            "worker::asgi",
            "fn f() { std::process::exit(1) }",
            "`worker::asgi` may not use `std::process::exit`",
        ),
        (
            "cli::report",
            "use crate::sys::Pid;",
            "`cli` may not use `crate::sys::Pid`",
        ),
        (
            "newcomer",
            "",
            "`newcomer` has no layer: add it to tests/layering/rules.rs",
        ),
    ] {
        let found = violations(module, text);
        assert_eq!(found, [expected], "{module}: {text}");
    }
}

#[test]
fn what_is_no_use_is_not_taken_for_one() {
    for text in [
        "// use crate::cli;\n/* use crate::cli; /* nested */ use crate::cli; */",
        "//! See `crate::cli`.",
        "const A: &str = \"use crate::cli; \\\" unsafe\"; const B: &str = r#\"crate::cli \" tokio::net\"#;",
        "#[cfg(test)]\nmod tests { use crate::cli; fn f() { unsafe { tokio::x() } } }",
        "#[cfg(test)]\nmod tests;",
        "fn f<'a>(tokio: &'a u8) -> char { let c = '\"'; let _ = '\\''; c }",
        "use crate::sys::poll; use super::Error; use self::child::x; use std::io; use std::process;",
    ] {
        assert_eq!(
            violations("sys::poll", text),
            Vec::<String>::new(),
            "{text}"
        );
    }
}
