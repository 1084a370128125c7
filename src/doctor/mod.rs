//! `rgun doctor`: checks an installation, its deployment files and a running server. Facts in, findings out.
//!
//! `files` parses the files of other programs, `rules` checks the facts; the caller (`cli/doctor`) reads the files.

pub mod denials;
pub mod deployment;
pub mod environment;
pub mod facts;
pub mod files;
mod finding;
mod rules;
mod server_settings;

pub use finding::{Finding, Severity};

use facts::DeploymentFacts;

/// All findings, the worst last; those of a severity in the order of the rules.
pub fn examine(facts: &DeploymentFacts) -> Vec<Finding> {
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
