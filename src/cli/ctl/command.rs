//! The clap command of `rgun ctl`, with the help of each verb.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command, value_parser};

const ABOUT: &str = "Inspect and control a running server";

const FINDING: &str = "\
Which server: the one of --socket, --name or --pid. Without them the control socket that a server started here would have: \
RGUN_CONTROL_SOCKET, control_socket in rgun.toml. Else the usual places are searched: $RUNTIME_DIRECTORY/rgun.ctl, \
$XDG_RUNTIME_DIR/rgun-*.ctl, /tmp/rgun-UID/rgun-*.ctl, and /run/*/rgun*.ctl, where systemd puts it. When several servers run \
there, they are listed and you choose. Only the server's own user and root may connect; a socket or a server of another user than \
you and root is not trusted.

Exit codes: 0 it was done, 1 it was not (the reason and, if the app raised, its traceback are on standard error), 2 wrong use, \
3 a canary was taken back.

The protocol is lines of JSON: `echo '{\"command\":\"status\"}' | socat - UNIX:PATH` works without this program.";

pub(in crate::cli) fn command() -> Command {
    Command::new("rgun ctl")
        .about(ABOUT)
        .after_long_help(FINDING)
        .bin_name("rgun ctl")
        .no_binary_name(true)
        .args_override_self(true)
        .subcommand_required(true)
        .subcommand_value_name("VERB")
        .subcommand_help_heading("Verbs")
        .disable_help_subcommand(true)
        .max_term_width(100)
        .arg(
            Arg::new("socket")
                .long("socket")
                .short('s')
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .global(true)
                .help("The server's control socket"),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .short('n')
                .value_name("NAME")
                .global(true)
                .conflicts_with("socket")
                .help("The server of that name: its --name, or its systemd unit's runtime directory"),
        )
        .arg(
            Arg::new("pid")
                .long("pid")
                .short('p')
                .value_name("PID")
                .value_parser(value_parser!(u32))
                .global(true)
                .conflicts_with_all(["socket", "name"])
                .help("The server whose master, worker or companion has that pid"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(|text: &str| crate::config::duration(text))
                .allow_negative_numbers(true)
                .global(true)
                .help("How long it may take, 0: for ever; default: 10, for wait-* 60, for reload, upgrade, stage, canary, promote, rollback, restart-worker and stop 600"),
        )
        .subcommands([
            status(),
            verb(
                "top",
                "Show the server and its workers, redrawn every second",
                "As `status --watch`: on a screen of its own, until `q` or Ctrl-C. `s` shows the stacks of a slot or of all, `r` \
                 reloads, `+` and `-` change the number of workers by one; these ask first.",
            ),
            verb(
                "reload",
                "Replace all workers by new ones, and report the result",
                "As SIGHUP, but it waits: exit code 0 when every new worker serves. When one of them does not boot, the old \
                 workers go on serving, nothing was lost, and the reason is printed with the app's traceback: exit code 1. \
                 A reload requested during another one follows it.\n\n\
                 In a deploy: rgun ctl reload || exit 1",
            ),
            verb(
                "upgrade",
                "Continue with the program that is installed now, in the same process",
                "As SIGUSR2, but it waits. The new program is asked first whether it can take over; then it goes on in the \
                 master's process: same pid, sockets, workers and counters, no request is lost. A reload follows, so that the \
                 workers run it as well: exit code 0 when every new worker serves. When the new program cannot take over, \
                 nothing has changed, and the reason is printed: exit code 1.\n\n\
                 In a deploy: pip install -U rgun && rgun ctl upgrade",
            )
            .arg(switch("no-reload", "Leave the workers as they are")),
            verb(
                "stage",
                "Boot a new generation beside the serving one, and hold it",
                "All workers of the new generation boot, with the configuration and the code as they are now, and none of them \
                 serves. Exit code 0 when all are ready; otherwise nothing has changed, and the reason is printed with the \
                 app's traceback: exit code 1. It stays staged until `promote` or `discard`, and until then nothing else can be \
                 reloaded; a staged generation that loses a worker is removed.\n\n\
                 In a deploy: rgun ctl stage --bind 127.0.0.1:8001 && ./smoke-test http://127.0.0.1:8001 && rgun ctl promote \
                 || rgun ctl discard",
            )
            .arg(
                Arg::new("bind")
                    .long("bind")
                    .short('b')
                    .value_name("ADDRESS")
                    .action(ArgAction::Append)
                    .help("Where the staged generation answers, HOST:PORT or unix:/PATH; may be repeated"),
            ),
            verb(
                "canary",
                "Let a new generation serve in some slots",
                "Of the staged generation, or of one that boots for it. The workers whose slots it takes are paused, not ended, \
                 and take them back when it is discarded, when a worker of it fails, or when --for is over without a \
                 promotion. With --auto its 5xx responses, exceptions and 95th percentile are compared with those of the \
                 other slots in the same time: worse than by chance (three standard errors), it is taken back at once; \
                 otherwise it is promoted when --for is over. The command waits for that: exit code 0 promoted, 3 taken back \
                 with the reason, 1 it could not start. A running canary can be given more slots.",
            )
            .arg(
                Arg::new("share")
                    .value_name("K|P%")
                    .required(true)
                    .help("How many slots, or what percentage of them, at least one"),
            )
            .arg(
                Arg::new("for")
                    .long("for")
                    .value_name("TIME")
                    .value_parser(|text: &str| crate::config::duration(text))
                    .allow_negative_numbers(true)
                    .help("How long, as in 90 or 5m; default: until an operator ends it, with --auto 1m"),
            )
            .arg(switch("auto", "Judge it by its responses"))
            .arg(
                Arg::new("requests")
                    .long("requests")
                    .value_name("N")
                    .value_parser(value_parser!(u64))
                    .default_value("100")
                    .help("With --auto: judge it once it has answered this many requests; take it back if it answers fewer in its time"),
            ),
            verb(
                "rollback",
                "Let the previous generation serve again",
                "Of a canary: takes it back. Otherwise brings back the generation that the last reload or promotion has \
                 replaced, if it is kept (--rollback-window): its workers still run, so nothing boots, whatever is on \
                 the disk by now. A reload in progress is aborted.",
            ),
            verb(
                "promote",
                "Let the staged generation, or the canary, serve",
                "As at the end of a reload: new connections go to the new generation, the old workers finish their requests. Exit code 1 \
                 when nothing is staged.",
            ),
            verb(
                "discard",
                "Remove the staged generation, or the canary",
                "The serving workers are not affected. Exit code 1 when nothing is staged.",
            ),
            verb(
                "reload-certificates",
                "Load changed TLS certificates, without a reload",
                "New connections get the new certificates; connections that are open, and all workers, stay. Changed files are \
                 loaded without this command, too, unless the server has --no-tls-watch. When a new file cannot be used, \
                 nothing changes and the reason is printed: exit code 1.",
            ),
            verb(
                "scale",
                "Set the number of workers",
                "Workers are started or drained one by one; `rgun ctl wait-ready` returns when all of them serve. It holds \
                 until the server is started again, also across reloads, unless a reload changes --workers itself. A server that \
                 was started with -w MIN..MAX accepts another range, too; with a number it stops following the load.",
            )
            .arg(
                Arg::new("workers")
                    .value_name("N")
                    .required(true)
                    .value_parser(worker_count)
                    .help("How many, at least 1, or MIN..MAX: the load decides"),
            ),
            verb(
                "stop",
                "Stop the server, and wait until it is gone",
                "As SIGTERM: in-flight requests finish within --graceful-timeout.",
            )
            .arg(switch("fast", "As SIGQUIT: cancel what is running"))
            .arg(switch("no-wait", "Return as soon as the server is stopping")),
            verb(
                "restart-worker",
                "Replace one worker, its successor first",
                "The new worker is ready before the old one drains, so that no request is lost. Returns when it serves, or \
                 with its traceback when it does not boot; then the old one goes on. A slot that waits between failed boots \
                 is tried again at once.",
            )
            .arg(
                Arg::new("slot")
                    .value_name("SLOT")
                    .required(true)
                    .value_parser(value_parser!(u32))
                    .help("Counted from 0, as in status and in the log"),
            ),
            verb(
                "restart",
                "Restart one companion (--beside)",
                "Its process gets TERM, and KILL when its grace is over; then another one is started. One that waits between \
                 failed starts is started at once. Returns when the new process is there: exit code 1 when it cannot be \
                 started.",
            )
            .arg(
                Arg::new("companion")
                    .value_name("NAME")
                    .required(true)
                    .help("As in status"),
            ),
            verb(
                "stacks",
                "Show where each worker is in its Python code",
                "Every thread, and every asyncio task with its request. A worker whose threads are all busy in code that \
                 does not let Python run answers by a signal after a second, with its threads alone. Nothing is stopped.",
            )
            .arg(
                Arg::new("slot")
                    .value_name("SLOT")
                    .value_parser(value_parser!(u32))
                    .help("Of this slot alone"),
            ),
            verb(
                "log-level",
                "Change what the error log shows, without a restart",
                "In the master and in every worker, future ones included, until a reload with other log settings or a restart.",
            )
            .arg(
                Arg::new("level")
                    .value_name("LEVEL")
                    .required(true)
                    .value_parser(["debug", "info", "warning", "error", "critical"])
                    .help("The least severe messages to show"),
            ),
            verb(
                "wait-ready",
                "Wait until every wanted worker serves",
                "Also for a server that is only just being started: its socket is waited for. Exit code 1 when the time is \
                 over or the server stops.",
            ),
            verb(
                "wait-idle",
                "Wait until no request is in flight and no worker boots or drains",
                "For scripts that must not interrupt requests. Exit code 1 when the time is over or the server stops.",
            ),
        ])
}

fn status() -> Command {
    verb(
        "status",
        "Show the server and its workers",
        "A row for each worker: its slot, generation and state, requests a second and the part of its time in which it was \
         not asleep (both over the last second), requests in flight with the path and age of the oldest, memory, and how \
         often its slot got a new worker. `stuck` is a worker without a heartbeat for some seconds: its \
         app blocks it.",
    )
    .arg(switch("json", "Everything as JSON, for programs").conflicts_with("watch"))
    .arg(switch("watch", "Redraw it every second, until q or Ctrl-C"))
}

fn verb(name: &'static str, about: &'static str, more: &str) -> Command {
    Command::new(name)
        .about(about)
        .long_about(format!("{about}.\n\n{more}"))
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

/// `4`, or `2..8`.
fn worker_count(text: &str) -> Result<(u32, Option<u32>), String> {
    let number = |text: &str| text.trim().parse::<u32>();
    let read = match text.split_once("..") {
        Some((least, most)) => number(least).and_then(|least| Ok((least, Some(number(most)?)))),
        None => number(text).map(|workers| (workers, None)),
    };
    read.map_err(|_| "it is neither a number nor a range, as in 2..8".to_owned())
}
