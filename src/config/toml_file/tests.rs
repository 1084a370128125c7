//! TOML in, texts or one message with its line out.

use super::*;
use crate::config::{Layers, ProcessEnvironment, resolve};

fn read(text: &str) -> Result<Layers, Error> {
    toml(&Toml {
        name: "rgun.toml".into(),
        text: text.into(),
        place: SettingsTable::Top,
    })
    .map(|layer| Layers::new(vec![layer]))
}

fn anywhere() -> ProcessEnvironment {
    ProcessEnvironment {
        variables: std::collections::BTreeMap::new(),
        directory: "/srv".into(),
        cpus: 2,
    }
}

fn texts(layers: &Layers, name: &'static str) -> Vec<(String, String)> {
    layers
        .given(name)
        .iter()
        .map(|given| (given.text.clone(), given.origin.to_string()))
        .collect()
}

fn text(toml: &str, name: &'static str) -> String {
    let layers = read(toml).unwrap();
    let texts = texts(&layers, name);
    assert_eq!(texts.len(), 1, "{texts:?}");
    texts[0].0.clone()
}

#[test]
fn values_are_what_would_be_typed() {
    for (toml, name, expected) in [
        ("workers = 4", "workers", "4"),
        ("workers = \"auto\"", "workers", "auto"),
        ("umask = 0o117", "umask", "79"),
        ("timeout = 1.5", "timeout", "1.5"),
        ("graceful-timeout = \"2m\"", "graceful_timeout", "2m"),
        ("keep_alive = 5", "keepalive", "5"),
        ("access-logfile = \"-\"", "accesslog", "-"),
        ("factory = true", "factory", "true"),
        ("daemon = false", "daemon", "false"),
        ("bind = \":80\"", "bind", ":80"),
        ("proxy_protocol = true", "proxy_protocol", "auto"),
        (
            "ws_per_message_deflate = false",
            "ws_per_message_deflate",
            "off",
        ),
        (
            "forwarded_allow_ips = [\"::1\", \"10.0.0.0/8\"]",
            "forwarded_allow_ips",
            "::1,10.0.0.0/8",
        ),
        (
            "[secure_scheme_headers]\nX-Tls = \"on\"",
            "secure_scheme_headers",
            "X-Tls=on",
        ),
        ("[env]\nA = \"b c\"", "raw_env", "A=b c"),
        ("[env]\nPORT = 8000", "raw_env", "PORT=8000"),
        ("user = 1000", "user", "1000"),
        ("tls_min_version = 1.2", "tls_min_version", "1.2"),
        ("app = \"site:app\"", "wsgi_app", "site:app"),
        ("access_log_sample = 0.1", "access_log_sample", "0.1"),
        ("access_log_sample = 1", "access_log_sample", "1"),
    ] {
        assert_eq!(text(toml, name), expected, "{toml}");
    }
}

#[test]
fn each_value_has_its_line() {
    let layers = read("# rgun\nbind = [\n  \":80\",\n  \"unix:/run/a\",\n]\n").unwrap();
    assert_eq!(
        texts(&layers, "bind"),
        [
            (":80".to_owned(), "rgun.toml:3".to_owned()),
            ("unix:/run/a".to_owned(), "rgun.toml:4".to_owned())
        ]
    );
}

#[test]
fn mistakes_have_their_line_and_the_way_out() {
    for (toml, message, hint) in [
        (
            "bind = \":80\"\nwokers = 4",
            "rgun.toml:2: there is no setting `wokers`",
            Some("did you mean `workers`?"),
        ),
        (
            "[bind_address]\nx = 1",
            "rgun.toml:1: there is no table `[bind_address]`",
            Some("settings stand at the top of the file, before any table"),
        ),
        (
            "\nworkers = true",
            "rgun.toml:2: workers must be a number, not a boolean",
            None,
        ),
        (
            "factory = \"yes\"",
            "rgun.toml:1: factory must be true or false, not a string",
            None,
        ),
        (
            "bind = [\":80\", 81]",
            "rgun.toml:1: bind must be a string or an array of strings, not an integer",
            None,
        ),
        (
            "timeout = []",
            "rgun.toml:1: timeout must be seconds, or a string such as \"30s\", not an array",
            None,
        ),
        (
            "keepalive = 1\nkeep-alive = 2",
            "rgun.toml:2: `keepalive` and `keep-alive` are the same setting",
            None,
        ),
    ] {
        let error = read(toml).expect_err(toml);
        assert_eq!(error.to_string(), message, "{toml}");
        assert_eq!(error.hint(), hint, "{toml}");
        assert_eq!(error.exit_code(), 1);
    }
    for broken in [
        "workers = ",
        "workers = 1\nworkers = 2",
        "[a\n",
        "= 1",
        "\u{0}",
    ] {
        let error = read(broken).expect_err(broken).to_string();
        assert!(error.starts_with("rgun.toml:"), "{error}");
    }
}

#[test]
fn a_project_file_has_a_table_of_ours_or_not() {
    let tool = |text: &str| {
        toml(&Toml {
            name: "pyproject.toml".into(),
            text: text.into(),
            place: SettingsTable::Tool,
        })
    };
    let other = tool("[project]\nname = \"x\"\n[tool.black]\nwokers = 1\n").unwrap();
    assert_eq!(other, Layer::default());
    let layers = Layers::new(vec![
        tool("[tool.black]\n[tool.rgun]\nworkers = 3\n").unwrap(),
    ]);
    assert_eq!(
        texts(&layers, "workers"),
        [("3".to_owned(), "pyproject.toml:3".to_owned())]
    );
    let error = tool("[tool.rgun]\nwokers = 3\n").unwrap_err();
    assert!(error.to_string().starts_with("pyproject.toml:2"), "{error}");
}

#[test]
fn what_is_wrong_is_underlined_in_its_line() {
    for (text, expected) in [
        ("workers =", "  |\n1 | workers =\n  |          ^\n"),
        ("a = 1", "  |\n1 | a = 1\n  | ^\n"),
        (
            "\n# é\nworkers = true # é",
            "  |\n3 | workers = true # é\n  |           ^^^^\n",
        ),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.excerpt(), Some(expected), "{text}");
    }
    for (text, expected) in [
        (
            "workers = \"x\"",
            "  |\n1 | workers = \"x\"\n  |           ^^^\n",
        ),
        (
            "bind = [\n  \":80\",\n  \"a:b\",\n]",
            "  |\n3 |   \"a:b\",\n  |   ^^^^^\n",
        ),
        (
            "[beside.web]\nkommand = \"x\"",
            "  |\n1 | [beside.web]\n  |         ^^^\n",
        ),
    ] {
        let layers = read(text).expect("understood as TOML");
        let error = resolve(&layers, &anywhere()).expect_err(text);
        assert_eq!(error.excerpt(), Some(expected), "{text}: {error}");
    }
    let long = format!("a = \"{}\"", "x".repeat(1000));
    assert_eq!(read(&long).expect_err("unknown").excerpt(), None);
}

#[test]
fn a_table_of_another_tools_kind_is_named_as_one() {
    let error = read("[server]\nworkers = 2").expect_err("no table");
    assert_eq!(
        error.to_string(),
        "rgun.toml:1: there is no table `[server]`"
    );
    let hint = "settings stand at the top of the file, before any table";
    assert_eq!(error.hint(), Some(hint));
}
