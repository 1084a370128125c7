//! What is written of requests and events, and where it goes, beyond the files: plain data. It opens and writes nothing.

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

/// A message's line in a form of the user's: what a logger class says in `error_fmt` or `syslog_fmt`.
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

/// What such a line can name.
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
    Custom(Vec<Piece>),
    /// As `Custom`, and a JSON document whatever is put in: values are escaped by JSON's rules.
    JsonShaped(Vec<Piece>),
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Atom(Atom, Conversion),
}

/// What `%(…)` can name, with gunicorn's letters.
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
    /// b and B: the same, for a response of nothing is a length of 0
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
    /// Python's `%d` takes it.
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
    /// Of a text: characters at most.
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

/// Which requests have a line in the access log, and what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLines {
    pub format: AccessFormat,
    /// Of a million requests, so many; failures (5xx) always.
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

/// Whether requests get an id where they bring none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestIds {
    Off,
    /// The lower-cased name of the field that carries it.
    Field(String),
}

/// Where the workers' Python logging is configured from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PythonLogging {
    /// `logging.config.fileConfig`
    File(PathBuf),
    /// `logging.config.dictConfig`, from a file
    JsonFile(PathBuf),
    /// `logging.config.dictConfig`, as JSON
    Dict(String),
}

/// What becomes of what the app prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prints {
    /// It goes where standard output and error of the program go.
    Through,
    /// It goes to the file of the error log.
    ToErrorLog,
}

/// Whether a daemon keeps standard output and error where they are no terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    Silent,
    Inherited,
}

/// How a server of syslog or statsd is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    Udp {
        host: String,
        port: u16,
    },
    Tcp {
        host: String,
        port: u16,
    },
    /// A unix socket of datagrams.
    Datagrams(PathBuf),
    /// A unix socket that is a stream.
    Stream(PathBuf),
    /// A unix socket of either kind.
    Unix(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    pub address: Remote,
    /// `gunicorn.` and this and `.error` or `.access` is the program's name.
    pub prefix: String,
    /// As RFC 5424 numbers them.
    pub facility: u8,
    /// Whether the access log goes there too.
    pub access: bool,
    /// What follows the program's name; `None`: `[pid] message`.
    pub line: Option<LineShape>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statsd {
    pub address: Remote,
    /// With its dot, or empty.
    pub prefix: String,
    /// `|#tag,tag`, or empty.
    pub tags: String,
    pub backlog: BacklogMetric,
}

/// Whether it is told how many connections wait to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BacklogMetric {
    Sent,
    No,
}

/// Everything of the logs but their level and files.
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
    pub syslog: Option<Syslog>,
    pub statsd: Option<Statsd>,
}
