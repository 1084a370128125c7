//! Rules on a running server.

use super::mebibytes;
use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

/// The most restarts of one slot without a finding.
const MANY_RESTARTS: u64 = 20;

pub fn hung(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(running) = &facts.running else {
        return;
    };
    for worker in running.workers.iter().filter(|worker| worker.is_hung) {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "worker-hung",
            place: format!("{}: worker {}", running.name, worker.slot),
            problem: "the worker sends no heartbeat".to_owned(),
            why: "its requests wait until it is replaced",
            fix: "`rgun ctl stacks` shows where it is".to_owned(),
        });
    }
}

pub fn restarts(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(running) = &facts.running else {
        return;
    };
    for worker in running
        .workers
        .iter()
        .filter(|worker| worker.restarts > MANY_RESTARTS)
    {
        findings.push(Finding {
            severity: Severity::Notice,
            rule: "worker-restarts",
            place: format!("{}: worker {}", running.name, worker.slot),
            problem: format!("it was replaced {} times", worker.restarts),
            why: "workers that are killed lose their requests; a limit (--max-requests) that is reached often costs a boot each time",
            fix: "the log says why: out of memory, --timeout, a crash, or a limit".to_owned(),
        });
    }
}

pub fn last_reload(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(running) = &facts.running else {
        return;
    };
    if let Some(failure) = &running.last_failure {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "last-reload",
            place: running.name.clone(),
            problem: format!("the last reload failed: {failure}"),
            why: "the old code serves, and a restart would load the code that failed",
            fix: "repair the code and reload, before the machine restarts".to_owned(),
        });
    }
}

/// Memory of two generations at once.
pub fn memory(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let (Some(running), Some(limit)) = (&facts.running, facts.machine.memory) else {
        return;
    };
    let used: u64 = running
        .workers
        .iter()
        .filter_map(|worker| worker.memory)
        .sum();
    if used * 2 <= limit {
        return;
    }
    findings.push(Finding {
        severity: Severity::Warning,
        rule: "memory-limit",
        place: running.name.clone(),
        problem: format!(
            "{} workers use {}, and the control group may have {}",
            running.workers.len(),
            mebibytes(used),
            mebibytes(limit)
        ),
        why: "a reload boots the new workers beside the old ones: without room for both it goes in batches, or is refused",
        fix: "raise the limit, run fewer workers, or --max-worker-memory against workers that grow".to_owned(),
    });
}
