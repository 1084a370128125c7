//! The facts that the rules check, as plain data; `None` and empty lists: not known, no finding.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Endpoint, Interface, LogTarget, PortSharing, Settings, TrustedPeers};

#[derive(Debug, Default)]
pub struct DeploymentFacts {
    /// As configured in the working directory.
    pub server: Option<ServerSettings>,
    /// Why that configuration cannot be used.
    pub misconfigured: Option<String>,
    pub machine: Machine,
    pub python: Option<Python>,
    pub django: Option<DjangoSettings>,
    pub deployments: Vec<Deployment>,
    pub passes: Vec<Pass>,
    pub sockets: Vec<ProxiedSocket>,
    pub running: Option<ServerStatus>,
}

/// The settings of a server that other programs have to agree with.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it is configured.
    pub place: String,
    /// `None`: the app decides it.
    pub is_asgi: Option<bool>,
    pub workers: u32,
    pub threads: u32,
    pub backlog: u32,
    pub graceful_timeout: Duration,
    pub shutdown_delay: Duration,
    pub keep_alive: Duration,
    pub request_timeout: Option<Duration>,
    pub has_ready_path: bool,
    pub trusted_proxies: TrustedProxies,
    /// A TCP address that is not the loopback's.
    pub is_reachable: bool,
    pub has_own_socket_per_worker: bool,
    pub log_files: Vec<PathBuf>,
}

/// Whose forwarding headers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxies {
    ThisMachine,
    Networks,
    /// Every peer, and so every address in a forwarding header.
    Everyone,
}

/// The machine or container in which the doctor runs.
#[derive(Debug, Default)]
pub struct Machine {
    /// Seconds since 1970.
    pub now: u64,
    pub cpus: Option<u32>,
    pub somaxconn: Option<u32>,
    /// The most descriptors that a process may have.
    pub descriptors: Option<u64>,
    /// Bytes of the control group.
    pub memory: Option<u64>,
    pub tcp_migrate_req: Option<bool>,
    /// The name of process 1, if this is a container.
    pub first_process: Option<String>,
    /// Of `/etc/logrotate.d` and `/etc/logrotate.conf`.
    pub logrotate: String,
}

/// The interpreter that the app would run in.
#[derive(Debug, Clone, Default)]
pub struct Python {
    pub version: (u32, u32),
    pub has_uvloop: bool,
    /// Entries of `sys.path` that every user may write to.
    pub writable: Vec<String>,
}

/// Django's settings, as Python reads them.
#[derive(Debug, Clone, Default)]
pub struct DjangoSettings {
    /// The module, or the error that reading it gave.
    pub module: String,
    pub error: Option<String>,
    pub debug: bool,
    pub allowed_hosts: Vec<String>,
    /// Names of databases whose connections are kept after a request.
    pub kept_connections: Vec<String>,
    pub has_generated_key: bool,
    pub knows_proxy_scheme: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    Systemd,
    Compose,
    Kubernetes,
    /// A Dockerfile.
    Image,
}

/// How a server is started and stopped, according to one file.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `deploy/shop.service`, `compose.yaml: web`.
    pub place: String,
    pub manager: Manager,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// A shell runs the program and stays its parent.
    pub has_shell: bool,
    /// From the signal to the kill, according to the file.
    pub stop: Option<Duration>,
    /// systemd's `Type=`.
    pub kind: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// The settings of its command.
    pub server: Option<ServerSettings>,
}

/// A `proxy_pass` of nginx.
#[derive(Debug, Clone, Default)]
pub struct Pass {
    /// File and line.
    pub place: String,
    pub target: String,
    pub upstream: Option<Upstream>,
    pub http_version: Option<String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub read_timeout: Duration,
}

impl Pass {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(name, _)| name == wanted)?;
        Some(&found.1)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Upstream {
    pub name: String,
    pub servers: Vec<String>,
    /// Idle connections that are kept open.
    pub keepalive: u32,
    pub keepalive_timeout: Duration,
}

/// A unix socket that a proxy connects to.
#[derive(Debug, Clone)]
pub struct ProxiedSocket {
    pub path: PathBuf,
    /// The file and line that names it.
    pub place: String,
    pub state: SocketState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketState {
    Usable,
    /// Others than its owner and group cannot connect.
    Closed {
        mode: u32,
    },
    /// Others cannot enter this directory on the way to it.
    Behind {
        directory: PathBuf,
        mode: u32,
    },
    NoSocket,
}

/// The status of a running server.
#[derive(Debug, Clone, Default)]
pub struct ServerStatus {
    pub name: String,
    pub workers: Vec<RunningWorker>,
    pub last_failure: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct RunningWorker {
    pub slot: u32,
    pub is_hung: bool,
    pub restarts: u64,
    /// Resident bytes.
    pub memory: Option<u64>,
}

impl ServerSettings {
    pub fn of(place: &str, settings: &Settings) -> ServerSettings {
        let log_files = [Some(&settings.error_log), settings.access_log.as_ref()];
        let log_files = log_files.into_iter().flatten().filter_map(|log| match log {
            LogTarget::File(path) => Some(path.clone()),
            LogTarget::Stdout | LogTarget::Stderr => None,
        });
        let is_reachable = settings.bind.iter().any(|bind| match &bind.endpoint {
            Endpoint::Tcp { host, .. } => !is_this_machine(host),
            Endpoint::Unix { .. } | Endpoint::Fd { .. } | Endpoint::FdName { .. } => false,
        });
        ServerSettings {
            place: place.to_owned(),
            is_asgi: match settings.interface {
                Interface::Auto => None,
                Interface::Asgi => Some(true),
                Interface::Wsgi => Some(false),
            },
            workers: settings.most_workers(),
            threads: settings.threads,
            backlog: settings.backlog,
            graceful_timeout: settings.graceful_timeout,
            shutdown_delay: settings.shutdown_delay,
            keep_alive: settings.client.keep_alive,
            request_timeout: settings.request_timeout,
            has_ready_path: settings.ready_path.is_some(),
            trusted_proxies: TrustedProxies::of(&settings.forwarded_allow_ips),
            is_reachable,
            has_own_socket_per_worker: settings.port_sharing == PortSharing::BySlot,
            log_files: log_files.collect(),
        }
    }
}

impl TrustedProxies {
    fn of(peers: &TrustedPeers) -> TrustedProxies {
        match peers {
            TrustedPeers::All => TrustedProxies::Everyone,
            TrustedPeers::Networks(networks)
                if networks.iter().all(|(address, _)| address.is_loopback()) =>
            {
                TrustedProxies::ThisMachine
            }
            // `0.0.0.0/0`
            TrustedPeers::Networks(networks) if networks.iter().any(|(_, length)| *length == 0) => {
                TrustedProxies::Everyone
            }
            TrustedPeers::Networks(_) => TrustedProxies::Networks,
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_matches(['[', ']']);
    let address = literal.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
