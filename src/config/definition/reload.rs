//! Settings of a worker's life: boot, readiness, reload, drain.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("run-before"),
        value: "COMMAND",
        occurs: Occurs::Repeatedly,
        help: "Run this before the first worker starts, as in \"python manage.py migrate\"; may be repeated",
        more: "One after the other, without a shell, as the workers' user, in --chdir. A command that fails stops the server with \
               its exit code (127 when it cannot be found, 126 when it cannot be run, 128 and its number for a signal). TERM, INT \
               and QUIT reach it and everything it started. A reload does not run it again.",
        ..Definition::new("run_before", Group::Reload, ValueType::Text)
    },
    Definition {
        long: Some("run-before-timeout"),
        value: "SECONDS",
        default: Some("0"),
        help: "How long each of these commands may take; 0: no limit",
        more: "Then it gets SIGTERM, SIGKILL --graceful-timeout later, and the server exits with 124.",
        ..Definition::new("run_before_timeout", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("beside"),
        value: "COMMAND",
        occurs: Occurs::Repeatedly,
        help: "Run this beside the workers, as in \"celery -A site worker\"; may be repeated",
        more: "Started without a shell once all workers are ready, as the workers' user, in --chdir, with their environment; started \
               again when it ends, after a delay when it keeps failing, and after each successful reload. What it prints goes to \
               the error log. At a stop it gets TERM, and KILL after --graceful-timeout. In rgun.toml `[beside.NAME]` has \
               `command`, `grace` (seconds in place of --graceful-timeout) and `env`; without a name it is called after its \
               program. `rgun ctl restart NAME` starts it anew.",
        ..Definition::new("beside", Group::Reload, ValueType::Named)
    },
    Definition {
        long: Some("boot-timeout"),
        value: "SECONDS",
        default: Some("60"),
        help: "How long a worker may take until it is ready",
        more: "Import, lifespan startup and --ready-path together. A reload whose workers are late is rolled back.",
        ..Definition::new("boot_timeout", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("warm-up"),
        value: "MODE",
        default: Some("auto"),
        help: "Load what the app would load with its first request while the worker boots; off: do not",
        more: "Django's URLconf with all views and error handlers, its template engines, translations and backends; the middleware \
               of Starlette and FastAPI. No view is called. What fails there fails the boot, and a reload is rolled back, instead of \
               answering requests with 500.",
        ..Definition::new(
            "warm_up",
            Group::Reload,
            ValueType::Choice(&["auto", "off"]),
        )
    },
    Definition {
        long: Some("preload"),
        help: "Import the app once, in a process that workers are forked from: less memory, fast respawns",
        more: "Each generation has such a process (a mold): a reload loads the new code in a new one, and a worker that dies is \
               replaced with the code of its generation, whatever is on the disk by then. The app must not start threads while \
               it is imported, and connections that it opens there are shared by all workers. With --reload workers import the app \
               themselves.",
        ..Definition::new("preload_app", Group::Reload, ValueType::Switch)
    },
    Definition {
        long: Some("refork-after"),
        value: "REQUESTS",
        default: Some("0"),
        help: "With --preload: once a worker has answered so many requests, fork all workers anew from it; 0: never",
        more: "What the app has loaded and made in its first requests is then shared by all workers. The worker is replaced, finishes its requests, \
               ends its event loop, its lifespan and the server's threads, and takes the mold's place; the other workers are replaced one after the \
               other. It is refused, and logged, where the app's threads or connections are left in that worker. Once for each generation.",
        ..Definition::new("refork_after", Group::Reload, ValueType::Number)
    },
    Definition {
        long: Some("ready-path"),
        value: "PATH",
        help: "A path that must answer 2xx or 3xx inside a new worker before it counts as ready",
        more: "A reload to code that answers with an error there is rolled back while the old workers serve.",
        ..Definition::new("ready_path", Group::Reload, ValueType::Text)
    },
    Definition {
        long: Some("ready-host"),
        value: "HOST",
        help: "The Host header of that request; default: one of Django's ALLOWED_HOSTS, else localhost",
        more: "The first entry that is usable: `.example.org` stands for example.org, `*` for localhost.",
        ..Definition::new("ready_host", Group::Reload, ValueType::Text)
    },
    Definition {
        long: Some("reload-surge"),
        value: "N",
        help: "On reload, replace this many workers at a time instead of all at once",
        more: "Needs less memory, but both versions serve for a while and only the first batch can be rolled back before it has served.",
        ..Definition::new("reload_surge", Group::Reload, ValueType::Number)
    },
    Definition {
        long: Some("rollback-window"),
        value: "SECONDS",
        default: Some("0"),
        help: "Keep the workers of the previous version for this long, for `rgun ctl rollback`; 0: not at all",
        more: "They stop accepting, finish their requests, and stay in memory: a rollback boots nothing, whatever is on \
               the disk by then. Two generations take memory for that long; see --rollback-keep.",
        ..Definition::new("rollback_window", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("rollback-keep"),
        value: "WHAT",
        default: Some("workers"),
        help: "What is kept for that long: the previous version's workers, or with --preload its mold alone",
        more: "A mold takes the memory of one process. A rollback then forks its workers, which run what they run at every boot (lifespan \
               startup, --ready-path) before they serve; if they fail, the version that serves goes on.",
        ..Definition::new(
            "rollback_keep",
            Group::Reload,
            ValueType::Choice(&["workers", "mold"]),
        )
    },
    Definition {
        long: Some("preview-header"),
        value: "NAME[:VALUE]",
        help: "A header field whose requests are served by the version that is staged or a canary",
        more: "Its worker gets the connection before the app has seen the request. From clients in --preview-allow-ips only, and not over TLS or HTTP/2, nor after \
               a PROXY header: those connections stay where they are.",
        ..Definition::new("preview_header", Group::Reload, ValueType::Text)
    },
    Definition {
        long: Some("preview-allow-ips"),
        value: "CLIENTS",
        default: Some("127.0.0.1,::1"),
        help: "Clients that --preview-header is meant for: addresses, networks, or * for all",
        more: "The client is the one that trusted proxies report, as in REMOTE_ADDR. A client on a unix socket is always meant.",
        ..Definition::new("preview_allow_ips", Group::Reload, ValueType::List)
    },
    Definition {
        long: Some("canary-cookie"),
        value: "NAME",
        help: "A cookie by which each visitor stays with one version during a canary",
        more: "Responses to visitors without it set it, while there is a canary; a request with it is served by the version that it names. Connections with TLS, HTTP/2 or \
               a PROXY header stay where they are.",
        ..Definition::new("canary_cookie", Group::Reload, ValueType::Text)
    },
    Definition {
        long: Some("upgrade-mode"),
        value: "MODE",
        default: Some("in-place"),
        help: "Whether an upgrade goes on in the same process, or fork: starts a second master, as gunicorn does",
        more: "For SIGUSR2 and `rgun ctl upgrade`. The second master has the same listeners, the pid file NAME.2 and the control socket NAME.2, until the first one ends: \
               then it takes both names. TERM to the first one completes the upgrade, TERM to the second one takes it back. Not with \
               --admin-bind or --beside, which both masters would have.",
        ..Definition::new(
            "upgrade_mode",
            Group::Reload,
            ValueType::Choice(&["in-place", "fork"]),
        )
    },
    Definition {
        long: Some("upgrade-timeout"),
        value: "SECONDS",
        default: Some("60"),
        help: "How long the program of an upgrade may take to answer, and then to take over",
        more: "It reads the configuration and what the running server would hand over. One that does not answer changes nothing, and for one that has not taken over the running program is started again.",
        ..Definition::new("upgrade_timeout", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("shutdown-delay"),
        value: "SECONDS",
        default: Some("0"),
        help: "On TERM, fail the readiness probe and go on accepting for this long before the drain",
        more: "For Kubernetes, where traffic goes on arriving for some seconds. Responses then have `Connection: close`. A \
               second TERM skips it.",
        ..Definition::new("shutdown_delay", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("graceful-timeout"),
        value: "SECONDS",
        default: Some("30"),
        help: "How long a stopping worker may take to finish its requests",
        more: "The whole stop fits into it: requests are cancelled when a tenth of it is left (two seconds at most), for the lifespan and for Python's own shutdown.",
        ..Definition::new("graceful_timeout", Group::Reload, ValueType::Duration)
    },
    Definition {
        long: Some("keepalive-drain"),
        value: "SECONDS",
        default: Some("5"),
        help: "How long a replaced worker keeps idle connections open for a request already on its way",
        ..Definition::new("keepalive_drain", Group::Reload, ValueType::Duration)
    },
];
