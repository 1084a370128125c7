//! Facts of a correct site: everything is known, and in order.

use std::time::Duration;

use crate::doctor::deployment::{Deployment, Expansion, HttpProbe, Manager};
use crate::doctor::facts::{
    DeploymentFacts, DjangoSettings, LoadBalancer, Machine, Pass, PostgresDatabase, PostgresServer,
    ProxiedSocket, Python, RunningWorker, ServedCertificate, ServerSettings, ServerStatus,
    SocketState, TrustedProxies, Upstream,
};

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn server() -> ServerSettings {
    ServerSettings {
        place: "rgun.toml".to_owned(),
        is_asgi: Some(true),
        workers: 2,
        threads: 1,
        backlog: 2048,
        graceful_timeout: seconds(30),
        shutdown_delay: Duration::ZERO,
        keep_alive: seconds(75),
        request_timeout: Some(seconds(50)),
        timeout: Some(seconds(30)),
        ping_interval: Some(seconds(5)),
        has_ready_path: true,
        ready_host: Some("shop.example".to_owned()),
        ports: vec![8000],
        unix_sockets: Vec::new(),
        trusted_proxies: TrustedProxies::Networks,
        is_reachable: true,
        has_own_socket_per_worker: true,
        log_files: vec!["/var/log/shop/error.log".into()],
    }
}

pub fn deployment(manager: Manager) -> Deployment {
    Deployment {
        place: "shop".to_owned(),
        manager,
        command: Vec::new(),
        has_shell: false,
        expansion: Expansion::None,
        environment: Vec::new(),
        stop: Some(seconds(45)),
        kind: (manager == Manager::Systemd).then(|| "notify".to_owned()),
        memory: Some(1 << 30),
        replicas: 2,
        probes: vec![HttpProbe {
            place: "shop.yaml:3".to_owned(),
            port: 9000,
            host: None,
        }],
        runtime_directory: None,
        server: Some(server()),
        misuses: Vec::new(),
    }
}

pub fn pass() -> Pass {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Pass {
        place: "site.conf:3".to_owned(),
        target: "http://shop".to_owned(),
        upstream: Some(Upstream {
            name: "shop".to_owned(),
            servers: vec!["unix:/run/shop.sock".to_owned()],
            keepalive: 32,
            keepalive_timeout: seconds(60),
        }),
        http_version: Some("1.1".to_owned()),
        headers: vec![
            header("host", "$host"),
            header("connection", ""),
            header("x-forwarded-for", "$proxy_add_x_forwarded_for"),
            header("x-forwarded-proto", "$scheme"),
            header("upgrade", "$http_upgrade"),
        ],
        read_timeout: seconds(60),
    }
}

pub fn sound() -> DeploymentFacts {
    DeploymentFacts {
        server: Some(server()),
        misconfigured: None,
        machine: Machine {
            now: 1_800_000_000,
            cpus: Some(2),
            somaxconn: Some(4096),
            descriptors: Some(65_536),
            memory: Some(1 << 30),
            tcp_migrate_req: Some(true),
            first_process: Some("rgun".to_owned()),
            logrotate: "/var/log/shop/*.log { daily }".to_owned(),
            denials: Vec::new(),
        },
        python: Some(Python {
            version: (3, 13),
            has_uvloop: true,
            writable: Vec::new(),
        }),
        django: Some(DjangoSettings {
            module: "config.settings".to_owned(),
            allowed_hosts: vec!["shop.example".to_owned()],
            knows_proxy_scheme: true,
            postgres: vec![PostgresDatabase {
                name: "default".to_owned(),
                pool: Some(4),
                is_kept: false,
            }],
            ..DjangoSettings::default()
        }),
        app: None,
        unreadable: Vec::new(),
        deployments: vec![
            deployment(Manager::Systemd),
            deployment(Manager::Compose),
            deployment(Manager::Kubernetes),
        ],
        passes: vec![pass()],
        sockets: vec![ProxiedSocket {
            path: "/run/shop.sock".into(),
            place: "site.conf:3".to_owned(),
            state: SocketState::Usable,
        }],
        load_balancers: vec![LoadBalancer {
            place: "ingress.yaml: shop".to_owned(),
            idle_timeout: seconds(50),
        }],
        certificates: vec![ServedCertificate {
            expires: u64::MAX,
            ..ServedCertificate::default()
        }],
        postgres: vec![PostgresServer {
            place: "compose.yaml: db".to_owned(),
            most_connections: 100,
        }],
        running: Some(ServerStatus {
            name: "shop".to_owned(),
            workers: vec![RunningWorker {
                memory: Some(100 << 20),
                ..RunningWorker::default()
            }],
            last_failure: None,
        }),
    }
}
