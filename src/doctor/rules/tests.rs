//! A correct site has no findings; and each rule has one when a fact is wrong.

use std::time::Duration;

use super::sound_site::{deployment, seconds, sound};
use crate::doctor::deployment::{Deployment, Manager, MisuseConsequence, MisusedSetting};
use crate::doctor::examine;
use crate::doctor::facts::{
    AppProblem, Denial, DeploymentFacts, DjangoSettings, RunningWorker, SecurityModule,
    ServerSettings, SocketState, TrustedProxies,
};
use crate::doctor::finding::Severity;

/// The rules with a finding after `change` was made to the facts of a correct site.
pub(super) fn found(change: impl FnOnce(&mut DeploymentFacts)) -> Vec<(&'static str, Severity)> {
    let mut facts = sound();
    change(&mut facts);
    let findings = examine(&facts);
    findings
        .iter()
        .map(|finding| (finding.rule, finding.severity))
        .collect()
}

pub(super) fn deployed(facts: &mut DeploymentFacts) -> &mut ServerSettings {
    let first = facts.deployments.first_mut();
    first.and_then(|one| one.server.as_mut()).expect("one")
}

use Severity::{Error, Notice, Warning};

#[test]
fn a_sound_site_and_one_of_which_nothing_is_known() {
    assert_eq!(found(|_| {}), []);
    assert_eq!(examine(&DeploymentFacts::default()), []);
}

#[test]
fn stopping() {
    for (stop, manager, expected) in [
        (Some(10), Manager::Systemd, Some(Error)),
        (Some(30), Manager::Kubernetes, Some(Warning)),
        (None, Manager::Systemd, None),
        (None, Manager::Compose, Some(Error)),
        (None, Manager::Kubernetes, Some(Warning)),
        (None, Manager::Image, None),
    ] {
        let found = found(|facts| {
            facts.deployments = vec![Deployment {
                stop: stop.map(seconds),
                ..deployment(manager)
            }];
        });
        let expected: Vec<_> = expected
            .into_iter()
            .map(|one| ("stop-timeout", one))
            .collect();
        assert_eq!(found, expected, "{stop:?} {manager:?}");
    }
    let found = found(|facts| deployed(facts).shutdown_delay = seconds(20));
    assert_eq!(found, [("stop-timeout", Error)]);
}

#[test]
fn how_it_is_started() {
    let shell = found(|facts| facts.deployments[1].has_shell = true);
    assert_eq!(shell, [("shell-first", Warning)]);
    let kind = found(|facts| facts.deployments[0].kind = Some("simple".to_owned()));
    assert_eq!(kind, [("unit-type", Warning)]);
    let memory = found(|facts| facts.deployments[2].memory = Some(300 << 20));
    assert_eq!(memory, [("memory-limit", Warning)]);
    let unmeasured = found(|facts| {
        facts.running = None;
        facts.deployments[2].memory = Some(100 << 20);
    });
    assert_eq!(unmeasured, [("memory-limit", Notice)]);
}

#[test]
fn idle_times_of_load_balancers_and_of_websockets() {
    let balancer = found(|facts| facts.load_balancers[0].idle_timeout = seconds(75));
    assert_eq!(balancer, [("idle-timeout", Warning)]);
    let pings = found(|facts| deployed(facts).ping_interval = Some(seconds(60)));
    assert_eq!(pings, [("websocket-timeout", Warning)]);
    let none = found(|facts| deployed(facts).ping_interval = None);
    assert_eq!(none, [("websocket-timeout", Warning)]);
    let without = found(|facts| {
        deployed(facts).ping_interval = None;
        facts.passes[0]
            .headers
            .retain(|(name, _)| name != "upgrade");
    });
    assert_eq!(without, []);
    let of_worker = |is_asgi: bool| {
        found(|facts| {
            let server = deployed(facts);
            (server.request_timeout, server.timeout) = (None, Some(seconds(90)));
            server.is_asgi = Some(is_asgi);
        })
    };
    assert_eq!(of_worker(false), [("read-timeout", Warning)]);
    assert_eq!(of_worker(true), []);
}

#[test]
fn what_the_kernel_denies() {
    for module in [SecurityModule::SeLinux, SecurityModule::AppArmor] {
        let denied = found(|facts| {
            facts.machine.denials.push(Denial {
                module,
                program: "nginx".to_owned(),
                access: "connectto /run/shop.sock".to_owned(),
            });
        });
        assert_eq!(denied, [("access-denied", Warning)]);
    }
}

#[test]
fn nginx_in_front() {
    let none = found(|facts| facts.passes[0].upstream = None);
    assert_eq!(none, [("upstream-keepalive", Warning)]);
    let variable = found(|facts| {
        facts.passes[0].upstream = None;
        facts.passes[0].target = "http://$colour:8000".to_owned();
    });
    assert_eq!(variable, []);
    let closed = found(|facts| {
        let upstream = facts.passes[0].upstream.as_mut();
        upstream.expect("one").keepalive = 0;
    });
    assert_eq!(closed, [("upstream-keepalive", Warning)]);
    let old = found(|facts| facts.passes[0].http_version = None);
    assert_eq!(old, [("upstream-reuse", Warning)]);
    let closing = found(|facts| facts.passes[0].headers[1].1 = "close".to_owned());
    assert_eq!(closing, [("upstream-reuse", Warning)]);
    let shorter = found(|facts| deployed(facts).keep_alive = seconds(60));
    assert_eq!(shorter, [("idle-timeout", Warning)]);
    let never = found(|facts| deployed(facts).keep_alive = Duration::ZERO);
    assert_eq!(never, []);
    let read = found(|facts| facts.passes[0].read_timeout = seconds(20));
    assert_eq!(read, [("read-timeout", Warning); 3]);
    let headers = found(|facts| drop(facts.passes[0].headers.remove(0)));
    assert_eq!(headers, [("forwarded-headers", Warning)]);
}

#[test]
fn load_balancers_keep_connections_for_a_minute() {
    let alone = |keep_alive: u64| {
        found(|facts| {
            facts.passes.clear();
            facts.load_balancers.clear();
            facts.deployments.clear();
            facts.server.as_mut().expect("one").keep_alive = seconds(keep_alive);
        })
    };
    assert_eq!(alone(60), [("idle-timeout", Notice)]);
    assert_eq!(alone(61), []);
}

#[test]
fn whom_the_server_believes() {
    let compose = found(|facts| {
        let server = facts.deployments[1].server.as_mut();
        server.expect("one").trusted_proxies = TrustedProxies::ThisMachine;
    });
    assert_eq!(compose, [("trusted-proxies", Notice)]);
    // nginx on the same machine comes from the loopback.
    let unit = found(|facts| deployed(facts).trusted_proxies = TrustedProxies::ThisMachine);
    assert_eq!(unit, []);
    let nobody = found(|facts| {
        facts.deployments.clear();
        facts.server.as_mut().expect("one").trusted_proxies = TrustedProxies::ThisMachine;
        facts.django.as_mut().expect("one").knows_proxy_scheme = false;
        let upstream = facts.passes[0].upstream.as_mut();
        upstream.expect("one").servers = vec!["app:8000".to_owned()];
    });
    assert_eq!(nobody, [("django-scheme", Notice)]);
}

#[test]
fn addresses_that_clients_choose() {
    let found_with = |trusted, value: Option<&str>| {
        found(|facts| {
            deployed(facts).trusted_proxies = trusted;
            let headers = &mut facts.passes[0].headers;
            headers.retain(|(name, _)| name != "x-forwarded-for");
            headers.extend(value.map(|value| ("x-forwarded-for".to_owned(), value.to_owned())));
        })
    };
    let forged = ("forged-address", Error);
    for passed_on in ["$proxy_add_x_forwarded_for", "$http_x_forwarded_for"] {
        let everyone = found_with(TrustedProxies::Everyone, Some(passed_on));
        assert_eq!(everyone, [forged]);
        assert_eq!(found_with(TrustedProxies::Networks, Some(passed_on)), []);
    }
    let everyone = found_with(TrustedProxies::Everyone, None);
    assert_eq!(everyone, [("forwarded-headers", Warning), forged]);
    assert_eq!(
        found_with(TrustedProxies::Everyone, Some("$remote_addr")),
        []
    );
}

#[test]
fn sockets_that_nginx_cannot_reach() {
    for state in [
        SocketState::Closed { mode: 0o600 },
        SocketState::NoSocket,
        SocketState::Behind {
            directory: "/run/shop".into(),
            mode: 0o700,
        },
    ] {
        let found = found(|facts| facts.sockets[0].state = state.clone());
        assert_eq!(found, [("socket-access", Warning)], "{state:?}");
    }
}

#[test]
fn the_machine() {
    let wrong = found(|facts| facts.misconfigured = Some("no such option".to_owned()));
    assert_eq!(wrong, [("configuration", Error)]);
    let queue = found(|facts| facts.machine.somaxconn = Some(128));
    assert_eq!(queue, [("somaxconn", Warning)]);
    let files = found(|facts| facts.machine.descriptors = Some(1024));
    assert_eq!(files, [("descriptors", Warning)]);
    let many = found(|facts| {
        facts.deployments.clear();
        facts.server.as_mut().expect("one").workers = 9;
    });
    assert_eq!(many, [("cpus", Notice)]);
    let lost = found(|facts| facts.machine.tcp_migrate_req = Some(false));
    assert_eq!(lost, [("tcp-migrate-req", Warning)]);
    let past = found(|facts| facts.machine.now = 1_000_000_000);
    assert_eq!(past, [("clock", Error)]);
    let shell = found(|facts| facts.machine.first_process = Some("sh".to_owned()));
    assert_eq!(shell, [("shell-first", Warning)]);
}

#[test]
fn the_interpreter() {
    let version =
        |minor| found(move |facts| facts.python.as_mut().expect("one").version = (3, minor));
    // 2027-01-15.
    assert_eq!(version(10), [("python-version", Warning)]);
    assert_eq!(version(11), []);
    assert_eq!(version(99), []);
    let soon = found(|facts| {
        facts.machine.now = 1_820_000_000;
        facts.python.as_mut().expect("one").version = (3, 11);
    });
    assert_eq!(soon, [("python-version", Notice)]);
    let slow = found(|facts| facts.python.as_mut().expect("one").has_uvloop = false);
    assert_eq!(slow, [("uvloop", Notice)]);
    let open = found(|facts| facts.python.as_mut().expect("one").writable = vec!["/srv".into()]);
    assert_eq!(open, [("writable-path", Error)]);
}

#[test]
fn settings_of_django() {
    let django = |change: fn(&mut DjangoSettings)| {
        found(|facts| change(facts.django.as_mut().expect("one")))
    };
    assert_eq!(
        django(|django| django.error = Some("KeyError".to_owned())),
        [("django-settings", Warning)]
    );
    assert_eq!(
        django(|django| django.debug = true),
        [("django-debug", Error)]
    );
    assert_eq!(
        django(|django| django.allowed_hosts.clear()),
        [("django-hosts", Error)]
    );
    assert_eq!(
        django(|django| django.allowed_hosts.push("*".to_owned())),
        [("django-hosts", Notice)]
    );
    assert_eq!(
        django(|django| django.has_generated_key = true),
        [("django-secret", Warning)]
    );
    assert_eq!(
        django(|django| django.kept_connections = vec!["default".to_owned()]),
        [("django-connections", Warning)]
    );
    let unready = found(|facts| deployed(facts).has_ready_path = false);
    assert_eq!(unready, [("ready-path", Notice)]);
}

#[test]
fn log_files() {
    let grows = found(|facts| facts.machine.logrotate = "/var/log/nginx/*.log".to_owned());
    assert_eq!(grows, [("log-rotation", Notice)]);
    let device = found(|facts| {
        facts.machine.logrotate.clear();
        facts.server.as_mut().expect("one").log_files = vec!["/dev/stdout".into()];
    });
    assert_eq!(device, []);
}

#[test]
fn a_server_that_runs() {
    let worker = |change: fn(&mut RunningWorker)| {
        found(|facts| change(&mut facts.running.as_mut().expect("one").workers[0]))
    };
    assert_eq!(
        worker(|worker| worker.is_hung = true),
        [("worker-hung", Error)]
    );
    assert_eq!(
        worker(|worker| worker.restarts = 21),
        [("worker-restarts", Notice)]
    );
    let reload = found(|facts| {
        let running = facts.running.as_mut();
        running.expect("one").last_failure = Some("SyntaxError".to_owned());
    });
    assert_eq!(reload, [("last-reload", Warning)]);
    let full = found(|facts| facts.machine.memory = Some(150 << 20));
    assert_eq!(full, [("memory-limit", Warning)]);
}

#[test]
fn the_worst_is_last() {
    let found = found(|facts| {
        facts.machine.now = 1;
        facts.machine.somaxconn = Some(1);
        facts.python.as_mut().expect("one").has_uvloop = false;
    });
    let severities: Vec<_> = found.into_iter().map(|(_, severity)| severity).collect();
    assert_eq!(severities, [Notice, Warning, Error]);
}

#[test]
fn what_the_program_rejects_or_ignores() {
    let misuse = |consequence| MisusedSetting {
        place: "compose.yaml:3".to_owned(),
        problem: "there is no option --wokers".to_owned(),
        hint: None,
        consequence,
    };
    for (consequence, rule, severity) in [
        (MisuseConsequence::Rejected, "configuration", Error),
        (MisuseConsequence::Ignored, "unknown-variable", Warning),
        (MisuseConsequence::IgnoredBySystemd, "unit-line", Warning),
    ] {
        let found = found(|facts| facts.deployments[0].misuses.push(misuse(consequence)));
        assert_eq!(found, [(rule, severity)]);
    }
}

#[test]
fn an_app_that_is_not_there_and_a_file_that_cannot_be_parsed() {
    let app = found(|facts| {
        facts.app = Some(AppProblem {
            app: "nope:app".to_owned(),
            problem: "there is no module 'nope'".to_owned(),
        });
    });
    assert_eq!(app, [("app", Error)]);
    let broken = ("compose.yaml".to_owned(), "line 2".to_owned());
    let file = found(|facts| facts.unreadable.push(broken));
    assert_eq!(file, [("unreadable-file", Error)]);
}
