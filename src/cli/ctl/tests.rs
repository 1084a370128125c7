//! Tests of the output of `rgun ctl`: its help and its table.

use std::time::Duration;

use super::dashboard::{Dashboard, Reaction};
use super::wanted::ServerSelector;
use super::*;
use crate::cli::report::Colours;
use crate::master::control::protocol::{
    CompanionStatus, ControlStopMode, InFlightRequest, Reloads, ScaleChange, ScalingStatus, Status,
    WorkerStacks, WorkerStatus,
};

fn parsed(words: &[&str]) -> Result<Invocation, String> {
    command::command()
        .try_get_matches_from(words)
        .map(|matches| Invocation::of(&matches))
        .map_err(|error| error.to_string())
}

#[test]
fn help_in_full() {
    let mut text = String::new();
    let mut command = command::command();
    text.push_str(&command.render_long_help().to_string());
    for verb in command.get_subcommands_mut() {
        text.push_str(&format!(
            "\n---- {} ----\n{}",
            verb.get_name(),
            verb.clone().render_long_help()
        ));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn verbs_are_understood() {
    let at = |path: &str| ServerSelector::At(path.into());
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for (words, verb, wanted, timeout) in [
        (
            &["status", "--json", "--socket", "/a"][..],
            Verb::Status(OutputFormat::Json),
            at("/a"),
            seconds(10),
        ),
        (
            &["--socket", "/a", "scale", "3"],
            Verb::Plain(ControlRequest::Scale {
                workers: 3,
                most: None,
            }),
            at("/a"),
            seconds(10),
        ),
        (
            &["--socket", "/a", "scale", "2..8"],
            Verb::Plain(ControlRequest::Scale {
                workers: 2,
                most: Some(8),
            }),
            at("/a"),
            seconds(10),
        ),
        (
            &["stop", "--fast", "--no-wait"],
            Verb::Stop {
                mode: ControlStopMode::Fast,
                waits: false,
            },
            ServerSelector::Any,
            seconds(600),
        ),
        (
            &["--timeout", "7", "reload", "-n", "shop"],
            Verb::Plain(ControlRequest::Reload),
            ServerSelector::Called("shop".into()),
            seconds(7),
        ),
        (
            &["-p", "4711", "wait-ready"],
            Verb::Wait(ControlRequest::WaitReady),
            ServerSelector::Process(4711),
            seconds(60),
        ),
        (
            &["wait-idle", "--timeout", "0"],
            Verb::Wait(ControlRequest::WaitIdle),
            ServerSelector::Any,
            None,
        ),
    ] {
        let expected = Invocation {
            verb,
            wanted,
            timeout,
        };
        assert_eq!(parsed(words), Ok(expected), "{words:?}");
    }
    for wrong in [
        &[][..],
        &["explode"],
        &["scale"],
        &["scale", "-1"],
        &["scale", "2.."],
        &["log-level", "loud"],
        &["status", "--json", "--watch"],
    ] {
        parsed(wrong).expect_err("refused");
    }
}

#[test]
fn what_is_typed_wrongly_is_explained_in_our_words() {
    let mut text = String::new();
    for words in [
        &[][..],
        &["scale"],
        &["scale", "many"],
        &["scale", "1", "2"],
        &["log-level", "loud"],
        &["status", "--jsno"],
        &["status", "--json", "--watch"],
        &["--socket"],
        &["--pid", "x", "status"],
        &["tpo"],
        &["relaod"],
        &["stpo"],
        &["frobnicate"],
    ] {
        let mut command = command::command();
        let error = command
            .try_get_matches_from_mut(words)
            .expect_err("it is wrong");
        let failure = misuse::explained(&error, &command);
        text.push_str(&format!(
            "{}\n  {}\n  {}\n",
            words.join(" "),
            failure.message,
            failure.hint.unwrap_or_default()
        ));
    }
    insta::assert_snapshot!(text);
}

fn status() -> Status {
    let serving = WorkerStatus {
        generation: 2,
        pid: 4711,
        state: "serving".into(),
        age_ms: 252_000,
        silent_ms: 900,
        requests: 12_345,
        requests_per_second: 118.25,
        busy: 0.349,
        connections: 5,
        in_flight: 2,
        memory: Some(45_600_000),
        oldest: vec![
            InFlightRequest {
                method: "GET".into(),
                path: "/reports/\u{1b}[31mred".into(),
                age_ms: 1_240,
                ..InFlightRequest::default()
            },
            InFlightRequest {
                method: "POST".into(),
                path: "/long".repeat(30),
                age_ms: 12,
                ..InFlightRequest::default()
            },
        ],
        ..WorkerStatus::default()
    };
    Status {
        version: "1.2.3".into(),
        pid: 4700,
        name: None,
        app: "site:app".into(),
        state: "serving".into(),
        generation: 2,
        uptime_ms: 12_000_000,
        listeners: vec!["http://127.0.0.1:8000".into(), "unix:/run/a.sock".into()],
        static_files: Vec::new(),
        rollout: None,
        previous: None,
        workers_wanted: 2,
        scaling: Some(ScalingStatus {
            least: 1,
            most: 4,
            last: Some(ScaleChange {
                from: 1,
                to: 2,
                reason: "all workers are busy".into(),
                ago_ms: 61_000,
                busy_percent: 97,
                wait_p95_ms: 3,
                waiting: 0,
                in_flight: 5,
            }),
        }),
        reloads: Reloads {
            succeeded: 1,
            failed: 1,
            last_failure: Some("the app could not be loaded".into()),
        },
        workers: vec![
            serving.clone(),
            WorkerStatus {
                slot: 1,
                pid: 4712,
                silent_ms: 8_100,
                restarts: 3,
                memory: None,
                oldest: Vec::new(),
                ..serving
            },
        ],
        companions: vec![
            CompanionStatus {
                name: "celery".into(),
                command: Some("celery -A site worker\u{1b}[31m".into()),
                state: "running".into(),
                pid: Some(4713),
                age_ms: Some(7_300),
                memory: Some(80_000_000),
                ..CompanionStatus::default()
            },
            CompanionStatus {
                name: "beat".into(),
                state: "paused".into(),
                restarts: 3,
                ..CompanionStatus::default()
            },
        ],
    }
}

#[test]
fn the_table_is_aligned_and_harmless() {
    insta::assert_snapshot!(table::table(&status(), Colours::NONE, None).as_str());
}

#[test]
fn colours_do_not_move_anything() {
    let coloured = table::table(&status(), Colours::ANSI, None)
        .as_str()
        .to_owned();
    assert!(
        coloured.contains("\x1b[32mserving\x1b[0m")
            && coloured.contains("\x1b[31mstuck 8.1 s\x1b[0m")
    );
    let mut plain = coloured;
    for code in ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, table::table(&status(), Colours::NONE, None).as_str());
}

#[test]
fn the_table_fits_eighty_columns() {
    let text = table::table(&status(), Colours::ANSI, Some(80));
    let mut plain = text.as_str().to_owned();
    for code in ["\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert!(
        plain.lines().all(|line| line.chars().count() <= 80),
        "{plain}"
    );
    assert!(plain.contains("GET /reports/"), "{plain}");
    assert!(plain.contains("OLDEST REQUESTS") && !plain.contains("RESTARTS"));
}

/// The keys of `text`, one after the other; the last reaction.
fn typed(dashboard: &mut Dashboard, text: &str, status: &Status) -> Reaction {
    let mut last = Reaction::Redraw;
    for key in text.bytes() {
        last = dashboard.key(key, status);
    }
    last
}

#[test]
fn keys_of_the_full_screen_ask_before_they_change_anything() {
    let mut status = status();
    status.scaling = None;
    status.workers_wanted = 2;
    let scale = |workers| {
        Reaction::Request(ControlRequest::Scale {
            workers,
            most: None,
        })
    };
    for (keys, reaction) in [
        ("r", Reaction::Redraw),
        ("ry", Reaction::Request(ControlRequest::Reload)),
        ("rn", Reaction::Redraw),
        ("r\r", Reaction::Redraw),
        ("+y", scale(3)),
        ("-y", scale(1)),
        (
            "s\r",
            Reaction::Request(ControlRequest::Stacks { slot: None }),
        ),
        (
            "s19\x7f\r",
            Reaction::Request(ControlRequest::Stacks { slot: Some(1) }),
        ),
        ("sxy", Reaction::Redraw),
        ("q", Reaction::Leave),
        ("r\x03", Reaction::Leave),
        ("yyyy", Reaction::Redraw),
    ] {
        let found = typed(&mut Dashboard::default(), keys, &status);
        assert_eq!(found, reaction, "{keys:?}");
    }
    status.workers_wanted = 1;
    let last = typed(&mut Dashboard::default(), "-y", &status);
    assert_eq!(last, Reaction::Redraw, "a server has at least one worker");
    // One request at a time.
    let mut dashboard = Dashboard::default();
    typed(&mut dashboard, "ry", &status);
    assert_eq!(typed(&mut dashboard, "ry", &status), Reaction::Redraw);
}

#[test]
fn pictures_of_the_full_screen() {
    let size = screen::TerminalSize {
        columns: 80,
        lines: 24,
    };
    let mut status = status();
    let mut page = String::new();
    let mut show = |title: &str, dashboard: &Dashboard, status: &Status| {
        let drawn = dashboard.drawn(status, Colours::NONE, size);
        let lines: Vec<_> = drawn.as_str().lines().collect();
        assert!(lines.len() <= 24 && lines.iter().all(|line| line.chars().count() <= 80));
        page.push_str(&format!("---- {title} ----\n{}\n", drawn.as_str()));
    };
    let mut dashboard = Dashboard::default();
    show("the table", &dashboard, &status);
    typed(&mut dashboard, "+", &status);
    show("workers by load", &dashboard, &status);
    status.scaling = None;
    typed(&mut dashboard, "+", &status);
    show("a question", &dashboard, &status);
    typed(&mut dashboard, "y", &status);
    show("it runs", &dashboard, &status);
    dashboard.answered(Ok(ControlResponse::done("number of workers: 5 (was 4)")));
    show("it is done", &dashboard, &status);
    typed(&mut dashboard, "s1", &status);
    show("which slot", &dashboard, &status);
    let stacks = WorkerStacks {
        slot: 1,
        pid: 4712,
        text: "MainThread:\n  File \"/srv/app.py\", line 9, in view\n\x1b[2J".to_owned(),
        ..WorkerStacks::default()
    };
    dashboard.answered(Ok(ControlResponse {
        stacks: Some(vec![stacks]),
        ..ControlResponse::done("")
    }));
    show("stacks", &dashboard, &status);
    typed(&mut dashboard, "j", &status);
    show("a line further", &dashboard, &status);
    insta::assert_snapshot!(page);
}
