//! Options of gunicorn, uvicorn and granian that rgun does not have, with what to write instead. It only explains.

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

const fn not_yet(option: &'static str) -> Foreign {
    Foreign {
        option,
        verdict: "is gunicorn's and not supported yet",
        advice: None,
    }
}

const BOTH: &str = "is uvicorn's and granian's";
const UVICORN: &str = "is uvicorn's";
const GRANIAN: &str = "is granian's";
const REFUSED: &str = "is gunicorn's and not supported";

const FOREIGN: &[Foreign] = &[
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
        "the access log has gunicorn's default format",
    ),
    says(
        "--use-colors",
        UVICORN,
        "messages are coloured on a terminal; the variable NO_COLOR switches it off",
    ),
    says("--no-use-colors", UVICORN, "set the variable NO_COLOR"),
    says("--no-server-header", UVICORN, "leave it out"),
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
    says("--spew", REFUSED, "use a debugger or a profiler"),
    says(
        "--paste",
        REFUSED,
        "make a module that loads the app, and name that",
    ),
    says(
        "--paster",
        REFUSED,
        "make a module that loads the app, and name that",
    ),
    says(
        "--paste-global",
        REFUSED,
        "make a module that loads the app, and name that",
    ),
    says(
        "--worker-connections",
        REFUSED,
        "use `--limit-concurrency N`",
    ),
    says(
        "--http-parser",
        REFUSED,
        "rgun has one HTTP implementation: leave it out",
    ),
    says(
        "--permit-obsolete-folding",
        REFUSED,
        "proxies read such requests differently",
    ),
    says(
        "--strip-header-spaces",
        REFUSED,
        "proxies read such requests differently",
    ),
    says(
        "--permit-unconventional-http-method",
        REFUSED,
        "leave it out",
    ),
    says(
        "--permit-unconventional-http-version",
        REFUSED,
        "leave it out",
    ),
    says(
        "--casefold-http-method",
        REFUSED,
        "methods are case-sensitive",
    ),
    says("--dirty-app", REFUSED, "use a task queue"),
    says("--dirty-workers", REFUSED, "use a task queue"),
    not_yet("--preload"),
    not_yet("--no-sendfile"),
    not_yet("--enable-backlog-metric"),
    not_yet("--protocol"),
    not_yet("--keyfile"),
    not_yet("--certfile"),
    not_yet("--ca-certs"),
    not_yet("--cert-reqs"),
    not_yet("--ciphers"),
    not_yet("--ssl-version"),
    not_yet("--do-handshake-on-connect"),
    not_yet("--suppress-ragged-eofs"),
    not_yet("--http-protocols"),
    not_yet("--http2-cleartext"),
    not_yet("--asgi-disconnect-grace-period"),
    says(
        "--control-socket-mode",
        REFUSED,
        "the control socket is always for the server's own user and root alone",
    ),
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
