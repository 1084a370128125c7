//! Rules on nginx in front: keep-alive connections, timeouts that agree, headers that are passed and trusted, reachable sockets.

use std::time::Duration;

use super::{seconds, servers};
use crate::doctor::deployment::Manager;
use crate::doctor::facts::{DeploymentFacts, SocketState, TrustedProxies};
use crate::doctor::finding::{Finding, Severity};

const HOUR: Duration = Duration::from_secs(3600);

pub fn keepalive(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for pass in &facts.passes {
        let problem = match &pass.upstream {
            Some(upstream) if upstream.keepalive > 0 => continue,
            // The value of a variable is not known.
            None if pass.target.contains('$') => continue,
            Some(upstream) => format!("upstream {} keeps no connections", upstream.name),
            None => format!(
                "proxy_pass {} names no upstream, so no connection is kept",
                pass.target
            ),
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "upstream-keepalive",
            place: pass.place.clone(),
            problem,
            why: "each request opens a connection of its own: more latency, and ports run out under load",
            fix: "an `upstream` block with `keepalive 32;`, proxy_http_version 1.1 and `proxy_set_header Connection \"\";`".to_owned(),
        });
    }
}

/// nginx reuses kept connections only with these.
pub fn reused_connection(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for pass in &facts.passes {
        if pass
            .upstream
            .as_ref()
            .is_none_or(|upstream| upstream.keepalive == 0)
        {
            continue;
        }
        let version = pass.http_version.as_deref().unwrap_or("1.0");
        let closes = match pass.header("connection") {
            None => true,
            Some(value) => value.eq_ignore_ascii_case("close"),
        };
        if version != "1.0" && !closes {
            continue;
        }
        let missing = if version == "1.0" {
            "proxy_http_version 1.1 is missing"
        } else {
            "the Connection header is close"
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "upstream-reuse",
            place: pass.place.clone(),
            problem: format!("the upstream has `keepalive`, but {missing}"),
            why: "nginx before 1.29.7 sends HTTP/1.0 and `Connection: close` by default, and no connection is reused",
            fix: "proxy_http_version 1.1; proxy_set_header Connection \"\";".to_owned(),
        });
    }
}

/// Which side closes an idle connection first.
pub fn idle_timeout(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    const WHY: &str = "the server closes a kept connection while the proxy sends the next request on it: now and then a 502";
    let upstreams = facts.passes.iter().filter_map(|pass| {
        let upstream = pass
            .upstream
            .as_ref()
            .filter(|upstream| upstream.keepalive > 0)?;
        Some((pass, upstream))
    });
    for (server, _) in servers(facts) {
        let kept = server.keep_alive;
        if kept.is_zero() {
            continue;
        }
        for (pass, upstream) in upstreams.clone() {
            if kept > upstream.keepalive_timeout {
                continue;
            }
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "idle-timeout",
                place: pass.place.clone(),
                problem: format!(
                    "nginx keeps connections for {}, and rgun only for {} ({})",
                    seconds(upstream.keepalive_timeout),
                    seconds(kept),
                    server.place
                ),
                why: WHY,
                fix: format!(
                    "--keep-alive {} (longer than the proxy's)",
                    upstream.keepalive_timeout.as_secs() + 15
                ),
            });
        }
        let load_balancer = Duration::from_secs(60);
        let is_alone = facts.passes.is_empty() && facts.load_balancers.is_empty();
        if is_alone && server.is_reachable && kept <= load_balancer {
            findings.push(Finding {
                severity: Severity::Notice,
                rule: "idle-timeout",
                place: server.place.clone(),
                problem: format!(
                    "--keep-alive is {}; load balancers keep connections for 60 s",
                    seconds(kept)
                ),
                why: WHY,
                fix: "--keep-alive 75, unless the proxy's own time is shorter".to_owned(),
            });
        }
    }
}

/// As a manifest asks for it.
pub fn load_balancer(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for balancer in &facts.load_balancers {
        let shorter = servers(facts).map(|(server, _)| server).find(|server| {
            let closes_first = server.keep_alive <= balancer.idle_timeout;
            server.is_reachable && closes_first && !server.keep_alive.is_zero()
        });
        let Some(server) = shorter else {
            continue;
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "idle-timeout",
            place: balancer.place.clone(),
            problem: format!(
                "the load balancer keeps connections for {}, rgun for {} (--keep-alive, {})",
                seconds(balancer.idle_timeout),
                seconds(server.keep_alive),
                server.place
            ),
            why: "the server closes a kept connection while the load balancer sends the next request on it: now and then a 502",
            fix: format!("--keep-alive {}", balancer.idle_timeout.as_secs() + 15),
        });
    }
}

pub fn read_timeout(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for (server, _) in servers(facts) {
        // A thread of a WSGI app may be busy for that long before its worker is killed.
        let of_worker = server.timeout.filter(|_| server.is_asgi == Some(false));
        let limits = [
            (server.request_timeout, "--request-timeout"),
            (of_worker, "--timeout"),
        ];
        let mut limits = limits.into_iter();
        let Some((longest, option)) = limits.find_map(|(limit, option)| Some((limit?, option)))
        else {
            continue;
        };
        for pass in facts
            .passes
            .iter()
            .filter(|pass| pass.read_timeout < longest)
        {
            findings.push(Finding {
                severity: Severity::Warning,
                rule: "read-timeout",
                place: pass.place.clone(),
                problem: format!(
                    "proxy_read_timeout is {}, and a request may take {} ({option}, {})",
                    seconds(pass.read_timeout),
                    seconds(longest),
                    server.place
                ),
                why: "the client gets a 504 while the app goes on",
                fix: format!("proxy_read_timeout {}s;", longest.as_secs() + 5),
            });
        }
    }
}

/// Pings are what an idle WebSocket sends; nothing does that for a stream of events.
pub fn websocket_timeout(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let mut pinging = servers(facts).filter(|(server, _)| server.is_asgi == Some(true));
    let Some((server, _)) = pinging.next() else {
        return;
    };
    for pass in &facts.passes {
        let problem = match server.ping_interval {
            _ if pass.header("upgrade").is_none() => continue,
            Some(interval) if interval < pass.read_timeout => continue,
            Some(interval) => format!("WebSockets are pinged every {}", seconds(interval)),
            None if pass.read_timeout >= HOUR => continue,
            None => "WebSockets are not pinged".to_owned(),
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "websocket-timeout",
            place: pass.place.clone(),
            problem: format!(
                "proxy_read_timeout is {}, and {problem} (--ws-ping-interval, {})",
                seconds(pass.read_timeout),
                server.place
            ),
            why: "nginx closes a WebSocket on which the app sends nothing for that long",
            fix: format!(
                "--ws-ping-interval {}, or a longer proxy_read_timeout",
                (pass.read_timeout.as_secs() / 3).max(1)
            ),
        });
    }
}

pub fn forwarded_headers(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for pass in &facts.passes {
        let missing: Vec<_> = [
            ("host", "proxy_set_header Host $host;"),
            (
                "x-forwarded-for",
                "proxy_set_header X-Forwarded-For $remote_addr;",
            ),
            (
                "x-forwarded-proto",
                "proxy_set_header X-Forwarded-Proto $scheme;",
            ),
        ]
        .into_iter()
        .filter(|(name, _)| pass.header(name).is_none() && pass.header("forwarded").is_none())
        .collect();
        if missing.is_empty() {
            continue;
        }
        let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
        let lines: Vec<_> = missing.iter().map(|(_, line)| *line).collect();
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "forwarded-headers",
            place: pass.place.clone(),
            problem: format!("{} {} not passed on", names.join(", "), if names.len() == 1 { "is" } else { "are" }),
            why: "the app sees nginx as its client: wrong links and redirects, ALLOWED_HOSTS and CSRF checks that fail, logs without addresses",
            fix: lines.join(" "),
        });
    }
}

/// In containers a proxy is never on the loopback.
pub fn trusted_proxies(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for (server, deployment) in servers(facts) {
        let Some(deployment) = deployment else {
            continue;
        };
        let is_container = matches!(deployment.manager, Manager::Compose | Manager::Kubernetes);
        if !(server.trusted_proxies == TrustedProxies::ThisMachine
            && server.is_reachable
            && is_container)
        {
            continue;
        }
        findings.push(Finding {
            severity: Severity::Notice,
            rule: "trusted-proxies",
            place: deployment.place.clone(),
            problem: "X-Forwarded-For and X-Forwarded-Proto are trusted only from 127.0.0.1 and ::1, and a proxy in another container has another address".to_owned(),
            why: "the app takes every request for plain HTTP from the proxy's address",
            fix: "--forwarded-allow-ips with the proxy's network (172.16.0.0/12 has most of Docker's), and not *".to_owned(),
        });
    }
}

/// With `*` every address in the field counts as a proxy's, up to the first one, and that one the client has sent.
pub fn forged_address(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let mut trusting =
        servers(facts).filter(|(server, _)| server.trusted_proxies == TrustedProxies::Everyone);
    let Some((server, _)) = trusting.next() else {
        return;
    };
    for pass in &facts.passes {
        let passed_on = match pass.header("x-forwarded-for") {
            None => "what clients send in X-Forwarded-For (no proxy_set_header)",
            Some(value) if value.contains("$proxy_add_x_forwarded_for") => {
                "what clients send in X-Forwarded-For ($proxy_add_x_forwarded_for)"
            }
            Some(value) if value.contains("$http_x_forwarded_for") => {
                "what clients send in X-Forwarded-For ($http_x_forwarded_for)"
            }
            Some(_) => continue,
        };
        findings.push(Finding {
            severity: Severity::Error,
            rule: "forged-address",
            place: pass.place.clone(),
            problem: format!(
                "nginx passes on {passed_on}, and --forwarded-allow-ips is * ({})",
                server.place
            ),
            why: "every client chooses the address that the app sees: limits by address, allow lists and logs are worth nothing",
            fix: "proxy_set_header X-Forwarded-For $remote_addr; behind another proxy also set_real_ip_from, real_ip_header and real_ip_recursive; \
                  and --forwarded-allow-ips with the proxies' networks instead of *".to_owned(),
        });
    }
}

pub fn sockets(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    for socket in &facts.sockets {
        let path = socket.path.display();
        let (problem, fix) = match &socket.state {
            SocketState::Usable => continue,
            SocketState::Closed { mode } => (
                format!(
                    "{path} has mode {mode:03o}: users other than its owner and group cannot connect"
                ),
                "--umask 0 for the socket, or nginx's user in its group".to_owned(),
            ),
            SocketState::Behind { directory, mode } => (
                format!(
                    "{path} is in {}, which has mode {mode:03o}: others cannot enter it",
                    directory.display()
                ),
                format!(
                    "chmod o+x {}, or a directory below /run",
                    directory.display()
                ),
            ),
            SocketState::NoSocket => (
                format!("{path} is not a socket"),
                "name the socket that rgun listens on".to_owned(),
            ),
        };
        findings.push(Finding {
            severity: Severity::Warning,
            rule: "socket-access",
            place: socket.place.clone(),
            problem,
            why: "nginx answers 502 (`connect() to unix: failed (13: Permission denied)`)",
            fix,
        });
    }
}
