//! Options of uvicorn, granian, hypercorn and uWSGI that rgun does not have, with what to write instead. It only explains.
//! What gunicorn has is understood: `definition/gunicorn.rs`.

/// An option that somebody's habit or Dockerfile still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    pub option: &'static str,
    /// Ends the sentence "`--host` …".
    pub verdict: &'static str,
    /// The way out, where there is one.
    pub advice: Option<&'static str>,
}

/// `option` with its dashes, without a value.
#[must_use]
pub fn foreign(option: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|foreign| foreign.option == option)
}

const fn says(option: &'static str, verdict: &'static str, advice: &'static str) -> Foreign {
    Foreign {
        option,
        verdict,
        advice: Some(advice),
    }
}

const BOTH: &str = "is uvicorn's and granian's";
const UVICORN: &str = "is uvicorn's";
const GRANIAN: &str = "is granian's";
const HYPERCORN: &str = "is hypercorn's";
const UWSGI: &str = "is uWSGI's";

const FOREIGN: &[Foreign] = &[
    says(
        "--ssl-keyfile-password",
        BOTH,
        "let a proxy in front do TLS",
    ),
    says("--ssl-cert-reqs", UVICORN, "let a proxy in front do TLS"),
    says("--ssl-ca-certs", UVICORN, "let a proxy in front do TLS"),
    says("--ssl-ciphers", UVICORN, "let a proxy in front do TLS"),
    says("--ssl-protocol-min", GRANIAN, "let a proxy in front do TLS"),
    says("--ssl-ca", GRANIAN, "let a proxy in front do TLS"),
    says("--ssl-crl", GRANIAN, "let a proxy in front do TLS"),
    says(
        "--ssl-client-verify",
        GRANIAN,
        "let a proxy in front do TLS",
    ),
    says(
        "--http1-buffer-size",
        GRANIAN,
        "use `--limit-request-field_size BYTES`",
    ),
    says("--http1-pipeline-flush", GRANIAN, "leave it out"),
    says(
        "--http2-adaptive-window",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-initial-connection-window-size",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-initial-stream-window-size",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-keep-alive-interval",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-keep-alive-timeout",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-max-headers-size",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--http2-max-send-buffer-size",
        GRANIAN,
        "let a proxy in front speak HTTP/2",
    ),
    says(
        "--blocking-threads-idle-timeout",
        GRANIAN,
        "threads stay: leave it out",
    ),
    says(
        "--rss-sample-interval",
        GRANIAN,
        "memory is looked at by itself: leave it out",
    ),
    says(
        "--rss-samples",
        GRANIAN,
        "memory is looked at by itself: leave it out",
    ),
    says(
        "--static-path-expires",
        GRANIAN,
        "let a proxy in front serve files",
    ),
    says(
        "--static-path-dir-to-file",
        GRANIAN,
        "let a proxy in front serve files",
    ),
    says(
        "--metrics-scrape-interval",
        GRANIAN,
        "metrics are made when they are asked for: leave it out",
    ),
    says(
        "--reload-ignore-paths",
        GRANIAN,
        "only `*.py`, what is loaded and `--reload-extra-file` count: leave it out",
    ),
    says(
        "--reload-ignore-worker-failure",
        GRANIAN,
        "a reload that fails leaves the old workers serving: leave it out",
    ),
    says("--debug", HYPERCORN, "use `--log-level debug`"),
    says("--error-log", HYPERCORN, "use `--error-logfile FILE`"),
    says(
        "--keyfile-password",
        HYPERCORN,
        "let a proxy in front do TLS",
    ),
    says("--verify-mode", HYPERCORN, "let a proxy in front do TLS"),
    says("--verify-flags", HYPERCORN, "let a proxy in front do TLS"),
    says(
        "--server-name",
        HYPERCORN,
        "let the proxy in front, or the app (ALLOWED_HOSTS), check the host",
    ),
    says("--no-factory", UVICORN, "leave it out"),
    says("--no-reload", BOTH, "leave it out"),
    says(
        "--no-ws-per-message-deflate",
        UVICORN,
        "use `--ws-per-message-deflate false`",
    ),
    says("--host", BOTH, "use `-b HOST:PORT`"),
    says("--port", BOTH, "use `-b HOST:PORT`"),
    says("--uds", BOTH, "use `-b unix:PATH`"),
    says("--uds-permissions", GRANIAN, "use `--umask`"),
    says("--fd", UVICORN, "use `-b fd://N`"),
    says(
        "--interface",
        BOTH,
        "use `-k asgi` or `-k wsgi`; usually neither is needed",
    ),
    says(
        "--app-dir",
        UVICORN,
        "use `--pythonpath DIR` or `--chdir DIR`",
    ),
    says("--working-dir", GRANIAN, "use `--chdir DIR`"),
    says(
        "--env-file",
        UVICORN,
        "use `-e KEY=VALUE`, or let the container or unit set the environment",
    ),
    says(
        "--env-files",
        GRANIAN,
        "use `-e KEY=VALUE`, or let the container or unit set the environment",
    ),
    says(
        "--http",
        BOTH,
        "rgun has one HTTP implementation: leave it out",
    ),
    says(
        "--timeout-keep-alive",
        UVICORN,
        "use `--keep-alive SECONDS`",
    ),
    says(
        "--timeout-graceful-shutdown",
        UVICORN,
        "use `--graceful-timeout SECONDS`",
    ),
    says(
        "--timeout-worker-healthcheck",
        UVICORN,
        "use `--timeout SECONDS`",
    ),
    says("--limit-max-requests", UVICORN, "use `--max-requests N`"),
    says(
        "--proxy-headers",
        UVICORN,
        "they always count, from the peers of `--forwarded-allow-ips`: leave it out",
    ),
    says(
        "--no-proxy-headers",
        UVICORN,
        "use `--forwarded-allow-ips \"\"`",
    ),
    says("--access-log", BOTH, "use `--access-logfile -`"),
    says(
        "--no-access-log",
        BOTH,
        "there is none without `--access-logfile`: leave it out",
    ),
    says(
        "--access-log-fmt",
        GRANIAN,
        "use `--access-logformat FORMAT`, with gunicorn's names",
    ),
    says(
        "--use-colors",
        UVICORN,
        "messages are coloured on a terminal; the variable NO_COLOR switches it off",
    ),
    says("--no-use-colors", UVICORN, "set the variable NO_COLOR"),
    says(
        "--h11-max-incomplete-event-size",
        UVICORN,
        "use `--limit-request-field_size BYTES`",
    ),
    says("--blocking-threads", GRANIAN, "use `--threads N`"),
    says(
        "--runtime-threads",
        GRANIAN,
        "a worker needs no further threads: leave it out",
    ),
    says(
        "--runtime-mode",
        GRANIAN,
        "a worker needs no further threads: leave it out",
    ),
    says(
        "--runtime-blocking-threads",
        GRANIAN,
        "a worker needs no further threads: leave it out",
    ),
    says("--backpressure", GRANIAN, "use `--limit-concurrency N`"),
    says(
        "--task-impl",
        GRANIAN,
        "requests are asyncio tasks: leave it out",
    ),
    says("--http1-keep-alive", GRANIAN, "use `--keep-alive SECONDS`"),
    says("--no-http1-keep-alive", GRANIAN, "use `--keep-alive 0`"),
    says(
        "--http1-header-read-timeout",
        GRANIAN,
        "use `--header-timeout SECONDS`",
    ),
    says("--url-path-prefix", GRANIAN, "use `--root-path PATH`"),
    says(
        "--respawn-failed-workers",
        GRANIAN,
        "workers are always replaced: leave it out",
    ),
    says(
        "--respawn-interval",
        GRANIAN,
        "a reload waits until the new workers are ready: leave it out",
    ),
    says(
        "--workers-kill-timeout",
        GRANIAN,
        "use `--graceful-timeout SECONDS`",
    ),
    says("--pid-file", GRANIAN, "use `--pid FILE`"),
    says("--log", GRANIAN, "use `--log-level LEVEL`"),
    says("--no-log", GRANIAN, "use `--error-logfile /dev/null`"),
    says(
        "--keepalive",
        "is not an option",
        "use `--keep-alive SECONDS`",
    ),
    says("--pidfile", "is not an option", "use `--pid FILE`"),
    says("--no-http2", GRANIAN, "leave it out"),
    says("--ssl-certificate", GRANIAN, "let a proxy in front do TLS"),
    says("--ssl-keyfile", BOTH, "let a proxy in front do TLS"),
    says("--ssl-certfile", UVICORN, "let a proxy in front do TLS"),
    says(
        "--static-path-mount",
        GRANIAN,
        "let a proxy in front serve files",
    ),
    says(
        "--static-path-route",
        GRANIAN,
        "let a proxy in front serve files",
    ),
    says("--metrics", GRANIAN, "use `--admin-bind ADDRESS`"),
    says("--metrics-port", GRANIAN, "use `--admin-bind ADDRESS`"),
    says("--metrics-address", GRANIAN, "use `--admin-bind ADDRESS`"),
    says(
        "--workers-lifetime",
        GRANIAN,
        "use `--max-worker-lifetime SECONDS`",
    ),
    says(
        "--workers-max-rss",
        GRANIAN,
        "use `--max-worker-memory BYTES`",
    ),
    says("--process-name", GRANIAN, "use `--name NAME`"),
    says("--no-ws", GRANIAN, "use `--ws off`"),
    says(
        "--ws-max-queue",
        UVICORN,
        "messages are read as the app takes them: leave it out",
    ),
    says(
        "--limit-max-requests-jitter",
        UVICORN,
        "use `--max-requests-jitter N`",
    ),
    says(
        "--server-header",
        UVICORN,
        "there is one by default: leave it out",
    ),
    says(
        "--no-date-header",
        UVICORN,
        "HTTP asks for one: leave it out",
    ),
    says(
        "--date-header",
        UVICORN,
        "there always is one: leave it out",
    ),
    says(
        "--header",
        UVICORN,
        "let the app or a proxy in front set it",
    ),
    says("--reload-dir", UVICORN, "use `--reload-extra-file FILE`"),
    says(
        "--reload-include",
        UVICORN,
        "use `--reload-extra-file FILE`",
    ),
    says("--reload-paths", GRANIAN, "use `--reload-extra-file FILE`"),
    says(
        "--reload-exclude",
        UVICORN,
        "hidden directories, node_modules and virtual environments do not count: leave it out",
    ),
    says(
        "--reload-ignore-dirs",
        GRANIAN,
        "hidden directories, node_modules and virtual environments do not count: leave it out",
    ),
    says(
        "--reload-ignore-patterns",
        GRANIAN,
        "only `*.py`, what is loaded and `--reload-extra-file` count: leave it out",
    ),
    says(
        "--reload-delay",
        UVICORN,
        "a save is noticed at once: leave it out",
    ),
    says(
        "--reload-tick",
        GRANIAN,
        "a save is noticed at once: leave it out",
    ),
    says("--insecure-bind", HYPERCORN, "use `-b ADDRESS`"),
    says(
        "--quic-bind",
        HYPERCORN,
        "let a proxy in front speak HTTP/3",
    ),
    says("--read-timeout", HYPERCORN, "use `--body-timeout SECONDS`"),
    says(
        "--websocket-ping-interval",
        HYPERCORN,
        "use `--ws-ping-interval SECONDS`",
    ),
    says(
        "--module",
        UWSGI,
        "name the app as in `rgun site.wsgi:application`",
    ),
    says(
        "--wsgi-file",
        UWSGI,
        "name the app as in `rgun site.wsgi:application`",
    ),
    says(
        "--wsgi",
        UWSGI,
        "name the app as in `rgun site.wsgi:application`",
    ),
    says(
        "--callable",
        UWSGI,
        "name the app as in `rgun site.wsgi:application`",
    ),
    says("--http-socket", UWSGI, "use `-b ADDRESS`"),
    says(
        "--socket",
        UWSGI,
        "use `-b ADDRESS`, and in nginx `proxy_pass` instead of `uwsgi_pass`",
    ),
    says("--chmod-socket", UWSGI, "use `--umask MASK`"),
    says("--processes", UWSGI, "use `-w N`"),
    says("--master", UWSGI, "there always is one: leave it out"),
    says("--enable-threads", UWSGI, "they always are: leave it out"),
    says(
        "--lazy-apps",
        UWSGI,
        "each worker imports the app itself: leave it out",
    ),
    says(
        "--lazy",
        UWSGI,
        "each worker imports the app itself: leave it out",
    ),
    says("--need-app", UWSGI, "it always is: leave it out"),
    says(
        "--die-on-term",
        UWSGI,
        "TERM always ends the server: leave it out",
    ),
    says(
        "--vacuum",
        UWSGI,
        "sockets are always removed: leave it out",
    ),
    says(
        "--single-interpreter",
        UWSGI,
        "there is only one: leave it out",
    ),
    says(
        "--thunder-lock",
        UWSGI,
        "connections are spread evenly: leave it out",
    ),
    says(
        "--no-orphans",
        UWSGI,
        "workers never outlive the master: leave it out",
    ),
    says("--harakiri", UWSGI, "use `--timeout SECONDS`"),
    says(
        "--http-timeout",
        UWSGI,
        "use `--body-timeout SECONDS` and `--write-timeout SECONDS`",
    ),
    says(
        "--buffer-size",
        UWSGI,
        "use `--limit-request-field_size BYTES`",
    ),
    says("--limit-post", UWSGI, "use `--limit-request-body BYTES`"),
    says(
        "--post-buffering",
        UWSGI,
        "large bodies always are: leave it out",
    ),
    says("--listen", UWSGI, "use `--backlog N`"),
    says("--reload-on-rss", UWSGI, "use `--max-worker-memory BYTES`"),
    says(
        "--worker-reload-mercy",
        UWSGI,
        "use `--graceful-timeout SECONDS`",
    ),
    says("--uid", UWSGI, "use `--user USER`"),
    says("--gid", UWSGI, "use `--group GROUP`"),
    says(
        "--daemonize",
        UWSGI,
        "use `--daemon` and `--error-logfile FILE`",
    ),
    says("--logto", UWSGI, "use `--error-logfile FILE`"),
    says("--req-logger", UWSGI, "use `--access-logfile FILE`"),
    says(
        "--disable-logging",
        UWSGI,
        "there is no access log without `--access-logfile`: leave it out",
    ),
    says("--stats", UWSGI, "use `--admin-bind ADDRESS`"),
    says("--ini", UWSGI, "use `--config FILE`"),
    says(
        "--virtualenv",
        UWSGI,
        "install rgun in that environment and run it from there",
    ),
    says("--py-autoreload", UWSGI, "use `--reload`"),
    says("--touch-reload", UWSGI, "send the master a HUP to reload"),
    says("--static-map", UWSGI, "let a proxy in front serve files"),
    says("--mount", UWSGI, "use `--root-path PATH`"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::definitions;

    #[test]
    fn what_rgun_has_is_not_foreign() {
        for definition in definitions() {
            for long in definition.long.iter().chain(definition.aliases) {
                assert_eq!(foreign(&format!("--{long}")), None);
            }
            assert_eq!(
                definition
                    .short
                    .and_then(|short| foreign(&format!("-{short}"))),
                None
            );
        }
    }

    /// Advice that names an option which does not exist would be worse than none.
    #[test]
    fn advice_names_options_that_exist() {
        for Foreign { option, advice, .. } in FOREIGN {
            let words = advice
                .unwrap_or_default()
                .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
            for word in words.filter(|word| word.starts_with('-') && word.len() > 1) {
                let known = definitions().any(|definition| {
                    definition
                        .long
                        .is_some_and(|long| format!("--{long}") == word)
                        || definition
                            .short
                            .is_some_and(|short| format!("-{short}") == word)
                });
                assert!(known, "{option}: {word}");
            }
        }
    }
}
