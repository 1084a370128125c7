//! Rules on whether the process that stops a server waits for as long as the server takes.

use std::time::Duration;

use super::{seconds, servers};
use crate::doctor::deployment::Manager;
use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

/// Time for the last responses and for Python's shutdown.
const MARGIN: Duration = Duration::from_secs(2);

pub fn stop_timeout(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for (server, deployment) in servers(facts) {
        let Some(deployment) = deployment else {
            continue;
        };
        let (name, default) = match deployment.manager {
            Manager::Systemd => ("TimeoutStopSec", 90),
            Manager::Compose => ("stop_grace_period", 10),
            Manager::Kubernetes => ("terminationGracePeriodSeconds", 30),
            Manager::Image => continue,
        };
        let given = deployment.stop.unwrap_or(Duration::from_secs(default));
        let needed = server.graceful_timeout + server.shutdown_delay;
        if given >= needed + MARGIN || server.graceful_timeout > Duration::from_secs(86_400) {
            continue;
        }
        let is = if deployment.stop.is_some() {
            "is"
        } else {
            "is absent, which means"
        };
        findings.push(Finding {
            severity: if given < needed { Severity::Error } else { Severity::Warning },
            rule: "stop-timeout",
            place: deployment.place.clone(),
            problem: format!(
                "{name} {is} {}, and rgun takes up to {} to stop (--graceful-timeout {} and --shutdown-delay {})",
                seconds(given),
                seconds(needed),
                seconds(server.graceful_timeout),
                seconds(server.shutdown_delay)
            ),
            why: "the server is killed with requests in flight, whose clients get a reset",
            fix: format!("set {name} to {} or more", seconds(needed + Duration::from_secs(10))),
        });
    }
}
