//! Any lines as forwarding headers of a trusted proxy: what is told can be shown to an app, and what a client has put in front of
//! that which proxies have appended changes nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::config::{Layer, Layers, Origin, Surroundings, definition, resolve};
use crate::http::{Connection, Event, HeaderMap, Policy, RequestHead, is_host};
use crate::proxy::{Forwarded, Told};

pub const SEEDS: &[&[u8]] = &[
    b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.1\nX-Forwarded-Proto: https",
    b"Forwarded: for=\"[2001:db8::1]:80\";proto=https;host=\"a:81\", for=10.0.0.2;by=_x",
    b"X-Forwarded-Host: a.example:8443\nX-Forwarded-Port: 8443\nX-Forwarded-Prefix: /a%20b/",
    b"SCRIPT_NAME: /app\nX-Forwarded-Ssl: on\nX-Forwarded-For: unix:",
];

static WAYS: LazyLock<[Forwarded; 2]> = LazyLock::new(|| {
    [
        forwarded(
            "x-forwarded-for,x-forwarded-proto,x-forwarded-host,x-forwarded-port,x-forwarded-prefix",
        ),
        forwarded("forwarded"),
    ]
});

fn forwarded(fields: &str) -> Forwarded {
    let mut layer = Layer::default();
    for (name, text) in [
        ("wsgi_app", "a:b"),
        ("forwarded_allow_ips", "127.0.0.1,10.0.0.0/8"),
        ("forwarded_headers", fields),
        ("forwarder_headers", "SCRIPT_NAME"),
    ] {
        layer.add(definition(name).expect(name), text, Origin::CommandLine);
    }
    let surroundings = Surroundings {
        variables: BTreeMap::new(),
        directory: "/".into(),
        cpus: 1,
    };
    let resolved = resolve(&Layers::new(vec![layer]), &surroundings).expect("valid options");
    Forwarded::new(&resolved.settings)
}

fn head(lines: &[Vec<u8>]) -> Option<RequestHead> {
    let policy = Policy {
        header_map: HeaderMap::Dangerous,
        ..Policy::default()
    };
    let mut connection = Connection::new(Arc::new(policy));
    connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n");
    for line in lines {
        connection.receive(line);
        connection.receive(b"\r\n");
    }
    connection.receive(b"\r\n");
    match connection.poll_event() {
        Event::Request(head) => Some(head),
        _ => None,
    }
}

pub fn run(data: &[u8]) {
    let lines: Vec<Vec<u8>> = data
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec())
        .filter(|line| !line.is_empty())
        .collect();
    let Some(request) = head(&lines) else {
        return;
    };
    for way in &*WAYS {
        if let Ok(Some(told)) = way.told(&request) {
            can_be_shown(&told);
        }
    }
    spoofs(&lines);
}

fn can_be_shown(told: &Told) {
    if let Some(host) = &told.host {
        assert!(is_host(host.as_bytes()) && !host.is_empty());
        let field = told.host_field().expect("there is a host");
        assert!(is_host(field.as_bytes()), "{field}");
        assert!(told.server().is_some());
    }
    if let Some(prefix) = &told.prefix {
        assert!(
            prefix.starts_with('/') && !prefix.ends_with('/'),
            "{prefix}"
        );
    }
    assert_ne!(told.port, Some(0));
}

/// A proxy of ours appends the client that it sees; whatever that client has sent stays without effect.
fn spoofs(lines: &[Vec<u8>]) {
    const SEEN: &str = "203.0.113.7";
    for (way, field, appended) in [
        (&WAYS[0], &b"x-forwarded-for"[..], SEEN.to_owned()),
        (&WAYS[1], b"forwarded", format!("for={SEEN}")),
    ] {
        let mut lines: Vec<_> = lines
            .iter()
            .filter(|line| {
                let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
                name.eq_ignore_ascii_case(field)
            })
            .cloned()
            .collect();
        lines.push([field, b": ", appended.as_bytes()].concat());
        let Some(request) = head(&lines) else {
            continue;
        };
        let told = way.told(&request).expect("no scheme is said twice");
        let client = told
            .and_then(|told| told.client)
            .expect("the proxy told it");
        assert_eq!(client.address.to_string(), SEEN);
    }
}
