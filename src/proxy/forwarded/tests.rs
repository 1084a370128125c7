use super::*;
use crate::config::{Layer, Layers, Origin, ProcessEnvironment, definition, resolve};
use crate::http::{Connection, HttpEvent, Policy, UnderscorePolicy};

fn forwarded(options: &[(&str, &str)]) -> Forwarded {
    let mut layer = Layer::default();
    layer.add(
        definition("wsgi_app").expect("the app"),
        "a:b",
        Origin::CommandLine,
    );
    for (name, text) in options {
        layer.add(definition(name).expect(name), *text, Origin::CommandLine);
    }
    let process_environment = ProcessEnvironment {
        variables: std::collections::BTreeMap::new(),
        directory: "/".into(),
        cpus: 1,
    };
    let settings = resolve(&Layers::new(vec![layer]), &process_environment).expect("valid options");
    Forwarded::new(&settings.settings)
}

fn head(fields: &[&str]) -> RequestHead {
    let policy = Policy {
        header_map: UnderscorePolicy::Dangerous,
        ..Policy::default()
    };
    let mut connection = Connection::new(std::sync::Arc::new(policy));
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    connection.receive(format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    match connection.poll_event() {
        HttpEvent::Request(head) => head,
        other => panic!("{other:?}"),
    }
}

/// `client scheme host port prefix`, each only where given.
fn reported(forwarded: &Forwarded, fields: &[&str]) -> String {
    let reported = match forwarded.of_request(&head(fields)) {
        Ok(None) => return "nothing".into(),
        Err(Disagreement) => return "disagreement".into(),
        Ok(Some(reported)) => reported,
    };
    [
        reported.client.map(|client| client.address.to_string()),
        reported.scheme.map(|scheme| scheme.as_str().to_owned()),
        reported.host.map(String::from),
        reported.port.map(|port| port.to_string()),
        reported.prefix.map(String::from),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

const CHAIN: (&str, &str) = ("forwarded_allow_ips", "127.0.0.1,10.0.0.0/8");

#[test]
fn by_default_client_and_scheme_count_and_nothing_else() {
    let plain = forwarded(&[]);
    for (fields, is) in [
        (&["X-Forwarded-For: 203.0.113.7"][..], "203.0.113.7"),
        (&["X-Forwarded-Proto: https"], "https"),
        (&["X-Forwarded-Ssl: on"], "https"),
        (&["X-Forwarded-Protocol: ssl"], "https"),
        (&["X-Forwarded-Ssl: off", "X-Forwarded-Proto: http"], "http"),
        (&["X-Forwarded-Proto: "], "nothing"),
        (&["X-Forwarded-Host: b"], "nothing"),
        (&["X-Forwarded-Port: 81"], "nothing"),
        (&["X-Forwarded-Prefix: /x"], "nothing"),
        (
            &["Forwarded: for=203.0.113.7;proto=https;host=b"],
            "nothing",
        ),
        (&["SCRIPT_NAME: /x"], "nothing"),
        (&["X-Real-Ip: 203.0.113.7"], "nothing"),
        (&[], "nothing"),
        (
            &["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 203.0.113.7"],
            "203.0.113.7",
        ),
        (&["X-Forwarded-For: 6.6.6.6, nonsense"], "nothing"),
    ] {
        assert_eq!(reported(&plain, fields), is, "{fields:?}");
    }
}

#[test]
fn fields_that_disagree_are_refused() {
    let plain = forwarded(&[]);
    let both = ["X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"];
    assert_eq!(reported(&plain, &both), "disagreement");
    // Two lines of one name are not one list.
    for (first, second, is) in [
        ("https", "http", "disagreement"),
        ("http", "https", "disagreement"),
        ("https", "https", "https"),
        ("http, https", "https", "https"),
    ] {
        let lines = [first, second].map(|value| format!("X-Forwarded-Proto: {value}"));
        assert_eq!(reported(&plain, &lines.each_ref().map(String::as_str)), is);
    }
    let one = forwarded(&[("secure_scheme_headers", "X-Forwarded-Proto=https")]);
    assert_eq!(reported(&one, &both), "https");
    let own = forwarded(&[("secure_scheme_headers", "Front-End-Https=on")]);
    assert_eq!(reported(&own, &both), "nothing");
    assert_eq!(reported(&own, &["Front-End-Https: On"]), "https");
}

#[test]
fn the_scheme_is_of_the_hop_at_which_the_client_was_found() {
    let chain = forwarded(&[CHAIN]);
    let addresses = "X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.2";
    for (proto, is) in [
        ("http, https, http", "203.0.113.7 https"),
        ("https, http, http", "203.0.113.7 http"),
        // Replaced by the nearest one, or passed on by it.
        ("https", "203.0.113.7 https"),
        ("http, https", "203.0.113.7 http"),
    ] {
        let field = format!("X-Forwarded-Proto: {proto}");
        assert_eq!(reported(&chain, &[addresses, &field]), is, "{proto}");
    }
    // A client's own entry does not count where the one trusted proxy has appended its own.
    assert_eq!(
        reported(
            &chain,
            &[
                "X-Forwarded-For: 203.0.113.7",
                "X-Forwarded-Proto: https, http"
            ]
        ),
        "203.0.113.7 http"
    );
}

#[test]
fn host_port_and_prefix_on_request() {
    let all =
        "x-forwarded-for,x-forwarded-proto,X-Forwarded-Host,x-forwarded-port,x-forwarded-prefix";
    let opted = forwarded(&[CHAIN, ("forwarded_headers", all)]);
    let fields = [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.example, site.example",
        "X-Forwarded-Port: 8443",
        "X-Forwarded-Prefix: /app/",
        "Forwarded: for=6.6.6.6",
    ];
    assert_eq!(
        reported(&opted, &fields),
        "203.0.113.7 https site.example 8443 /app"
    );
    for wrong in [
        "X-Forwarded-Host: a b",
        "X-Forwarded-Host: a/b",
        "X-Forwarded-Port: 0",
        "X-Forwarded-Port: 99999",
        "X-Forwarded-Port: +1",
        "X-Forwarded-Prefix: //evil.example",
    ] {
        assert_eq!(reported(&opted, &[wrong]), "nothing", "{wrong}");
    }
}

#[test]
fn the_standard_field_alone_on_request() {
    let standard = forwarded(&[CHAIN, ("forwarded_headers", "forwarded")]);
    for (fields, is) in [
        (
            &["Forwarded: for=203.0.113.7;proto=https;host=site.example"][..],
            "203.0.113.7 https site.example",
        ),
        (
            &[
                "Forwarded: for=6.6.6.6;proto=https, for=203.0.113.7;proto=http, for=10.0.0.2;proto=https",
            ],
            "203.0.113.7 http",
        ),
        (
            &["Forwarded: for=6.6.6.6, for=unknown;proto=https, for=10.0.0.2"],
            "10.0.0.2 https",
        ),
        (&["Forwarded: proto=https"], "https"),
        (&["Forwarded: for=203.0.113.7, for=\"10.0.0.2"], "nothing"),
        (
            &[
                "X-Forwarded-For: 6.6.6.6",
                "X-Forwarded-Proto: https",
                "X-Forwarded-Ssl: on",
            ],
            "nothing",
        ),
    ] {
        assert_eq!(reported(&standard, fields), is, "{fields:?}");
    }
}

#[test]
fn script_name_on_request() {
    let named = forwarded(&[("forwarder_headers", "SCRIPT_NAME,PATH_INFO")]);
    assert_eq!(reported(&named, &["SCRIPT_NAME: /app"]), "/app");
    assert_eq!(reported(&named, &["Script-Name: /app"]), "nothing");
    assert_eq!(
        reported(&named, &["SCRIPT_NAME: //evil.example"]),
        "nothing"
    );
    // Two: one of them is not the proxy's.
    assert_eq!(
        reported(&named, &["SCRIPT_NAME: /a", "SCRIPT_NAME: /b"]),
        "nothing"
    );
}

#[test]
fn every_known_name_has_a_bit() {
    assert!(crate::http::KNOWN_NAMES.len() <= 64);
}
