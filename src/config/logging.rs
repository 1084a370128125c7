//! The settings of the logs beyond their files, as plain data: formats, sampling, syslog, statsd, request ids.

use std::ffi::CString;
use std::path::PathBuf;

/// The shape of the error log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// gunicorn's: `[time] [pid] [LEVEL] message field=value`.
    Text,
    /// An object a line.
    Json,
    Logfmt,
}

/// A message's line in a custom format: `error_fmt` or `syslog_fmt` of a logger class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineShape {
    pub pieces: Vec<LinePiece>,
    /// For strftime; `None`: logging's own, with milliseconds.
    pub date: Option<CString>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinePiece {
    Text(String),
    Part(LinePart, Conversion),
}

/// The fields of such a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinePart {
    /// asctime
    Time,
    /// process
    Pid,
    /// levelname
    Level,
    /// levelno
    LevelNumber,
    /// name
    Logger,
    /// message
    Message,
}

/// The shape of the access log's lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessFormat {
    /// gunicorn's default.
    Gunicorns,
    /// An object a line.
    Json,
    /// `name=value` for each value that there is.
    Logfmt,
    Custom(Vec<FormatPiece>),
    /// As `Custom`, and always a valid JSON document: values are escaped by JSON's rules.
    JsonShaped(Vec<FormatPiece>),
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormatPiece {
    Text(String),
    Atom(Atom, Conversion),
}

/// The fields of `%(…)`, with gunicorn's letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Atom {
    /// h
    Client,
    /// u
    User,
    /// t
    Time,
    /// r
    RequestLine,
    /// s
    Status,
    /// m
    Method,
    /// U, without the query
    Path,
    /// q
    Query,
    /// H
    Protocol,
    /// b and B: the same, since an empty response has length 0
    Length,
    /// f
    Referer,
    /// a
    UserAgent,
    /// T
    Seconds,
    /// M
    Milliseconds,
    /// D
    Microseconds,
    /// L
    DecimalSeconds,
    /// p
    Pid,
    /// {name}i, lower-cased
    RequestField(String),
    /// {name}o, lower-cased
    ResponseField(String),
    /// {name}e, lower-cased
    Environ(String),
}

impl Atom {
    /// Python's `%d` accepts it.
    pub fn is_number(&self) -> bool {
        matches!(
            self,
            Atom::Status | Atom::Length | Atom::Seconds | Atom::Milliseconds | Atom::Microseconds
        )
    }
}

/// The rest of a `%` conversion: `%(D)08d`, `%(h)-15s`, `%(U).20s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Conversion {
    pub width: usize,
    /// Of a text: the most characters.
    pub precision: Option<usize>,
    pub align: Align,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Align {
    #[default]
    Right,
    Left,
    /// With zeros on the left.
    Zeros,
}

/// Which requests have a line in the access log, and its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLines {
    pub format: AccessFormat,
    /// Requests logged per million; failures (5xx) are always logged.
    pub sample: u32,
    pub exclude: Vec<PathPattern>,
}

/// Everything: no sampling.
pub const ALL_OF_A_MILLION: u32 = 1_000_000;

/// Paths of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    Exactly(String),
    /// `/static/*`
    Below(String),
}

impl PathPattern {
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathPattern::Exactly(own) => path == own.as_bytes(),
            PathPattern::Below(start) => path.starts_with(start.as_bytes()),
        }
    }
}

/// Whether requests without an id get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestIds {
    Off,
    /// The lower-cased name of the field that carries it.
    Field(String),
}

/// The source of the workers' configuration of Python's logging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonLogging {
    /// `logging.config.fileConfig`
    File(PathBuf),
    /// `logging.config.dictConfig`, from a file
    JsonFile(PathBuf),
    /// `logging.config.dictConfig`, as JSON
    Dict(String),
}

/// Where the app's own output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prints {
    /// Standard output and standard error of the program.
    Through,
    /// The file of the error log.
    ToErrorLog,
}

/// Whether a daemon keeps standard output and error that are not a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    Silent,
    Inherited,
}

/// The address of a syslog or statsd server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteAddress {
    Udp {
        host: String,
        port: u16,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// A unix datagram socket.
    Datagrams(PathBuf),
    /// A unix stream socket.
    Stream(PathBuf),
    /// A unix socket of either kind.
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogSettings {
    pub address: RemoteAddress,
    /// `gunicorn.` and this and `.error` or `.access` is the program's name.
    pub prefix: String,
    /// As RFC 5424 numbers them.
    pub facility: u8,
    /// Whether the access log goes there too.
    pub access: bool,
    /// The text after the program's name; `None`: `[pid] message`.
    pub line: Option<LineShape>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdSettings {
    pub address: RemoteAddress,
    /// With its dot, or empty.
    pub prefix: String,
    /// `|#tag,tag`, or empty.
    pub tags: String,
    pub backlog: BacklogMetric,
}

/// Whether the number of connections waiting to be accepted is sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BacklogMetric {
    Sent,
    No,
}

/// All settings of the logs except level and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    pub format: LogFormat,
    /// Of lines that are text.
    pub line: Option<LineShape>,
    pub access: AccessLines,
    pub request_ids: RequestIds,
    pub python: Option<PythonLogging>,
    pub prints: Prints,
    pub stdio: Stdio,
    pub syslog: Option<SyslogSettings>,
    pub statsd: Option<StatsdSettings>,
}
