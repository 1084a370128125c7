//! The tables for uvicorn and granian: their options and rgun's spelling of each.

use std::fmt::Write;

use crate::config::{definitions, foreign};

const UVICORN: [&str; 52] = [
    "--host",
    "--port",
    "--uds",
    "--fd",
    "--reload",
    "--reload-dir",
    "--reload-include",
    "--workers",
    "--loop",
    "--http",
    "--ws",
    "--ws-max-size",
    "--ws-max-queue",
    "--ws-ping-interval",
    "--ws-ping-timeout",
    "--ws-per-message-deflate",
    "--lifespan",
    "--interface",
    "--env-file",
    "--log-config",
    "--log-level",
    "--access-log",
    "--no-access-log",
    "--use-colors",
    "--no-use-colors",
    "--proxy-headers",
    "--no-proxy-headers",
    "--server-header",
    "--no-server-header",
    "--date-header",
    "--no-date-header",
    "--forwarded-allow-ips",
    "--root-path",
    "--limit-concurrency",
    "--backlog",
    "--limit-max-requests",
    "--limit-max-requests-jitter",
    "--timeout-keep-alive",
    "--timeout-graceful-shutdown",
    "--timeout-worker-healthcheck",
    "--ssl-keyfile",
    "--ssl-certfile",
    "--header",
    "--app-dir",
    "--h11-max-incomplete-event-size",
    "--factory",
    "--ssl-keyfile-password",
    "--ssl-version",
    "--ssl-ca-certs",
    "--ssl-ciphers",
    "--reload-exclude",
    "--reload-delay",
];

const GRANIAN: [&str; 50] = [
    "--host",
    "--port",
    "--uds",
    "--uds-permissions",
    "--interface",
    "--http",
    "--ws",
    "--no-ws",
    "--workers",
    "--blocking-threads",
    "--runtime-threads",
    "--runtime-blocking-threads",
    "--runtime-mode",
    "--loop",
    "--task-impl",
    "--backlog",
    "--backpressure",
    "--http1-keep-alive",
    "--no-http1-keep-alive",
    "--http1-header-read-timeout",
    "--log",
    "--no-log",
    "--log-level",
    "--log-config",
    "--access-log",
    "--no-access-log",
    "--access-log-fmt",
    "--ssl-certificate",
    "--ssl-keyfile",
    "--url-path-prefix",
    "--respawn-failed-workers",
    "--respawn-interval",
    "--workers-lifetime",
    "--workers-max-rss",
    "--workers-kill-timeout",
    "--factory",
    "--working-dir",
    "--env-files",
    "--static-path-route",
    "--static-path-mount",
    "--metrics",
    "--metrics-address",
    "--metrics-port",
    "--reload",
    "--reload-paths",
    "--process-name",
    "--pid-file",
    "--http1-buffer-size",
    "--http1-pipeline-flush",
    "--reload-tick",
];

pub(super) fn pages(page: &mut String) {
    for (server, options) in [("uvicorn", &UVICORN[..]), ("granian", &GRANIAN[..])] {
        let _ = write!(
            page,
            "\n## {server}\n\nAn option that is not supported stops the start with the same advice.\n\n| option | here |\n|---|---|\n"
        );
        for option in options {
            let _ = writeln!(page, "| `{option}` | {} |", here(option));
        }
    }
}

fn here(option: &str) -> String {
    let is_ours = definitions().any(|definition| {
        let mut longs = definition.long.iter().chain(definition.aliases);
        longs.any(|long| option.strip_prefix("--") == Some(long))
    });
    if is_ours {
        return "the same".to_owned();
    }
    let advice = foreign(option).map(|foreign| foreign.advice);
    advice
        .unwrap_or("rgun has no counterpart: leave it out")
        .to_owned()
}
