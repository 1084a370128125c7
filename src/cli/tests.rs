//! Tests of the help and the messages. In-process, without a terminal, at a fixed width.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::command::command;
use super::invocation::{self, Parsed};
use crate::config::{Endpoint, Error, ProcessEnvironment, Resolved, RunMode, ScriptEffects};

#[derive(Debug)]
enum Answer {
    Help,
    Version,
    Run(Box<Resolved>),
}

fn run_with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Answer, Error> {
    let variables: BTreeMap<_, _> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let process_environment = ProcessEnvironment {
        variables,
        directory: "/srv".into(),
        cpus: 2,
    };
    Ok(match invocation::parse(&arguments, &process_environment)? {
        Parsed::Help(_) | Parsed::Completions(_) | Parsed::Manual => Answer::Help,
        Parsed::Version(_) => Answer::Version,
        Parsed::Run(sources) => {
            let record = sources.record(ScriptEffects::default(), &process_environment);
            Answer::Run(Box::new(record.resolve(&process_environment)?))
        }
    })
}

fn resolved_with(variables: &[(&str, &str)], arguments: &[&str]) -> Resolved {
    match run_with(variables, arguments).expect("valid") {
        Answer::Run(resolved) => *resolved,
        _ => panic!("not a run"),
    }
}

fn resolved(line: &str) -> Resolved {
    resolved_with(&[], &line.split(' ').collect::<Vec<_>>())
}

/// As it appears on standard error, with the exit code.
fn message_with(variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let error = run_with(variables, arguments).expect_err("must be refused");
    let hint = error
        .hint()
        .map_or_else(String::new, |hint| format!("\nhint: {hint}"));
    format!("error: {error}{hint}\n({})", error.exit_code())
}

#[test]
fn help_in_short() {
    insta::assert_snapshot!(command().term_width(100).render_help().to_string());
}

#[test]
fn help_in_full() {
    insta::assert_snapshot!(command().term_width(100).render_long_help().to_string());
}

/// Command lines with typical errors; all messages in one snapshot.
#[test]
fn messages() {
    let lines: &[&[&str]] = &[
        &[],
        &["site:app", "more"],
        &["run", "site:app"],
        &["serve", "site:app", "-w", "2"],
        &["site:app", "--completions", "tcsh"],
        &["--completions"],
        &["site:app", "--prot", "80"],
        &["site:app", "--wokers", "4"],
        &["site:app", "--worker_class", "asgi"],
        &["site:app", "--work", "4"],
        &["site:app", "--zzz"],
        &["site:app", "-Z"],
        &["site:app", "--workers"],
        &["site:app", "--factory=yes"],
        &["site:app", "--workers", "four"],
        &["site:app", "-w", "-1"],
        &["site:app", "-w0"],
        &["site:app", "--timeout", "5 minutes"],
        &["site:app", "--timeout", "-5"],
        &["site:app", "--umask", "777"],
        &["site:app", "--limit-request-body", "20x"],
        &["site:app", "--host", "0.0.0.0"],
        &["site:app", "--port=80"],
        &["site:app", "--uds", "/run/a.sock"],
        &["site:app", "--interface", "asgi"],
        &["site:app", "-c", "conf.py"],
        &["site:app", "--run-before", "echo 'a"],
        &["site:app", "--spew"],
        &["site:app", "--http2-cleartext=upgrade"],
        &["site:app", "--keyfile=a.key"],
        &["site:app", "-b", ":443,tls"],
        &["site:app", "--ciphers", "RC4"],
        &["site:app", "--protocol", "uwsgi"],
        &["site:app", "--harakiri", "60"],
        &["site:app", "-k", "gevent"],
        &["site:app", "-k", "tornado"],
        &["site:app", "-k", "site.workers.MyWorker"],
        &["site:app", "-k", "agsi"],
        &["site:app", "-b", "8000"],
        &["site:app", "-b", "::1"],
        &["site:app", "-b", "localhost:http"],
        &["site:app", "-b", "/run/a.sock"],
        &["site:app", "--chdir", "/no/such/directory"],
        &["site:app", "--header-map", "keep"],
        &["site:app", "--log-level", "trace"],
        &["site:app", "-e", "DEBUG"],
        &["site:app", "--ready-path", "healthz"],
        &["site:app", "--forwarded-allow-ips", "10.0.0.1,proxy"],
        &["config/asgi.py"],
        &["config.asgi:"],
        &["site app"],
        &[""],
        &["site:create_app('x'"],
    ];
    let mut page = String::new();
    for arguments in lines {
        page.push_str(&format!(
            "$ rgun {}\n{}\n\n",
            arguments.join(" "),
            message_with(&[], arguments)
        ));
    }
    for (variables, arguments) in [
        (&[("WEB_CONCURRENCY", "many")], &["site:app"]),
        (&[("PORT", "http")], &["site:app"]),
        (&[("GUNICORN_CMD_ARGS", "--workers=x")], &["site:app"]),
        (&[("GUNICORN_CMD_ARGS", "--wrokers=4")], &["site:app"]),
        (&[("GUNICORN_CMD_ARGS", "-e 'A=b")], &["site:app"]),
    ] {
        let [(name, value)] = variables;
        page.push_str(&format!(
            "$ {name}={value:?} rgun {}\n{}\n\n",
            arguments.join(" "),
            message_with(variables, arguments)
        ));
    }
    insta::assert_snapshot!(page);
}

#[test]
fn spellings_of_gunicorn() {
    let settings = resolved(
        "-b :80 --bind=unix:/run/a.sock -w4 -k gthread --threads 2 -t 60 --log-file - --access-logfile - -e A=b --env C=d \
         --limit-request-field-size 100 --asgi-loop asyncio -m 007 -p /run/a.pid site:app",
    )
    .settings;
    assert_eq!(
        settings.bind,
        [
            Endpoint::Tcp {
                host: "0.0.0.0".into(),
                port: 80
            }
            .into(),
            Endpoint::Unix {
                path: "/run/a.sock".into()
            }
            .into()
        ]
    );
    assert_eq!(
        (
            settings.workers,
            settings.threads,
            settings.umask,
            settings.limits.field_size
        ),
        (4, 2, 7, 100)
    );
    assert_eq!(
        settings.env,
        [("A".into(), "b".into()), ("C".into(), "d".into())]
    );
}

#[test]
fn the_last_of_a_repeated_option_counts() {
    assert_eq!(
        resolved("-w 4 site:app --workers 6 --factory --factory")
            .settings
            .workers,
        6
    );
}

#[test]
fn sources_in_their_order() {
    let variables = [
        ("WEB_CONCURRENCY", "5"),
        ("PORT", "5000"),
        ("GUNICORN_CMD_ARGS", "-w 6 --threads 3 other:app"),
    ];
    let settings = resolved_with(&variables, &["-w", "7", "site:app"]).settings;
    assert_eq!((settings.workers, settings.threads), (7, 3));
    assert_eq!(settings.app.to_string(), "site:app");
    assert_eq!(
        settings.bind,
        [Endpoint::Tcp {
            host: "0.0.0.0".into(),
            port: 5000
        }
        .into()]
    );
    assert_eq!(resolved_with(&variables, &[]).settings.workers, 6);
    assert_eq!(
        resolved_with(&variables[..2], &["site:app", "-b", "h:1"])
            .settings
            .bind,
        [Endpoint::Tcp {
            host: "h".into(),
            port: 1
        }
        .into()]
    );
}

#[test]
fn check_config_is_a_mode() {
    assert_eq!(
        resolved("--check-config site:app").mode,
        RunMode::CheckConfig
    );
    assert_eq!(
        resolved_with(&[("GUNICORN_CMD_ARGS", "--check-config")], &["site:app"]).mode,
        RunMode::CheckConfig
    );
    assert_eq!(resolved("site:app").mode, RunMode::Serve);
}

#[test]
fn version_and_help_need_no_app() {
    for flag in ["--version", "-v", "-V"] {
        assert!(
            matches!(run_with(&[], &[flag]), Ok(Answer::Version)),
            "{flag}"
        );
    }
    for flag in ["--help", "-h"] {
        assert!(
            matches!(
                run_with(&[("WEB_CONCURRENCY", "nonsense")], &[flag]),
                Ok(Answer::Help)
            ),
            "{flag}"
        );
    }
}

#[test]
fn clap_finds_no_fault_with_the_command() {
    command().debug_assert();
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// The documented order of precedence: a platform's variable, a project file, a Python file (its output is passed in),
    /// the two variables with options, a variable of rgun's own, the command line.
    #[test]
    fn of_any_mix_of_sources_the_documented_one_wins(spoken: [bool; 7]) {
        let directory = tempfile::tempdir().unwrap();
        let says = |rank: usize| spoken[rank].then(|| (rank + 10).to_string());
        if let Some(workers) = says(1) {
            let text = format!("[tool.rgun]\napp = \"site:app\"\nworkers = {workers}\n");
            std::fs::write(directory.path().join("pyproject.toml"), text).unwrap();
        }
        let told = says(2).map(|workers| {
            std::fs::write(directory.path().join("gunicorn.conf.py"), "").unwrap();
            format!(r#"{{"settings": {{"workers": {workers}}}, "unknown": [], "hooks": [], "acts": false, "environment": {{}}, "path": []}}"#)
        });
        let variables = [
            ("WEB_CONCURRENCY", says(0)),
            ("GUNICORN_CMD_ARGS", says(3).map(|workers| format!("-w {workers}"))),
            ("RGUN_CMD_ARGS", says(4).map(|workers| format!("--workers={workers}"))),
            ("RGUN_WORKERS", says(5)),
        ];
        let process_environment = ProcessEnvironment {
            variables: variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
            directory: directory.path().to_owned(),
            cpus: 2,
        };
        let mut arguments = vec!["site:app".to_owned()];
        arguments.extend(says(6).map(|workers| format!("-w{workers}")));
        let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
        let Ok(Parsed::Run(mut sources)) = invocation::parse(&arguments, &process_environment) else {
            panic!("not a run");
        };
        proptest::prop_assert_eq!(sources.question().is_some(), told.is_some());
        let effects = told.map(|told| sources.answered(told.as_bytes()).unwrap());
        let record = sources.record(effects.unwrap_or_default(), &process_environment);
        let settings = record.resolve(&process_environment).unwrap().settings;
        let winner = spoken.iter().rposition(|spoke| *spoke);
        let expected = winner.map_or(1, |rank| u32::try_from(rank + 10).unwrap());
        proptest::prop_assert_eq!(settings.workers, expected);
    }
}
