//! The machine or container, and the configuration in it.

use super::servers;
use crate::doctor::facts::{DeploymentFacts, SecurityModule};
use crate::doctor::finding::{Finding, Severity};

/// A worker with some thousand connections needs that many.
const FEW_DESCRIPTORS: u64 = 4096;
/// 2026-01-01: an earlier system time is wrong, since rgun is newer.
const FIRST_DAY: u64 = 1_767_225_600;

pub fn configuration(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    if let Some(problem) = &facts.misconfigured {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "configuration",
            place: "configuration".to_owned(),
            problem: problem.clone(),
            why: "the server does not start, or a reload is refused",
            fix: "`rgun --check-config` shows the whole message".to_owned(),
        });
    }
}

pub fn somaxconn(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(most) = facts.machine.somaxconn else {
        return;
    };
    let wanted = servers(facts).map(|(server, _)| server.backlog).max();
    if let Some(backlog) = wanted.filter(|backlog| *backlog > most) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "somaxconn",
            place: "/proc/sys/net/core/somaxconn".to_owned(),
            problem: format!("it is {most}, and --backlog is {backlog}"),
            why: "the kernel cuts the queue of connections to the smaller one: a burst, or a reload under load, is refused",
            fix: format!("sysctl net.core.somaxconn={backlog}, also in /etc/sysctl.d; for a container: --sysctl"),
        });
    }
}

pub fn descriptors(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    if let Some(most) = facts
        .machine
        .descriptors
        .filter(|most| *most < FEW_DESCRIPTORS)
    {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "descriptors",
            place: "ulimit -n".to_owned(),
            problem: format!("a process may have {most} open files and connections"),
            why: "connections beyond that wait until others close",
            fix:
                "LimitNOFILE=65536 in the unit, `ulimits` in compose, or /etc/security/limits.conf"
                    .to_owned(),
        });
    }
}

pub fn cpus(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let (Some(cpus), Some(server)) = (facts.machine.cpus, &facts.server) else {
        return;
    };
    if !facts.deployments.is_empty() || server.workers <= 4 * cpus {
        return;
    }
    findings.push(Finding {
        severity: Severity::Notice,
        rule: "cpus",
        place: server.place.clone(),
        problem: format!("{} workers on {cpus} CPUs", server.workers),
        why: "each has the app in memory, and more of them than two or four for a CPU compute nothing faster",
        fix: "-w auto, and --threads for an app that waits for a database".to_owned(),
    });
}

/// Queues of sockets of their own are lost with their worker, unless the kernel hands them on.
pub fn migration(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let shares = servers(facts).any(|(server, _)| server.has_own_socket_per_worker);
    if shares && facts.machine.tcp_migrate_req == Some(false) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "tcp-migrate-req",
            place: "/proc/sys/net/ipv4/tcp_migrate_req".to_owned(),
            problem: "it is 0, with --reuse-port".to_owned(),
            why: "connections that a worker has not accepted are reset when its socket is closed",
            fix: "sysctl net.ipv4.tcp_migrate_req=1, or leave --reuse-port out".to_owned(),
        });
    }
}

pub fn clock(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    if facts.machine.now > 0 && facts.machine.now < FIRST_DAY {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "clock",
            place: "clock".to_owned(),
            problem: "the system clock is set before 2026".to_owned(),
            why: "certificates are not yet valid, sessions and caches expire wrongly",
            fix: "start systemd-timesyncd or chrony".to_owned(),
        });
    }
}

pub fn first_process(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(first) = &facts.machine.first_process else {
        return;
    };
    if ["sh", "bash", "dash", "ash"].contains(&first.as_str()) {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "shell-first",
            place: "process 1".to_owned(),
            problem: format!("{first} is the container's first process"),
            why: "a shell does not pass SIGTERM on, and does not reap orphaned processes: the container is killed when it is stopped",
            fix: "the command as a list of words, or `exec rgun ...` at the end of the script".to_owned(),
        });
    }
}

pub fn denials(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for denial in &facts.machine.denials {
        let (module, log, fix) = match denial.module {
            SecurityModule::SeLinux => (
                "SELinux",
                "audit.log",
                "for nginx in front of TCP: `setsebool -P httpd_can_network_connect 1`; for a socket: one below /run/NAME with the type \
                 httpd_var_run_t (`semanage fcontext`, `restorecon`); `audit2why < /var/log/audit/audit.log` says more",
            ),
            SecurityModule::AppArmor => (
                "AppArmor",
                "the kernel's log",
                "allow it in the profile (`aa-status` names it, `aa-logprof` proposes the rule), or use a path that the profile allows",
            ),
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "access-denied",
            place: log.to_owned(),
            problem: format!("{module} denied {} to {}", denial.access, denial.program),
            why: "modes and owners of the files are right, and it still fails with `Permission denied` (nginx answers 502)",
            fix: fix.to_owned(),
        });
    }
}
