//! Settings of the worker processes.

use super::{Definition, Empty, Group, ValueType, Variable};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("workers"),
        short: Some('w'),
        value: "N",
        default: Some("1"),
        variable: Some(Variable {
            name: "WEB_CONCURRENCY",
            prefix: "",
            empty: Empty::Unset,
        }),
        help: "How many worker processes: a number, auto for one per available CPU, or a range MIN..MAX",
        more: "auto counts what this process may use: the CPU quota of its cgroup, rounded up, and its CPU affinity; it follows a quota \
               that is changed later. In a range, \
               as in 2..8 or auto..auto*2, the number follows the load: see the three settings below.",
        ..Definition::new("workers", Group::Workers, ValueType::Number)
    },
    Definition {
        long: Some("scale-wait"),
        value: "MS",
        default: Some("10ms"),
        help: "With -w MIN..MAX: add a worker while connections wait longer than this to be accepted",
        more: "Milliseconds, or a number with a unit. It counts when 19 of 20 connections that were accepted in a second have \
               waited less, and the others longer. Two workers are added where it is four times as long. A worker is also added \
               when all of them have been busy for a second.",
        ..Definition::new("scale_wait", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("scale-idle"),
        value: "SECONDS",
        default: Some("60"),
        help: "With -w MIN..MAX: remove a worker after so long with less than 40 % of their time busy",
        more: "While it stays so, one more each second, down to MIN.",
        ..Definition::new("scale_idle", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("scale-memory"),
        value: "BYTES",
        help: "With -w MIN..MAX: what all workers may take together; default: 85 % of the cgroup's limit",
        more: "No worker is added that would not fit. Without a limit of the control group and without this, memory is not looked at.",
        ..Definition::new("scale_memory", Group::Workers, ValueType::Size)
    },
    Definition {
        long: Some("shed-wait"),
        value: "SECONDS",
        help: "Answer requests with 503 that have waited this long while all workers are busy; default: they wait",
        more: "The response names in Retry-After how long the app has made no progress. It is sent without the app, also while a call \
               blocks the event loop; probes and static files are answered. With -w MIN..MAX only when there are MAX workers.",
        ..Definition::new("shed_wait", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("threads"),
        value: "N",
        default: Some("1"),
        help: "Application threads of each WSGI worker",
        more: "They only run the app: waiting for slow clients is not their work, so that few are needed. ASGI apps do not use them.",
        ..Definition::new("threads", Group::Workers, ValueType::Number)
    },
    Definition {
        long: Some("timeout"),
        short: Some('t'),
        value: "SECONDS",
        default: Some("30"),
        help: "Replace a worker that is stuck for this long; 0 never does",
        more: "ASGI: the event loop did not run. WSGI: a request ran without reading or yielding. The Python stack of every \
               thread is logged before the worker is killed. At least a second: workers are checked once a second.",
        ..Definition::new("timeout", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("request-timeout"),
        value: "SECONDS",
        help: "Cancel a request of an ASGI app after this long, with 504 if nothing was sent; default: never",
        more: "The app's task gets asyncio's CancelledError, as when it is cancelled by anything else.",
        ..Definition::new("request_timeout", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("max-requests"),
        value: "N",
        default: Some("0"),
        help: "Replace a worker after about this many requests; 0 never does",
        more: "Its replacement is ready before it goes, and no request is lost. One worker at a time, never during a reload. \
               Workers are checked once a second.",
        ..Definition::new("max_requests", Group::Workers, ValueType::Number)
    },
    Definition {
        long: Some("max-requests-jitter"),
        value: "N",
        default: Some("0"),
        help: "Up to this many requests more, drawn for each worker, so that they do not all go at once",
        ..Definition::new("max_requests_jitter", Group::Workers, ValueType::Number)
    },
    Definition {
        long: Some("max-worker-memory"),
        value: "BYTES",
        help: "Replace a worker whose resident memory is more than this, as in 400m; default: never",
        more: "As --max-requests: replaced, not killed.",
        ..Definition::new("max_worker_memory", Group::Workers, ValueType::Size)
    },
    Definition {
        long: Some("max-worker-lifetime"),
        value: "SECONDS",
        help: "Replace a worker that has served for this long, as in 12h; default: never",
        more: "As --max-requests: replaced, not killed.",
        ..Definition::new("max_worker_lifetime", Group::Workers, ValueType::Duration)
    },
    Definition {
        long: Some("max-worker-lifetime-jitter"),
        value: "SECONDS",
        default: Some("0"),
        help: "Up to this much longer, drawn for each worker",
        ..Definition::new(
            "max_worker_lifetime_jitter",
            Group::Workers,
            ValueType::Duration,
        )
    },
    Definition {
        long: Some("gc"),
        value: "MODE",
        default: Some("default"),
        help: "When Python's full garbage collections run; idle: between requests",
        more: "Full collections traverse all objects of the app, in the middle of a request. idle: one that is due waits until no \
               request has been in flight for 5 ms. Where that does not happen, one runs after 60 s or ten times the usual number of \
               allocations, between two requests of a thread or two steps of the event loop. Collections of young objects stay as \
               they are. What the app does with `gc.disable()` and `gc.set_threshold()` counts. From Python 3.14 on it has no \
               effect where the interpreter collects old objects in small steps.",
        ..Definition::new(
            "garbage_collection",
            Group::Workers,
            ValueType::Choice(&["default", "idle"]),
        )
    },
    Definition {
        long: Some("loop"),
        aliases: &["asgi-loop"],
        value: "LOOP",
        default: Some("auto"),
        help: "The event loop of ASGI workers; auto is uvloop when it is installed",
        ..Definition::new(
            "asgi_loop",
            Group::Workers,
            ValueType::Choice(&["auto", "asyncio", "uvloop"]),
        )
    },
    Definition {
        long: Some("lifespan"),
        aliases: &["asgi-lifespan"],
        value: "MODE",
        default: Some("auto"),
        help: "ASGI's lifespan events; on: the app must support them, off: they are not sent",
        more: "auto sends them and goes on without when the app raises at the first one.",
        ..Definition::new(
            "asgi_lifespan",
            Group::Workers,
            ValueType::Choice(&["auto", "on", "off"]),
        )
    },
];
