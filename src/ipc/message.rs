//! The closed list of messages between the master and a worker.

/// From the master to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToWorker {
    /// To a worker that a mold has forked: the master has registered it, and it may begin.
    Begin,
    /// Start accepting.
    Go,
    /// Accept at the listeners for previews alone; `Go` may follow, and ends that.
    Preview,
    /// Stop accepting (answered by `StoppedAccepting`), finish in-flight requests, and stay; `Go` or `Drain` may follow.
    Pause,
    /// Stop accepting (answered by `StoppedAccepting`), finish in-flight requests, exit within `graceful_ms`.
    Drain {
        reason: DrainReason,
        graceful_ms: u64,
    },
    /// As `Drain` for a replaced worker, and then become the mold: answered by `CanFork`, to which `Begin` is the answer, and from
    /// then on by the messages of molds; or exit.
    BecomeMold { graceful_ms: u64 },
    /// Cancel running requests, end the lifespan, exit within two seconds.
    StopFast,
    /// Open the log files again by their names: they were rotated.
    ReopenLogs,
    /// The least severe level of the error log from here on: `config::LogLevel` as a number.
    LogLevel(u8),
    /// Send the Python stacks of all threads and tasks; answered by `Stacks` with that number, if a thread can run Python.
    Stacks { number: u64 },
    /// The inherited memory has new certificates.
    LoadCertificates,
    /// The server is about to drain: go on accepting, and send `Connection: close` with responses.
    CloseAfterAnswers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainReason {
    /// Another worker takes over: idle connections keep `--keepalive-drain`.
    Replaced,
    /// The server ends: the accept queue is emptied first, idle connections get at most one second.
    Shutdown,
    /// As `Replaced`, but no other worker takes over some of its listeners: it empties the queues first.
    Removed,
}

/// From a worker to the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromWorker {
    /// The process runs; the app is about to be imported.
    Booted,
    /// The boot goes on with that phase.
    Entered(Phase),
    /// The app is imported: its interface and framework, what runs it, and the Python it runs on. For people.
    Description(String),
    /// What is served without the app, where its settings decide that: `/static -> /srv/static`, one a line.
    StaticFiles(String),
    /// App imported, lifespan started, ready path answered. It does not accept yet.
    Ready,
    /// Answer to `Drain`: no connection will be accepted from here on.
    StoppedAccepting,
    /// Boot failed; the worker exits after this. `traceback` is the user's, whole, possibly empty.
    Failed {
        phase: Phase,
        summary: String,
        traceback: String,
    },
    /// Answer to `BecomeMold`: nothing runs any more.
    CanFork,
    /// Answer to `Stacks`.
    Stacks { number: u64, text: String },
}

/// A part of a boot; of one that failed, with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The interpreter, the event loop, the worker's own set-up (exit code 3).
    Boot,
    /// The user's code raised while it was imported or made the app, or there is no such module (exit code 3).
    Import,
    /// What was imported has no such app: its attribute, its factory's arguments, its kind (exit code 4).
    Load,
    /// `lifespan.startup.failed` (exit code 3).
    Lifespan,
    /// `--ready-path` did not answer 2xx or 3xx (exit code 3).
    ReadyPath,
    /// Errors in the settings that only a worker can find, such as in a logging configuration (exit code 1).
    Settings,
}
