//! The modules and crates that each module may use. A module that is not named has the rule of its parent.

pub struct Rule {
    pub module: &'static str,
    /// Other modules of this crate that it may use.
    pub may: &'static [&'static str],
    /// Other crates. `std` is everybody's, but for what `never` and `STANDARD` name.
    pub crates: &'static [&'static str],
    /// What it must not take from `std`.
    pub never: &'static [&'static str],
    /// What is forbidden to the others and not to this one.
    pub exempt: &'static [&'static str],
}

/// Items of `std` that no module may use, exemptions aside.
pub const STANDARD: &[&str] = &["std::process::exit", "std::process::abort"];

const RULE: Rule = Rule {
    module: "",
    may: &[],
    crates: &[],
    never: &[],
    exempt: &[],
};

/// Bytes in, decisions out.
const NO_CLOCK_NO_SYSTEM: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "std::thread",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::fs",
    "std::env",
    "std::process",
];

/// An entry: it sets up the hosted or embedded interpreter and connects the layers.
const ENTRY: Rule = Rule {
    may: &[
        "cli",
        "config",
        "ipc",
        "master",
        "observability",
        "sys",
        "worker",
    ],
    crates: &["pyo3", "rgun", "tracing"],
    exempt: &["unsafe", "std::process::exit"],
    ..RULE
};

const RULES: &[Rule] = &[
    Rule {
        module: "main",
        ..ENTRY
    },
    Rule {
        module: "lib",
        ..ENTRY
    },
    Rule {
        module: "hosted",
        ..ENTRY
    },
    Rule {
        module: "embedded",
        ..ENTRY
    },
    Rule {
        module: "cli",
        // The terminal: `rgun ctl top` draws on it.
        may: &[
            "config",
            "doctor",
            "init",
            "master",
            "observability",
            "sys::Error",
            "sys::OutOfMemory",
            "sys::kernel",
            "sys::terminal",
            "sys::unix_seconds",
            // `rgun doctor` reads when certificates expire.
            "tls::CertificateSummary",
            "tls::summaries",
        ],
        crates: &[
            "clap",
            "clap_complete",
            "clap_mangen",
            "serde",
            "serde_json",
            "strsim",
            "terminal_size",
            "tracing",
        ],
        exempt: &["std::process::exit"],
        ..RULE
    },
    Rule {
        module: "doctor",
        may: &["config"],
        crates: &["saphyr", "serde", "serde_json", "strsim"],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "init",
        crates: &["minijinja", "serde", "thiserror"],
        ..RULE
    },
    Rule {
        module: "master",
        // The monitor and the watcher only at the one place where a child becomes one.
        may: &[
            "config",
            "ipc",
            "monitor",
            "observability",
            "sys",
            "tls",
            "watcher",
        ],
        crates: &["serde", "serde_json", "thiserror", "tracing"],
        // It forks: another thread's locks would stay locked in the child.
        never: &[
            "std::thread::Builder",
            "std::thread::scope",
            "std::thread::spawn",
        ],
        ..RULE
    },
    Rule {
        module: "monitor",
        may: &["files", "ipc", "sys"],
        crates: &[
            "bytes",
            "http_body_util",
            "hyper",
            "hyper_util",
            "prometheus_client",
            "tokio",
            "tracing",
        ],
        ..RULE
    },
    Rule {
        module: "master::supervisor",
        crates: &["serde", "serde_json", "thiserror"],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "watcher",
        may: &["config", "sys"],
        crates: &["glob", "tracing"],
        ..RULE
    },
    Rule {
        module: "worker",
        // A seat is what the master hands to a worker, as plain data; nothing else of the master is the worker's.
        may: &[
            "compress",
            "config",
            "files",
            "http",
            "http2",
            "ipc",
            "master::MoldRequest",
            "master::Forked",
            "master::MoldChild",
            "master::MoldSeed",
            "master::WorkerInit",
            "master::SharedCertificates",
            // A worker without a master (`--in-process`) makes its own.
            "master::for_a_server_without_master",
            "observability",
            "proxy",
            "sys",
            "tls",
            "websocket",
        ],
        crates: &[
            "bytes",
            "h2",
            "http_types",
            "httpdate",
            "hyper",
            "itoa",
            "memchr",
            "parking_lot",
            "pyo3",
            "rustls",
            "smallvec",
            "thiserror",
            "tokio",
            "tracing",
        ],
        ..RULE
    },
    Rule {
        module: "worker::asgi",
        // No raw descriptors; but files, Python's selector and sockets come as numbers, of which it takes copies.
        may: &[
            "config",
            "http",
            "ipc",
            "observability",
            "proxy",
            "sys::duplicate",
            "sys::open_at_once",
            "sys::unsized_content",
            "tls",
            "websocket",
            "worker",
        ],
        crates: &[
            "bytes",
            "httpdate",
            "itoa",
            "memchr",
            "parking_lot",
            "pyo3",
            "smallvec",
            "tracing",
        ],
        ..RULE
    },
    Rule {
        module: "worker::wsgi",
        // sys: its threads block signals, and an upload goes to an unnamed file.
        may: &[
            "config",
            "http",
            "ipc",
            "observability",
            "proxy",
            "sys",
            "tls",
            "worker",
        ],
        crates: &[
            "bytes",
            "httpdate",
            "itoa",
            "memchr",
            "parking_lot",
            "pyo3",
            "smallvec",
            "tracing",
        ],
        ..RULE
    },
    Rule {
        module: "worker::python",
        may: &["config", "ipc", "observability", "sys"],
        crates: &["parking_lot", "pyo3", "tracing"],
        exempt: &["unsafe"],
        ..RULE
    },
    Rule {
        module: "tls",
        // Files are opened as the master may open them: without waiting.
        may: &["config", "ipc", "sys::Error", "sys::read_guarded"],
        crates: &["memchr", "ring", "rustls", "thiserror", "x509_cert"],
        never: &[
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::process",
            "std::thread",
        ],
        ..RULE
    },
    Rule {
        module: "ipc",
        may: &["sys"],
        crates: &["thiserror"],
        ..RULE
    },
    Rule {
        module: "http",
        crates: &[
            "bytes",
            "httparse",
            "httpdate",
            "itoa",
            "memchr",
            "smallvec",
            "thiserror",
        ],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "http2",
        may: &["http"],
        // tokio: the traits by which h2 reads and writes.
        crates: &[
            "bytes",
            "h2",
            "http_types",
            "memchr",
            "parking_lot",
            "tokio",
        ],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "websocket",
        crates: &["bytes", "memchr", "sha1_smol", "zlib_rs"],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "files",
        may: &["http"],
        crates: &[
            "httpdate",
            "memchr",
            "mime_guess",
            "serde_json",
            "sha1_smol",
        ],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "compress",
        may: &["files", "http"],
        crates: &["memchr", "thiserror", "zlib_rs", "zstd_safe"],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "proxy",
        may: &["config", "http"],
        never: NO_CLOCK_NO_SYSTEM,
        ..RULE
    },
    Rule {
        module: "observability",
        may: &["config", "sys"],
        crates: &["itoa", "memchr", "parking_lot", "tracing"],
        ..RULE
    },
    Rule {
        module: "config",
        may: &["sys"],
        crates: &["serde", "serde_json", "strsim", "thiserror", "toml"],
        never: &[
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::process",
            "std::thread",
        ],
        ..RULE
    },
    Rule {
        module: "sys",
        crates: &["bytes", "libc", "memchr", "nix", "signal_hook", "socket2"],
        exempt: &["unsafe", "std::process::exit", "std::process::abort"],
        ..RULE
    },
];

/// Of the module or the nearest of its parents.
pub fn rule(module: &str) -> Option<&'static Rule> {
    let mut name = module;
    loop {
        if let Some(rule) = RULES.iter().find(|rule| rule.module == name) {
            return Some(rule);
        }
        name = &name[..name.rfind("::")?];
    }
}
