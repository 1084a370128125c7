//! `rgun doctor`: what is wrong with an installation, its deployment files and a running server. Facts in, findings out.
//!
//! `files` reads the texts of other programs' files, `rules` judges; what is read, and from where, is the caller's.

pub mod facts;
pub mod files;
mod finding;
mod rules;

pub use finding::{Finding, Severity};

use facts::Facts;

/// All findings, the worst last; those of a severity in the order of the rules.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules::ALL {
        rule(facts, &mut findings);
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// How many rules there are.
pub fn count() -> usize {
    rules::ALL.len()
}
