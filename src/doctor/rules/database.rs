//! Connections to PostgreSQL: what all workers may open, and what the server accepts.

use super::servers;
use crate::doctor::facts::{DeploymentFacts, PostgresDatabase, ServerSettings};
use crate::doctor::files::MOST_CONNECTIONS;
use crate::doctor::finding::{Finding, Severity};

/// `superuser_reserved_connections`
const RESERVED: u32 = 3;

pub fn connections(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = facts
        .django
        .as_ref()
        .filter(|django| django.error.is_none())
    else {
        return;
    };
    // Of several servers it is not known which one a database is on.
    let (severity, place, most) = match &facts.postgres[..] {
        [] => (Severity::Notice, None, MOST_CONNECTIONS),
        [one] => (Severity::Warning, Some(&one.place), one.most_connections),
        [..] => return,
    };
    for (server, deployment) in servers(facts) {
        let replicas = deployment.map_or(1, |one| one.replicas);
        for database in &django.postgres {
            let Some(of_worker) = of_worker(database, server) else {
                continue;
            };
            // A reload boots the new workers beside the old ones.
            let needed = of_worker * server.workers * replicas * 2;
            if needed <= most.saturating_sub(RESERVED) {
                continue;
            }
            let own = match database.pool {
                Some(pool) => format!("a pool of {pool}"),
                None => format!("{} threads with a connection each", server.threads),
            };
            let pods = if replicas > 1 {
                format!(" × {replicas} replicas")
            } else {
                String::new()
            };
            findings.push(Finding {
                severity,
                rule: "database-connections",
                place: deployment.map_or(&server.place, |one| &one.place).clone(),
                problem: format!(
                    "{} workers × {own}{pods} × 2 during a reload open {needed} connections to `{}`, and {}",
                    server.workers,
                    database.name,
                    match place {
                        Some(place) => format!("max_connections is {most} ({place}), {RESERVED} of them reserved"),
                        None => format!("PostgreSQL accepts {most} unless it is configured, {RESERVED} of them reserved"),
                    }
                ),
                why: "under load or during a deploy requests fail with `too many clients already`",
                fix: "raise max_connections, put PgBouncer in between, or have fewer workers and threads, or smaller pools".to_owned(),
            });
        }
    }
}

/// `None`: it has no fixed number, as with an ASGI app, whose threads come and go.
fn of_worker(database: &PostgresDatabase, server: &ServerSettings) -> Option<u32> {
    match database.pool {
        Some(pool) => Some(pool),
        None if server.is_asgi == Some(true) => None,
        None => database.is_kept.then_some(server.threads),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;
    use crate::doctor::facts::DjangoSettings;

    /// As many findings as there are servers; one is enough.
    fn rule(pool: Option<u32>, is_asgi: bool, threads: u32, most: Option<u32>) -> Option<Severity> {
        let found = found(|facts| {
            facts.deployments.truncate(1);
            let one = &mut facts.deployments[0];
            one.replicas = 2;
            let server = one.server.as_mut().expect("one");
            (server.is_asgi, server.workers, server.threads) = (Some(is_asgi), 2, threads);
            facts.postgres.truncate(usize::from(most.is_some()));
            for one in &mut facts.postgres {
                one.most_connections = most.unwrap_or_default();
            }
            let django: &mut DjangoSettings = facts.django.as_mut().expect("Django");
            (django.postgres[0].pool, django.postgres[0].is_kept) = (pool, pool.is_none());
        });
        found
            .iter()
            .find(|(rule, _)| *rule == "database-connections")
            .map(|(_, severity)| *severity)
    }

    #[test]
    fn connections_of_all_workers_during_a_reload() {
        // 2 workers × 2 replicas × 2 generations.
        for (pool, is_asgi, threads, most, expected) in [
            (Some(4), true, 1, Some(35), None),
            (Some(4), true, 1, Some(34), Some(Severity::Warning)),
            (None, false, 4, Some(35), None),
            (None, false, 4, Some(34), Some(Severity::Warning)),
            (None, true, 100, Some(10), None),
            (Some(13), true, 1, None, Some(Severity::Notice)),
            (Some(12), true, 1, None, None),
        ] {
            let found = rule(pool, is_asgi, threads, most);
            assert_eq!(found, expected, "{pool:?} {is_asgi} {threads} {most:?}");
        }
    }

    #[test]
    fn connections_that_are_not_kept() {
        let found = found(|facts| {
            let django = facts.django.as_mut().expect("Django");
            django.postgres[0].pool = None;
            facts.postgres[0].most_connections = 4;
        });
        assert_eq!(found, []);
    }
}
