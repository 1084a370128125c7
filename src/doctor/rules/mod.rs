//! The rules, by subject: each checks one thing, and reports nothing when it is in order or not known.

mod certificates;
mod database;
mod deployment;
mod django;
mod logs;
mod machine;
mod proxy;
mod python;
mod running;
#[cfg(test)]
mod sound_site;
mod stopping;
#[cfg(test)]
mod tests;

use super::deployment::Deployment;
use super::facts::{DeploymentFacts, ServerSettings};
use super::finding::Finding;

type Rule = fn(&DeploymentFacts, &mut Vec<Finding>);

pub const ALL: &[Rule] = &[
    machine::configuration,
    machine::somaxconn,
    machine::descriptors,
    machine::cpus,
    machine::migration,
    machine::clock,
    machine::first_process,
    machine::denials,
    python::end_of_life,
    python::uvloop,
    python::writable_path,
    python::app,
    django::unreadable,
    django::debug,
    django::allowed_hosts,
    django::generated_key,
    django::kept_connections,
    django::ready_path,
    django::proxy_scheme,
    django::ready_host,
    django::probes,
    database::connections,
    certificates::expiry,
    logs::rotation,
    stopping::stop_timeout,
    deployment::unreadable,
    deployment::misuse,
    deployment::shell,
    deployment::kind,
    deployment::memory,
    proxy::keepalive,
    proxy::reused_connection,
    proxy::idle_timeout,
    proxy::load_balancer,
    proxy::read_timeout,
    proxy::websocket_timeout,
    proxy::forwarded_headers,
    proxy::trusted_proxies,
    proxy::forged_address,
    proxy::sockets,
    running::hung,
    running::restarts,
    running::last_reload,
    running::memory,
];

/// Each server with the deployment that stops it; without deployment files, the server that is configured here.
fn servers(
    facts: &DeploymentFacts,
) -> impl Iterator<Item = (&ServerSettings, Option<&Deployment>)> {
    let deployed = facts.deployments.iter();
    let deployed = deployed.filter_map(|one| Some((one.server.as_ref()?, Some(one))));
    let here = facts
        .server
        .as_ref()
        .filter(|_| facts.deployments.is_empty());
    deployed.chain(here.map(|server| (server, None)))
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[allow(clippy::cast_precision_loss, reason = "a size is shown roughly")]
fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / 1_048_576.0)
}
