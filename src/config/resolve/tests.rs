//! Resolution as a function: sources in, settings or a message out.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{
    AppSpec, CMD_ARGS, Endpoint, EventLoop, Interface, Layer, TrustedPeers, ValueType, definitions,
};

fn process_environment() -> ProcessEnvironment {
    ProcessEnvironment {
        variables: std::collections::BTreeMap::new(),
        directory: "/srv".into(),
        cpus: 3,
    }
}

fn layer(origin: Origin, values: &[(&str, &str)]) -> Layer {
    let mut layer = Layer::default();
    for (name, text) in values {
        layer.add(definition(name).expect(name), *text, origin.clone());
    }
    layer
}

fn typed(values: &[(&str, &str)]) -> Result<Settings, Error> {
    typed_from(Origin::CommandLine, values)
}

fn typed_from(origin: Origin, values: &[(&str, &str)]) -> Result<Settings, Error> {
    let layers = Layers::new(vec![
        layer(Origin::CommandLine, &[("wsgi_app", "site:app")]),
        layer(origin, values),
    ]);
    resolve(&layers, &process_environment()).map(|resolved| resolved.settings)
}

fn message(values: &[(&str, &str)]) -> String {
    typed(values).expect_err("must be refused").to_string()
}

#[test]
fn every_default_is_a_value_of_its_setting() {
    let settings = typed(&[]).unwrap();
    assert_eq!(
        settings.app,
        AppSpec {
            module: "site".into(),
            attribute: Some("app".into()),
            factory: Factory::Plain
        }
    );
    assert_eq!(
        settings.bind,
        [Endpoint::Tcp {
            host: "127.0.0.1".into(),
            port: 8000
        }
        .into()]
    );
    assert_eq!(
        (
            settings.workers,
            settings.threads,
            settings.backlog,
            settings.umask
        ),
        (1, 1, 2048, 0)
    );
    assert_eq!(settings.timeout, Some(Duration::from_secs(30)));
    assert_eq!(settings.client.keep_alive, Duration::from_secs(75));
    assert_eq!(
        settings.limits,
        Limits {
            request_line: 8190,
            fields: 100,
            field_size: 8190,
            body: None
        }
    );
    assert_eq!(
        (settings.error_log, settings.access_log),
        (LogTarget::Stderr, None)
    );
    assert_eq!(settings.interface, Interface::Auto);
}

/// Every defined setting must have an effect: one whose value changes nothing was forgotten in `resolve`.
#[test]
fn every_setting_reaches_the_result() {
    // Which files are read is decided earlier; gunicorn's logger is accepted but ignored.
    let inert = ["config", "logger_class"];
    for definition in definitions().filter(|definition| !inert.contains(&definition.name)) {
        // Some have an effect only beside another one.
        let beside = match definition.name {
            "syslog_addr"
            | "syslog_prefix"
            | "syslog_facility"
            | "disable_redirect_access_to_syslog" => ("syslog", "true"),
            "statsd_prefix" | "dogstatsd_tags" | "enable_backlog_metric" => ("statsd_host", "h:1"),
            "reload_engine" | "reload_extra_files" => ("reload", "true"),
            "request_id_header" => ("request_id", "true"),
            "rollback_keep" | "refork_after" => ("preload_app", "true"),
            "preview_allow_ips" => ("preview_header", "x-preview"),
            "scale_wait" | "scale_idle" | "scale_memory" => ("workers", "2..8"),
            "keyfile" | "ca_certs" | "cert_reqs" | "tls_min_version" | "ssl_version"
            | "ciphers" | "no_tls_watch" | "redirect_https" => ("certfile", "site.pem"),
            "compress_level" | "compress_min_size" | "compress_types" | "compress_credentials" => {
                ("compress", "gzip")
            }
            _ => ("wsgi_app", "site:app"),
        };
        let authorities = match definition.name {
            "cert_reqs" => ("ca_certs", "ca.pem"),
            _ => ("wsgi_app", "site:app"),
        };
        let beside = [("wsgi_app", "site:app"), beside, authorities];
        let beside = layer(Origin::CommandLine, &beside);
        let before = resolve(&Layers::new(vec![beside.clone()]), &process_environment()).unwrap();
        let text = match (definition.name, definition.kind) {
            ("worker_class", _) => "asgi",
            ("chdir" | "sendfile_root" | "worker_tmp_dir" | "acme_challenge_dir", _) => "/",
            ("cert_reqs", _) => "required",
            ("ssl_version", _) => "TLSv1_3",
            ("ciphers", _) => "CHACHA20",
            ("redirect_https", _) => "443",
            ("http_protocols", _) => "h1",
            ("http2_cleartext", _) => "prior-knowledge",
            ("http2_max_frame_size", _) => "32k",
            ("raw_env", _) => "A=b",
            ("reload_extra_files", _) => "/*.html",
            ("bind", _) => ":1",
            ("access_log_sample", _) => "0.5",
            ("access_log_exclude", _) => "/x",
            ("logconfig" | "logconfig_json", _) => "/dev/null",
            ("syslog_addr", _) => "tcp://h:1",
            ("syslog_facility", _) => "local0",
            ("statsd_host", _) => "h:1",
            ("forwarded_allow_ips" | "proxy_allow_ips" | "preview_allow_ips", _) => "*",
            ("forwarded_headers", _) => "forwarded",
            ("secure_scheme_headers", _) => "X-Tls=1",
            ("static", _) => "/x=/tmp",
            ("compress", _) => "gzip",
            ("compress_types", _) => "text/*",
            ("sendfile" | "server_header", _) => "false",
            (_, ValueType::Switch) => "true",
            ("wsgi_app", _) => "other:app",
            ("root_path" | "ready_path", _) => "/x",
            (_, ValueType::Choice(names)) => names
                .iter()
                .find(|name| Some(**name) != definition.default)
                .unwrap(),
            (_, ValueType::Mask | ValueType::Size | ValueType::Number | ValueType::Duration) => "7",
            (
                _,
                ValueType::Text
                | ValueType::TextOrTable
                | ValueType::Named
                | ValueType::Path
                | ValueType::List
                | ValueType::Pairs,
            ) => "x",
            (_, ValueType::Json) => "{\"x\":1}",
        };
        let layers = Layers::new(vec![
            beside,
            layer(Origin::CommandLine, &[(definition.name, text)]),
        ]);
        let after = resolve(&layers, &process_environment())
            .unwrap_or_else(|error| panic!("{}: {error}", definition.name));
        assert_ne!(
            before, after,
            "{} = {text} changes nothing",
            definition.name
        );
    }
}

#[test]
fn the_strongest_source_wins_and_is_named() {
    let sources = |highest: usize, text: &str| {
        let all = [
            Origin::Variable("WEB_CONCURRENCY".into()),
            Origin::CmdArgs(CMD_ARGS.into()),
            Origin::CommandLine,
        ];
        let mut layers = vec![layer(Origin::CommandLine, &[("wsgi_app", "site:app")])];
        for (rank, origin) in all.into_iter().enumerate().take(highest + 1) {
            layers.push(layer(
                origin,
                &[("workers", if rank == highest { text } else { "nonsense" })],
            ));
        }
        resolve(&Layers::new(layers), &process_environment())
    };
    for rank in 0..3 {
        assert_eq!(
            sources(rank, "7").unwrap().settings.workers,
            7,
            "a weaker source's nonsense does not matter"
        );
    }
    let errors: Vec<_> = (0..3).map(|rank| sources(rank, "x").unwrap_err()).collect();
    let messages: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "$WEB_CONCURRENCY: `x` is not a whole number",
            "--workers in GUNICORN_CMD_ARGS: `x` is not a whole number",
            "--workers: `x` is not a whole number",
        ]
    );
    // As gunicorn: its argument parser exits with 2, later errors with 1.
    assert_eq!(
        errors.iter().map(Error::exit_code).collect::<Vec<_>>(),
        [1, 2, 2]
    );
}

#[test]
fn workers_auto_is_what_may_be_used() {
    assert_eq!(typed(&[("workers", "auto")]).unwrap().workers, 3);
    assert_eq!(
        message(&[("workers", "0")]),
        "--workers: `0` is less than 1"
    );
    assert_eq!(
        message(&[("workers", "5000")]),
        "--workers: `5000` is more than 1024"
    );
}

#[test]
fn a_timeout_below_the_interval_of_the_checks_is_refused() {
    for text in ["0.5", "1ms", "999ms"] {
        let error = typed(&[("timeout", text)]).expect_err(text);
        assert_eq!(
            error.to_string(),
            format!("--timeout: `{text}` is less than a second")
        );
        assert!(error.hint().unwrap_or_default().contains('0'), "{text}");
    }
    assert_eq!(
        typed(&[("timeout", "1")]).unwrap().timeout,
        Some(Duration::from_secs(1))
    );
}

#[test]
fn a_script_name_for_the_workers_has_to_be_a_path() {
    let named = |text| typed(&[("raw_env", text)]).map(|settings| settings.root_path);
    assert_eq!(named("SCRIPT_NAME=/shop/").unwrap(), "/shop");
    assert_eq!(named("SCRIPT_NAME=").unwrap(), "");
    assert_eq!(
        message(&[("raw_env", "SCRIPT_NAME=shop")]),
        "--env: `SCRIPT_NAME=shop` does not begin with a slash"
    );
    let stronger = typed(&[("raw_env", "SCRIPT_NAME=/a"), ("root_path", "/b")]);
    assert_eq!(stronger.unwrap().root_path, "/b");
}

#[test]
fn zero_switches_off_where_it_says_so() {
    let off = typed(&[
        ("timeout", "0"),
        ("limit_request_body", "0"),
        ("limit_concurrency", "0"),
        ("websocket_max_message_size", "0"),
        ("keepalive", "0"),
    ])
    .unwrap();
    assert_eq!(off.websocket.max_size, usize::MAX);
    assert_eq!(
        (off.timeout, off.limits.body, off.limit_concurrency),
        (None, None, None)
    );
    assert_eq!(off.client.keep_alive, Duration::ZERO);
    let unlimited = typed(&[("limit_request_line", "0"), ("limit_request_fields", "0")]).unwrap();
    assert_eq!(
        (unlimited.limits.request_line, unlimited.limits.fields),
        (1 << 20, 32_768)
    );
    for name in [
        "boot_timeout",
        "first_byte_timeout",
        "header_timeout",
        "body_timeout",
        "write_timeout",
    ] {
        assert!(
            message(&[(name, "0")]).ends_with("`0` must be more than 0"),
            "{name}"
        );
    }
}

#[test]
fn relative_paths_start_at_chdir() {
    let settings = typed(&[
        ("chdir", "/usr"),
        ("pidfile", "a.pid"),
        ("pythonpath", "lib,/opt"),
        ("bind", "unix:a.sock"),
    ])
    .unwrap();
    assert_eq!(settings.chdir.as_deref(), Some(Path::new("/usr")));
    assert_eq!(settings.pid_file.as_deref(), Some(Path::new("/usr/a.pid")));
    assert_eq!(
        settings.pythonpath,
        [Path::new("/usr/lib"), Path::new("/opt")]
    );
    assert_eq!(
        settings.bind,
        [Endpoint::Unix {
            path: "/usr/a.sock".into()
        }
        .into()]
    );
}

#[test]
fn a_chdir_that_is_not_there() {
    assert_eq!(
        message(&[("chdir", "/nope")]),
        "--chdir: `/nope` does not exist"
    );
    assert_eq!(
        message(&[("chdir", "/proc/version")]),
        "--chdir: `/proc/version` is not a directory"
    );
}

#[test]
fn an_empty_value_switches_an_optional_setting_off() {
    let settings = typed(&[("accesslog", ""), ("forwarded_allow_ips", "")]).unwrap();
    assert_eq!(settings.access_log, None);
    assert_eq!(
        settings.forwarded_allow_ips,
        TrustedPeers::Networks(Vec::new())
    );
}

#[test]
fn an_option_with_an_empty_certificate_is_no_server_without_tls() {
    for (name, option) in [
        ("certfile", "--certfile"),
        ("keyfile", "--keyfile"),
        ("ca_certs", "--ca-certs"),
    ] {
        assert_eq!(
            message(&[(name, "")]),
            format!("{option}: `` names no file")
        );
    }
    let file = Origin::Python("gunicorn.conf.py".into());
    let settings = typed_from(file, &[("certfile", ""), ("keyfile", "")]).unwrap();
    assert_eq!(settings.tls, None);
}

#[test]
fn the_loop_of_an_h11_worker_is_asyncio_unless_one_is_named() {
    let class = ("worker_class", "uvicorn.workers.UvicornH11Worker");
    assert_eq!(typed(&[class]).unwrap().event_loop, EventLoop::Asyncio);
    assert_eq!(
        typed(&[class, ("asgi_loop", "uvloop")]).unwrap().event_loop,
        EventLoop::Uvloop
    );
}

#[test]
fn a_value_cannot_write_to_the_terminal() {
    assert_eq!(
        message(&[("header_map", "a\x1b[2J\nb")]),
        "--header-map: `a\\u{1b}[2J\\nb` is none of drop, refuse, dangerous"
    );
}

#[test]
fn no_app() {
    let error = resolve(&Layers::default(), &process_environment()).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), error.exit_code()),
        ("no app was named", 1)
    );
}

/// Fragments of such texts, so that generated texts often contain unusual ones.
#[test]
fn the_socket_of_a_preview_has_an_absolute_path() {
    let fault = |address| preview_address(address, "--bind").unwrap_err();
    assert_eq!(
        fault("unix:preview.sock"),
        "--bind: `unix:preview.sock` is a relative path (write unix:/PATH)"
    );
    assert!(fault("fd://3").contains("passed in"));
    let path = preview_address("unix:/run/preview.sock", "--bind").unwrap();
    assert!(matches!(path.endpoint, Endpoint::Unix { path } if path.is_absolute()));
    assert!(preview_address("127.0.0.1:0", "--bind").is_ok());
}

fn text() -> impl Strategy<Value = String> {
    let words = [
        "",
        "0",
        "4",
        "-1",
        "30s",
        "1.5",
        "99999999999999999999",
        "auto",
        "unix:",
        "fd://",
        "tcp://",
        "[::1]",
        "::1",
        ":",
        ":8000",
        "a.b",
        ".py",
        "/",
        "()",
        "(",
        ",",
        "*",
        "=",
        "10.0.0.0/8",
        "/33",
        "%",
        " ",
        "\n",
        "\0",
        "ä",
        "\u{1b}",
        "ms",
        "k",
        "0x",
        "0o",
        "-",
    ];
    prop_oneof![
        proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..5)
            .prop_map(|words| words.concat()),
        any::<String>(),
    ]
}

proptest! {
    /// Any input results in settings or in one printable line.
    #[test]
    fn nothing_typed_can_break_it(which in 0..definitions().count(), text in text(), option: bool) {
        let definition = definitions().nth(which).expect("in range");
        let origin = if option { Origin::CommandLine } else { Origin::CmdArgs(CMD_ARGS.into()) };
        if let Err(error) = typed_from(origin, &[(definition.name, &text)]) {
            let message = format!("{error}{}", error.hint().unwrap_or_default());
            prop_assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }

    /// The documented order: variable, `GUNICORN_CMD_ARGS`, command line.
    #[test]
    fn the_strongest_source_that_speaks_wins(variable: Option<u8>, args: Option<u8>, line: Option<u8>) {
        let given = |value: Option<u8>, origin| {
            value.map_or_else(Layer::default, |value| layer(origin, &[("backlog", &(u32::from(value) + 1).to_string())]))
        };
        let layers = Layers::new(vec![
            layer(Origin::CommandLine, &[("wsgi_app", "site:app")]),
            given(variable, Origin::Variable("BACKLOG".into())),
            given(args, Origin::CmdArgs(CMD_ARGS.into())),
            given(line, Origin::CommandLine),
        ]);
        let expected = line.or(args).or(variable).map_or(2048, |value| u32::from(value) + 1);
        prop_assert_eq!(resolve(&layers, &process_environment()).unwrap().settings.backlog, expected);
    }
}
