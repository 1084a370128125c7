//! The facts that the rules check, as plain data; `None` and empty lists: not known, no finding.

use std::path::PathBuf;
use std::time::Duration;

use super::deployment::Deployment;
pub use super::server_settings::{ServerSettings, TrustedProxies};

#[derive(Debug, Default)]
pub struct DeploymentFacts {
    /// As configured in the working directory.
    pub server: Option<ServerSettings>,
    /// Why that configuration cannot be used.
    pub misconfigured: Option<String>,
    pub machine: Machine,
    pub python: Option<Python>,
    pub django: Option<DjangoSettings>,
    /// Why the app cannot be loaded.
    pub app: Option<AppProblem>,
    /// Files that cannot be parsed, with the reason.
    pub unreadable: Vec<(String, String)>,
    pub deployments: Vec<Deployment>,
    pub passes: Vec<Pass>,
    pub sockets: Vec<ProxiedSocket>,
    pub load_balancers: Vec<LoadBalancer>,
    pub certificates: Vec<ServedCertificate>,
    /// PostgreSQL servers that the files start.
    pub postgres: Vec<PostgresServer>,
    pub running: Option<ServerStatus>,
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
    pub denials: Vec<Denial>,
}

/// The interpreter that the app would run in.
#[derive(Debug, Clone, Default)]
pub struct Python {
    pub version: (u32, u32),
    pub has_uvloop: bool,
    /// Entries of `sys.path` that every user may write to.
    pub writable: Vec<String>,
}

/// An app that is not where the settings say.
#[derive(Debug, Clone)]
pub struct AppProblem {
    /// As it was given.
    pub app: String,
    pub problem: String,
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
    pub postgres: Vec<PostgresDatabase>,
    pub has_generated_key: bool,
    pub knows_proxy_scheme: bool,
}

/// A database of Django's that is on a PostgreSQL server.
#[derive(Debug, Clone, Default)]
pub struct PostgresDatabase {
    pub name: String,
    /// The most connections of a process's pool.
    pub pool: Option<u32>,
    /// Each thread keeps its connection.
    pub is_kept: bool,
}

#[derive(Debug, Clone)]
pub struct PostgresServer {
    pub place: String,
    pub most_connections: u32,
}

/// What a security module of the kernel refused, according to the system's logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    pub module: SecurityModule,
    pub program: String,
    /// `connectto /run/shop.sock`
    pub access: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityModule {
    SeLinux,
    AppArmor,
}

/// A certificate that this server or nginx presents.
#[derive(Debug, Clone, Default)]
pub struct ServedCertificate {
    /// What names its file.
    pub place: String,
    pub file: String,
    pub name: String,
    /// Seconds since 1970.
    pub expires: u64,
    /// As a person reads it.
    pub expiry_date: String,
}

/// One that a manifest asks a provider for.
#[derive(Debug, Clone)]
pub struct LoadBalancer {
    pub place: String,
    /// How long it keeps a connection that is idle.
    pub idle_timeout: Duration,
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
