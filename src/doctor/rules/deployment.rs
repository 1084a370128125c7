//! Rules on how units, compose files, manifests and images start a server.

use super::mebibytes;
use crate::doctor::deployment::{Manager, MisuseConsequence};
use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

pub fn unreadable(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for (place, problem) in &facts.unreadable {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "unreadable-file",
            place: place.clone(),
            problem: format!("cannot be parsed: {problem}"),
            why: "the program that it is for does not accept it either, and nothing in it was checked",
            fix: "correct the file; the place in it is above".to_owned(),
        });
    }
}

/// Options and variables, by the program's own rules.
pub fn misuse(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let misuses = facts.deployments.iter().flat_map(|one| &one.misuses);
    for misuse in misuses {
        let hint = misuse.hint.clone();
        findings.push(match misuse.consequence {
            MisuseConsequence::Rejected => Finding {
                severity: Severity::Error,
                rule: "configuration",
                place: misuse.place.clone(),
                problem: misuse.problem.clone(),
                why: "the server does not start with it",
                fix: hint.unwrap_or_else(|| {
                    "`rgun --help` lists the options and their values".to_owned()
                }),
            },
            MisuseConsequence::IgnoredBySystemd => Finding {
                severity: Severity::Warning,
                rule: "unit-line",
                place: misuse.place.clone(),
                problem: misuse.problem.clone(),
                why: "systemd ignores the line, and the unit runs without it",
                fix: hint.unwrap_or_else(|| {
                    "`systemd-analyze verify` says what your systemd knows".to_owned()
                }),
            },
            MisuseConsequence::Ignored => Finding {
                severity: Severity::Warning,
                rule: "unknown-variable",
                place: misuse.place.clone(),
                problem: misuse.problem.clone(),
                why: "the server starts, but without that setting",
                fix: hint.unwrap_or_else(|| {
                    "docs/settings.md has the names; remove it if it is for another program"
                        .to_owned()
                }),
            },
        });
    }
}

pub fn shell(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for deployment in facts.deployments.iter().filter(|one| one.has_shell) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "shell-first",
            place: deployment.place.clone(),
            problem: "a shell runs rgun and stays its parent process".to_owned(),
            why: "a shell does not pass SIGTERM on: the server is killed with requests in flight, and reloads by signal do not reach it",
            fix: match deployment.manager {
                Manager::Image => "use the exec form: CMD [\"rgun\", ...]".to_owned(),
                Manager::Systemd => "name the program itself in ExecStart=".to_owned(),
                Manager::Compose | Manager::Kubernetes => {
                    "give the words as a list without `sh -c`, or begin the line with `exec`".to_owned()
                }
            },
        });
    }
}

pub fn kind(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for deployment in &facts.deployments {
        let Some(kind) = deployment.kind.as_deref() else {
            continue;
        };
        if kind.starts_with("notify") {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "unit-type",
            place: deployment.place.clone(),
            problem: format!("Type={kind}: systemd does not learn when the server is ready, or that it failed to boot"),
            why: "`systemctl start` and units that come after return before anything is served, and a failed start looks like a success",
            fix: "Type=notify (and Type=notify-reload from systemd 253 on)".to_owned(),
        });
    }
}

/// Estimated memory of a worker, by framework, when no running worker can be measured.
const SMALL_WORKER: u64 = 40 << 20;

pub fn memory(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let measured = facts.running.as_ref().and_then(|running| {
        let workers = running.workers.iter();
        workers.filter_map(|worker| worker.memory).max()
    });
    for deployment in &facts.deployments {
        let (Some(limit), Some(server)) = (deployment.memory, &deployment.server) else {
            continue;
        };
        let worker = measured.unwrap_or(SMALL_WORKER);
        let needed = worker * u64::from(server.workers) * 2;
        if needed <= limit {
            continue;
        }
        let (how, severity) = match measured {
            Some(_) => ("measured", Severity::Warning),
            None => ("at the least", Severity::Notice),
        };
        findings.push(Finding {
            severity,
            rule: "memory-limit",
            place: deployment.place.clone(),
            problem: format!(
                "the limit is {}, and two generations of {} workers need {} ({how} {} for each)",
                mebibytes(limit),
                server.workers,
                mebibytes(needed),
                mebibytes(worker)
            ),
            why: "a reload boots the new workers beside the old ones; without room for both it goes in batches, or is refused",
            fix: "raise the limit, or run fewer workers".to_owned(),
        });
    }
}
