//! Django's settings.

use super::servers;
use crate::doctor::facts::{DeploymentFacts, DjangoSettings, TrustedProxies};
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
fn settings(facts: &DeploymentFacts) -> Option<&DjangoSettings> {
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

/// As `django.http.request.validate_host`, with the port left out.
fn is_allowed(django: &DjangoSettings, host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(name, port)| {
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
        if is_port { name } else { host }
    });
    let host = host.to_ascii_lowercase();
    if django.debug && django.allowed_hosts.is_empty() {
        return host == "localhost"
            || host.ends_with(".localhost")
            || host == "127.0.0.1"
            || host == "[::1]";
    }
    django.allowed_hosts.iter().any(|pattern| {
        let pattern = pattern.to_ascii_lowercase();
        let is_below = pattern
            .strip_prefix('.')
            .is_some_and(|domain| host == domain || host.ends_with(&pattern));
        pattern == "*" || pattern == host || is_below
    })
}

/// Settings that accept a host at all; `django-hosts` reports the others.
fn settings_with_hosts(facts: &DeploymentFacts) -> Option<&DjangoSettings> {
    settings(facts).filter(|django| django.debug || !django.allowed_hosts.is_empty())
}

pub fn ready_host(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = settings_with_hosts(facts) else {
        return;
    };
    for (server, deployment) in servers(facts) {
        let Some(host) = server.ready_host.as_ref().filter(|_| server.has_ready_path) else {
            continue;
        };
        if is_allowed(django, host) {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Error,
            rule: "ready-host",
            place: deployment.map_or(&server.place, |one| &one.place).clone(),
            problem: format!("--ready-host {host} is not in ALLOWED_HOSTS ({})", django.module),
            why: "Django answers the request for --ready-path with 400, and no worker starts",
            fix: format!("add {host} to ALLOWED_HOSTS, or leave --ready-host out: then it is the first of ALLOWED_HOSTS"),
        });
    }
}

/// Health checks that ask the app instead of the monitor.
pub fn probes(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let Some(django) = settings_with_hosts(facts) else {
        return;
    };
    for deployment in &facts.deployments {
        let ports = deployment
            .server
            .as_ref()
            .map_or(&[][..], |server| &server.ports);
        let of_app = deployment
            .probes
            .iter()
            .filter(|probe| ports.contains(&probe.port));
        for probe in of_app {
            let host = probe.host.as_deref();
            if is_allowed(django, host.unwrap_or("\u{1}")) {
                continue;
            }
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "probe-host",
                place: probe.place.clone(),
                problem: format!(
                    "the probe asks the app with {} as Host, which ALLOWED_HOSTS ({}) does not contain",
                    host.unwrap_or("the pod's address"),
                    django.module
                ),
                why: "Django answers it with 400: the container counts as broken, and is restarted or gets no traffic",
                fix: "ask the monitor: --admin-bind 0.0.0.0:9000 and /-/ready there; or give the probe a Host (httpHeaders) that is allowed".to_owned(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{deployed, found};
    use super::*;

    #[test]
    fn hosts_as_django_judges_them() {
        let django = |hosts: &[&str], debug: bool| DjangoSettings {
            allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            debug,
            ..DjangoSettings::default()
        };
        for (hosts, host, expected) in [
            (&["shop.example"][..], "shop.example", true),
            (&["shop.example"], "SHOP.example:8000", true),
            (&["shop.example"], "www.shop.example", false),
            (&[".shop.example"], "www.shop.example", true),
            (&[".shop.example"], "shop.example", true),
            (&[".shop.example"], "myshop.example", false),
            (&["*"], "10.0.0.1", true),
            (&[], "localhost", false),
        ] {
            assert_eq!(
                is_allowed(&django(hosts, false), host),
                expected,
                "{hosts:?} {host}"
            );
        }
        assert!(is_allowed(&django(&[], true), "localhost:8000"));
        assert!(!is_allowed(&django(&[], true), "shop.example"));
    }

    #[test]
    fn the_host_of_the_ready_path() {
        let change = |host: Option<&str>| {
            let host = host.map(str::to_owned);
            found(|facts| deployed(facts).ready_host = host)
        };
        assert_eq!(
            change(Some("other.example")),
            [("ready-host", Severity::Error)]
        );
        assert_eq!(change(None), []);
    }

    #[test]
    fn probes_that_ask_the_app() {
        let probed = |port: u16, host: Option<&str>| {
            let host = host.map(str::to_owned);
            found(|facts| {
                let probe = &mut facts.deployments[2].probes[0];
                (probe.port, probe.host) = (port, host);
            })
        };
        assert_eq!(probed(8000, None), [("probe-host", Severity::Warning)]);
        assert_eq!(
            probed(8000, Some("localhost")),
            [("probe-host", Severity::Warning)]
        );
        assert_eq!(probed(8000, Some("shop.example")), []);
        assert_eq!(probed(9000, None), []);
    }
}
