//! Any lines as forwarding headers of a trusted proxy: the result can be passed to an app, and what a client has put in front of
//! that which proxies have appended changes nothing.

use std::sync::{Arc, LazyLock};

use crate::config::{ForwardedHeaders, Settings, TrustedPeers, XForwarded};
use crate::http::{Connection, HttpEvent, Policy, RequestHead, UnderscorePolicy, is_host};
use crate::proxy::{Forwarded, ForwardedRequest, Scheme};

pub const SEEDS: &[&[u8]] = &[
    b"X-Forwarded-For: 6.6.6.6, 203.0.113.7, 10.0.0.1\nX-Forwarded-Proto: https",
    b"Forwarded: for=\"[2001:db8::1]:80\";proto=https;host=\"a:81\", for=10.0.0.2;by=_x",
    b"X-Forwarded-Host: a.example:8443\nX-Forwarded-Port: 8443\nX-Forwarded-Prefix: /a%20b/",
    b"SCRIPT_NAME: /app\nX-Forwarded-Ssl: on\nX-Forwarded-For: unix:",
];

static WAYS: LazyLock<[Forwarded; 2]> = LazyLock::new(|| {
    use XForwarded::{For, Host, Port, Prefix, Proto};
    [
        ForwardedHeaders::XForwarded(vec![For, Proto, Host, Port, Prefix]),
        ForwardedHeaders::Standard,
    ]
    .map(forwarded)
});

fn forwarded(headers: ForwardedHeaders) -> Forwarded {
    let ours = "10.0.0.0".parse().expect("an address");
    let secure = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-protocol", "ssl"),
        ("x-forwarded-ssl", "on"),
    ];
    Forwarded::new(&Settings {
        forwarded_allow_ips: TrustedPeers::Networks(vec![(ours, 8)]),
        forwarded_headers: headers,
        secure_scheme_headers: secure
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
        forwarder_headers: vec!["script_name".into()],
    })
}

fn head(lines: &[Vec<u8>]) -> Option<RequestHead> {
    let policy = Policy {
        header_map: UnderscorePolicy::Dangerous,
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
        HttpEvent::Request(head) => Some(head),
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
        if let Ok(Some(forwarded)) = way.of_request(&request) {
            can_be_shown(&forwarded);
        }
    }
    spoofs(&lines);
}

fn can_be_shown(forwarded: &ForwardedRequest) {
    if let Some(host) = &forwarded.host {
        assert!(is_host(host.as_bytes()) && !host.is_empty());
        let field = forwarded.host_field().expect("there is a host");
        assert!(is_host(field.as_bytes()), "{field}");
        assert!(forwarded.server(Scheme::Http).is_some());
    }
    if let Some(prefix) = &forwarded.prefix {
        assert!(
            prefix.starts_with('/') && !prefix.ends_with('/'),
            "{prefix}"
        );
    }
    assert_ne!(forwarded.port, Some(0));
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
        let forwarded = way.of_request(&request).expect("no scheme is given twice");
        let client = forwarded
            .and_then(|forwarded| forwarded.client)
            .expect("the proxy named it");
        assert_eq!(client.address.to_string(), SEEN);
    }
}
