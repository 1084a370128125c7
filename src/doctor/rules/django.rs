//! Django's settings.

use super::servers;
use crate::doctor::facts::{DeploymentFacts, TrustedProxies};
use crate::doctor::finding::{Finding, Severity};

pub fn unreadable(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = &facts.django else {
        return;
    };
    if let Some(error) = &django.error {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "django-settings",
            place: django.module.clone(),
            problem: format!("the settings cannot be read: {error}"),
            why: "nothing of Django could be checked; the app may need variables that are set where it runs",
            fix: "run the doctor with the environment of the server".to_owned(),
        });
    }
}

/// Those that could be read.
fn settings(facts: &DeploymentFacts) -> Option<&crate::doctor::facts::DjangoSettings> {
    facts
        .django
        .as_ref()
        .filter(|django| django.error.is_none())
}

pub fn debug(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    if let Some(django) = settings(facts).filter(|django| django.debug) {
        findings.push(Finding {
            severity: Severity::Error,
            rule: "django-debug",
            place: django.module.clone(),
            problem: "DEBUG is True".to_owned(),
            why: "error pages show settings and source to every visitor, and each query is kept in memory",
            fix: "DEBUG = False where the site is served".to_owned(),
        });
    }
}

pub fn allowed_hosts(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = settings(facts) else {
        return;
    };
    let (severity, problem, why, fix) = if django.allowed_hosts.iter().any(|host| host == "*") {
        (
            Severity::Notice,
            "ALLOWED_HOSTS accepts every Host",
            "links in mails (a reset of a password) can be made to lead to an attacker's host",
            "the site's names, unless the proxy in front checks them",
        )
    } else if django.allowed_hosts.is_empty() && !django.debug {
        (
            Severity::Error,
            "ALLOWED_HOSTS is empty",
            "every request is answered with 400",
            "the site's names",
        )
    } else {
        return;
    };
    findings.push(Finding {
        severity,
        rule: "django-hosts",
        place: django.module.clone(),
        problem: problem.to_owned(),
        why,
        fix: fix.to_owned(),
    });
}

pub fn generated_key(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    if let Some(django) = settings(facts).filter(|django| django.has_generated_key && !django.debug)
    {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "django-secret",
            place: django.module.clone(),
            problem: "SECRET_KEY is the one that startproject wrote (django-insecure-...)"
                .to_owned(),
            why: "anyone with the source can forge sessions and tokens",
            fix: "read it from the environment or a file that is not in the repository".to_owned(),
        });
    }
}

pub fn kept_connections(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let is_asgi = servers(facts).any(|(server, _)| server.is_asgi == Some(true));
    let Some(django) = settings(facts).filter(|_| is_asgi) else {
        return;
    };
    if !django.kept_connections.is_empty() {
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "django-connections",
            place: django.module.clone(),
            problem: format!("CONN_MAX_AGE is set for {} under ASGI", django.kept_connections.join(", ")),
            why: "threads of an ASGI app come and go, and their kept connections stay open until the database has no more of them",
            fix: "CONN_MAX_AGE = 0, and a pool: OPTIONS = {\"pool\": True} with psycopg 3, or PgBouncer".to_owned(),
        });
    }
}

pub fn ready_path(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = &facts.django else {
        return;
    };
    for (server, deployment) in servers(facts) {
        if server.has_ready_path {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Notice,
            rule: "ready-path",
            place: deployment.map_or(&server.place, |one| &one.place).clone(),
            problem: format!("{} is served without --ready-path", django.module),
            why: "a reload switches to code that imports and cannot answer a request (a database, a template, a setting)",
            fix: "--ready-path /healthz, with a view that looks at what the site needs".to_owned(),
        });
    }
}

pub fn proxy_scheme(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let passes_scheme = facts
        .passes
        .iter()
        .any(|pass| pass.header("x-forwarded-proto").is_some());
    let Some(django) = settings(facts).filter(|_| passes_scheme) else {
        return;
    };
    let believes =
        servers(facts).any(|(server, _)| server.trusted_proxies != TrustedProxies::ThisMachine);
    let over_socket = facts
        .passes
        .iter()
        .filter_map(|pass| pass.upstream.as_ref());
    let over_socket = over_socket
        .flat_map(|upstream| &upstream.servers)
        .any(|one| one.starts_with("unix:") || one.starts_with("127."));
    if django.knows_proxy_scheme || believes || over_socket {
        return;
    }
    findings.push(Finding {
        severity: Severity::Notice,
        rule: "django-scheme",
        place: django.module.clone(),
        problem: "nginx passes X-Forwarded-Proto, and neither rgun (--forwarded-allow-ips) nor Django (SECURE_PROXY_SSL_HEADER) trusts it".to_owned(),
        why: "request.is_secure() is false: redirects to HTTPS go in circles, CSRF checks fail",
        fix: "--forwarded-allow-ips with the proxy's address".to_owned(),
    });
}
