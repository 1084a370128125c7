//! The effective settings of one run.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::Protection;

/// Where the app is: `module`, `module:attr`, `module:attr.sub`, `module:factory()`, `module:factory("argument", name=1)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSpec {
    /// Dotted name of the module to import.
    pub module: String,
    /// Attributes to follow from the module; `None` when none was named (then `application`, `app` are tried).
    pub attribute: Option<String>,
    /// Call what was found to get the app (`module:factory()` or `--factory`).
    pub factory: Factory,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Factory {
    /// With these arguments, as Python writes them; only the worker can check that they are literals.
    Call {
        arguments: String,
    },
    Plain,
}

impl fmt::Display for AppSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.module)?;
        if let Some(attribute) = &self.attribute {
            write!(f, ":{attribute}")?;
        }
        if let Factory::Call { arguments } = &self.factory {
            write!(f, "({arguments})")?;
        }
        Ok(())
    }
}

/// One `-b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    pub endpoint: Endpoint,
    /// `None`: TLS at TCP addresses, where there is a certificate.
    pub protection: Option<Protection>,
}

impl From<Endpoint> for Bind {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            protection: None,
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Endpoint {
    /// A literal address or a host name, resolved when it is bound. Port 0: the kernel chooses.
    Tcp {
        host: String,
        port: u16,
    },
    Unix {
        path: PathBuf,
    },
    /// An inherited descriptor.
    Fd {
        fd: i32,
    },
    /// An inherited descriptor by its systemd name (`LISTEN_FDNAMES`).
    FdName {
        name: String,
    },
}

/// As an operator writes it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') && !host.starts_with('[') => {
                write!(f, "[{host}]:{port}")
            }
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
            Self::Fd { fd } => write!(f, "fd://{fd}"),
            Self::FdName { name } => write!(f, "fd://{name}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    Auto,
    Asgi,
    Wsgi,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventLoop {
    Auto,
    Asyncio,
    Uvloop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifespan {
    Auto,
    On,
    Off,
}

/// What happens to header names with an underscore (gunicorn's `header_map`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderMap {
    Drop,
    Refuse,
    Dangerous,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl LogLevel {
    pub const NAMES: [&str; 5] = ["debug", "info", "warning", "error", "critical"];
    const ALL: [Self; 5] = [
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    pub fn named(name: &str) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| *known == name)?;
        Self::ALL.get(at).copied()
    }

    /// `self as u8`, back.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    Stdout,
    Stderr,
    File(PathBuf),
}

/// Peers whose forwarding headers are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedPeers {
    All,
    /// Networks as (address, prefix length). Unix peers are always trusted, as with gunicorn.
    Networks(Vec<(IpAddr, u8)>),
}

/// One of the `X-Forwarded-…` fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XForwarded {
    For,
    /// With the other fields of `--secure-scheme-headers`.
    Proto,
    Host,
    Port,
    Prefix,
}

/// Which fields of trusted proxies are used. One family: proxies pass the other one on as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardedHeaders {
    /// `Forwarded` (RFC 7239).
    Standard,
    XForwarded(Vec<XForwarded>),
}

/// Whether connections of proxies begin with a PROXY header, and in which version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    Off,
    V1,
    V2,
    /// Either.
    Auto,
}

/// Limits on the size of a request, in bytes or counts; larger ones are rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Request line in bytes (414 above).
    pub request_line: usize,
    /// Number of header fields (431 above).
    pub fields: usize,
    /// One header field in bytes, name and value (431 above).
    pub field_size: usize,
    /// Request body in bytes (413 above).
    pub body: Option<u64>,
}

/// How long the client may take. Each is measured from the last progress of that kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// From accept to the first byte of the first request.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between two reads of a body that the app waits for.
    pub body: Duration,
    /// Least bytes per second of a body while the app waits, once it has waited four times as long; 0: no limit.
    pub body_rate: u64,
    /// Between two writes that made progress.
    pub write: Duration,
    /// Idle keep-alive connections (`--keep-alive`); zero: close after each response.
    pub keep_alive: Duration,
}

/// When a healthy worker is replaced. `None`: never for that reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recycling {
    pub requests: Option<u64>,
    /// Up to that many on top, drawn anew for each worker.
    pub requests_jitter: u64,
    /// Resident memory in bytes.
    pub memory: Option<u64>,
    pub lifetime: Option<Duration>,
    /// Up to that much on top.
    pub lifetime_jitter: Duration,
}

/// A command that runs before the first worker is started: a program and its arguments, no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBefore {
    pub program: String,
    pub arguments: Vec<String>,
}

/// Whether the program leaves the terminal that it was started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessMode {
    Foreground,
    Daemon,
}

/// Where the control socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlSocket {
    /// In the runtime directory, if there is one.
    Usual,
    At(PathBuf),
    None,
}

/// Which supplementary groups a worker under another user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Groups {
    None,
    /// `--initgroups`: those of the user in the system's database.
    OfTheUser,
}

/// Under which names the workers run, as they were typed; `None`: those of the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    pub user: Option<String>,
    pub group: Option<String>,
    pub groups: Groups,
}

/// Whether a worker's boot loads what the app would load with its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUp {
    Auto,
    Off,
}

/// When Python's full garbage collections run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GarbageCollection {
    /// As the interpreter decides.
    Default,
    /// Between requests.
    Idle,
}

/// Where the app is imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preload {
    #[default]
    InWorkers,
    /// In the process that workers are forked from.
    InMold,
}

/// Whether ASGI apps get WebSocket connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSockets {
    Auto,
    Off,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    On,
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocket {
    pub mode: WebSockets,
    /// The largest message in bytes, inflated.
    pub max_size: usize,
    /// `None`: no pings.
    pub ping_interval: Option<Duration>,
    /// `None`: a client may never answer.
    pub ping_timeout: Option<Duration>,
    pub compression: Compression,
}

/// How changed files are detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadEngine {
    /// inotify, and a scan of the files now and then.
    Auto,
    Inotify,
    /// Scanning the files in turn.
    Poll,
}

/// Development: a changed file causes a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoReload {
    pub engine: ReloadEngine,
    /// In addition to what the workers have loaded and the project's own sources: files, directories, patterns; absolute.
    pub extra: Vec<PathBuf>,
}

/// How the files that a WSGI app sends are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendFile {
    Kernel,
    /// As any other iterable.
    App,
}

/// `--reuse-port`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PortSharing {
    /// All workers accept from the same sockets.
    #[default]
    None,
    /// Each slot has TCP sockets of its own, and the kernel chooses among them for each connection.
    BySlot,
}

/// All settings, with defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub app: AppSpec,
    pub bind: Vec<Bind>,
    pub tls: Option<super::TlsSettings>,
    pub plain_http: super::PlainHttp,
    pub umask: u32,
    pub backlog: u32,
    pub port_sharing: PortSharing,
    /// Where the number follows the load, the least.
    pub workers: u32,
    /// Where that number, or the range, depends on the CPUs.
    pub workers_by_cpus: Option<super::WorkersByCpus>,
    /// `None`: it stays as it is.
    pub scaling: Option<super::ScalingSettings>,
    /// Application threads of a WSGI worker.
    pub threads: u32,
    pub interface: Interface,
    pub event_loop: EventLoop,
    pub lifespan: Lifespan,
    pub chdir: Option<PathBuf>,
    pub pythonpath: Vec<PathBuf>,
    pub env: Vec<(String, String)>,
    pub pid_file: Option<PathBuf>,
    pub place: ProcessMode,
    pub run_as: RunAs,
    /// What processes are called in `ps`; `None`: after the app.
    pub process_name: Option<String>,
    /// Where temporary files go. `None`: the system's directory.
    pub temporary_directory: Option<PathBuf>,
    /// The most bytes of one request or response in a temporary file.
    pub spool_limit: u64,
    /// The interpreter the binary embeds (`--python`).
    pub python: Option<PathBuf>,
    /// A worker without a heartbeat for that long is hung. `None`: never.
    pub timeout: Option<Duration>,
    pub graceful_timeout: Duration,
    pub boot_timeout: Duration,
    /// A request of an ASGI app that took that long is cancelled. `None`: never.
    pub request_timeout: Option<Duration>,
    pub recycling: Recycling,
    pub run_before: Vec<RunBefore>,
    /// For each of them. `None`: no limit.
    pub run_before_timeout: Option<Duration>,
    pub companions: Vec<super::CompanionSettings>,
    /// How long replaced workers are kept for a rollback; zero: not at all.
    pub rollback_window: Duration,
    pub rollback_keep: super::RollbackKeep,
    pub preview_header: Option<super::PreviewHeader>,
    /// Name of the cookie by which visitors stay with the version that they have met during a canary.
    pub canary_cookie: Option<Box<str>>,
    pub upgrade_mode: super::UpgradeMode,
    /// How long a program that is asked may take.
    pub upgrade_timeout: Duration,
    /// From the first TERM to the drain.
    pub shutdown_delay: Duration,
    pub keepalive_drain: Duration,
    pub client: ClientTimeouts,
    pub http2: super::Http2Settings,
    pub websocket: WebSocket,
    /// Serve in this process, without workers.
    pub in_process: bool,
    pub warm_up: WarmUp,
    /// `--gc`
    pub garbage_collection: GarbageCollection,
    /// `--preload`
    pub preload: Preload,
    /// A worker that has answered so many requests becomes the mold. `None`: none does.
    pub refork_after: Option<u64>,
    pub ready_path: Option<String>,
    pub ready_host: Option<String>,
    /// How many workers of the new generation boot beside the old ones at once. `None`: all.
    pub reload_surge: Option<u32>,
    /// `--reload`. `None`: changed files have no effect.
    pub reload: Option<AutoReload>,
    pub root_path: String,
    pub header_map: HeaderMap,
    pub forwarded_allow_ips: TrustedPeers,
    pub forwarded_headers: ForwardedHeaders,
    /// Lower-cased names of fields, and the value of each that means https.
    pub secure_scheme_headers: Vec<(String, String)>,
    /// Lower-cased names that trusted proxies may set in spite of `header_map`; `*`: any.
    pub forwarder_headers: Vec<String>,
    pub proxy_protocol: ProxyProtocol,
    /// Peers whose connections begin with a PROXY header, where that is on.
    pub proxy_allow_from: TrustedPeers,
    pub limits: Limits,
    /// Requests in flight per worker above which 503 is answered.
    pub limit_concurrency: Option<u32>,
    /// How long a request may wait while all workers are busy; `None`: for ever.
    pub shed_wait: Option<Duration>,
    pub log_level: LogLevel,
    pub error_log: LogTarget,
    pub access_log: Option<LogTarget>,
    pub logging: super::Logging,
    /// The configuration file, as messages name it.
    pub config_file: Option<String>,
    pub control_socket: ControlSocket,
    /// Where probes and metrics are served; empty: nowhere.
    pub admin_bind: Vec<Endpoint>,
    pub sendfile: SendFile,
    /// Whether ASGI's `http.response.pathsend` is advertised.
    pub pathsend: bool,
    /// Directories that are served without the app.
    pub files: super::StaticFiles,
    /// Of the app's responses. `None`: they are sent as they are.
    pub compression: Option<super::ResponseCompression>,
    /// Whether responses get a `Server` header where the app sets none.
    pub server_header: bool,
    /// A configuration file with effects beyond its values.
    pub hooks: Option<std::sync::Arc<super::HookScript>>,
    /// What they were resolved from. `None`: not from the sources of a run.
    pub record: Option<std::sync::Arc<super::SettingsRecord>>,
}

impl Settings {
    /// Workers are forked from a process of their generation.
    #[must_use]
    pub fn uses_mold(&self) -> bool {
        self.preload == Preload::InMold || self.hooks.is_some()
    }

    /// Variables for commands of the server: those that a configuration file changed, then those that were given.
    pub fn environment(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let file = self.hooks.iter().flat_map(|hooks| &hooks.environment);
        file.chain(&self.env)
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
