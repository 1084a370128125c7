//! The interpreter and what it can import.

use super::servers;
use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

/// Minor versions of Python 3, and the first day without security fixes, in seconds since 1970 (PEP 596 and its successors).
const ENDS: &[(u32, u64)] = &[
    (8, 1_728_259_200),
    (9, 1_761_868_800),
    (10, 1_793_404_800),
    (11, 1_824_940_800),
    (12, 1_856_563_200),
    (13, 1_888_099_200),
    (14, 1_919_635_200),
];
const HALF_A_YEAR: u64 = 182 * 24 * 3600;

pub fn end_of_life(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some((3, minor)) = facts.python.as_ref().map(|python| python.version) else {
        return;
    };
    let Some((_, end)) = ENDS.iter().find(|(known, _)| *known == minor) else {
        return;
    };
    let now = facts.machine.now;
    let (severity, problem) = if now >= *end {
        (
            Severity::Warning,
            "gets no fixes any more, not even for security",
        )
    } else if now + HALF_A_YEAR >= *end {
        (Severity::Notice, "gets fixes for less than half a year")
    } else {
        return;
    };
    findings.push(Finding {
        severity,
        rule: "python-version",
        place: "Python".to_owned(),
        problem: format!("Python 3.{minor} {problem}"),
        why: "holes in the interpreter and its libraries stay open",
        fix: "a newer Python: https://devguide.python.org/versions/".to_owned(),
    });
}

pub fn app(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    findings.extend(facts.app.iter().map(|app| Finding {
        severity: Severity::Error,
        rule: "app",
        place: app.app.clone(),
        problem: app.problem.clone(),
        why: "the workers cannot load the app, and the server does not start",
        fix: "`rgun --check-config` with the same arguments loads the app and says what it finds; --chdir and --pythonpath are where it looks".to_owned(),
    }));
}

pub fn uvloop(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let is_asgi = servers(facts).any(|(server, _)| server.is_asgi == Some(true));
    if is_asgi
        && facts
            .python
            .as_ref()
            .is_some_and(|python| !python.has_uvloop)
    {
        findings.push(Finding {
            severity: Severity::Notice,
            rule: "uvloop",
            place: "Python".to_owned(),
            problem: "uvloop is not installed".to_owned(),
            why: "an ASGI app that does much I/O of its own is faster on it; rgun uses it when it is there",
            fix: "pip install uvloop".to_owned(),
        });
    }
}

pub fn writable_path(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for path in facts.python.iter().flat_map(|python| &python.writable) {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "writable-path",
            place: path.clone(),
            problem: "every user may write to this directory of sys.path".to_owned(),
            why: "any local user can put a module there that the app imports, as the app's user",
            fix: format!("chmod o-w {path}"),
        });
    }
}
