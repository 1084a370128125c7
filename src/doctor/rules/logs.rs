//! Log files.

use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

pub fn rotation(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(server) = &facts.server else {
        return;
    };
    let rotated = &facts.machine.logrotate;
    for file in &server.log_files {
        let directory = file.parent().unwrap_or(file).display().to_string();
        let path = file.display().to_string();
        // A pattern such as /var/log/shop/*.log names the directory.
        let is_rotated = rotated.contains(&path) || rotated.contains(&format!("{directory}/*"));
        if is_rotated || path.starts_with("/dev/") || path.starts_with("/proc/") {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Notice,
            rule: "log-rotation",
            place: path,
            problem: "no configuration of logrotate names this file".to_owned(),
            why: "it grows until the disk is full",
            fix: "a file in /etc/logrotate.d that sends SIGUSR1 to the server, or the logs on standard output".to_owned(),
        });
    }
}
