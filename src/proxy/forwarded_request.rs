//! The client, scheme and host that a trusted proxy has reported, for the app.

use std::net::IpAddr;

/// The client as a proxy saw it; port 0: unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardedClient {
    pub address: IpAddr,
    pub port: u16,
}

/// The scheme between the client and the outermost proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Replaces the connection's own values; `None`: not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardedRequest {
    pub client: Option<ForwardedClient>,
    pub scheme: Option<Scheme>,
    /// A valid Host field.
    pub host: Option<Box<str>>,
    pub port: Option<u16>,
    /// Where the app is mounted: begins with a slash and does not end with one. Decoded.
    pub prefix: Option<Box<str>>,
}

impl ForwardedRequest {
    pub fn is_nothing(&self) -> bool {
        *self == ForwardedRequest::default()
    }

    /// The Host field that the app is to see.
    pub fn host_field(&self) -> Option<String> {
        let host = self.host.as_deref()?;
        let default = self.scheme.map(Scheme::port);
        // The name: a host may end in a colon without a port.
        Some(match (self.port, split_port(host)) {
            (Some(port), (name, None)) if Some(port) != default => format!("{name}:{port}"),
            _ => host.to_owned(),
        })
    }

    /// Name and port of the server that the client meant. `scheme`: of the connection.
    pub fn server(&self, scheme: Scheme) -> Option<(&str, u16)> {
        let (name, port) = split_port(self.host.as_deref()?);
        let default = || self.scheme.unwrap_or(scheme).port();
        Some((name, self.port.or(port).unwrap_or_else(default)))
    }
}

fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
        Some(_) | None => (host, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_come_together() {
        let reported = |host: &str, port, scheme| ForwardedRequest {
            host: Some(host.into()),
            port,
            scheme,
            ..ForwardedRequest::default()
        };
        for (reported, field, server) in [
            (
                reported("a.example", None, None),
                "a.example",
                ("a.example", 80),
            ),
            (
                reported("a.example", None, Some(Scheme::Https)),
                "a.example",
                ("a.example", 443),
            ),
            (
                reported("a.example:81", None, Some(Scheme::Https)),
                "a.example:81",
                ("a.example", 81),
            ),
            (
                reported("a.example", Some(443), Some(Scheme::Https)),
                "a.example",
                ("a.example", 443),
            ),
            (
                reported("a.example", Some(8443), Some(Scheme::Https)),
                "a.example:8443",
                ("a.example", 8443),
            ),
            (reported("[::1]", Some(81), None), "[::1]:81", ("[::1]", 81)),
            (
                reported("a.example:", Some(81), None),
                "a.example:81",
                ("a.example", 81),
            ),
            (reported("[::1]", None, None), "[::1]", ("[::1]", 80)),
        ] {
            assert_eq!(reported.host_field().as_deref(), Some(field));
            assert_eq!(reported.server(Scheme::Http), Some(server));
        }
        let host_alone = reported("a.example", None, None);
        assert_eq!(
            host_alone.server(Scheme::Https),
            Some(("a.example", 443)),
            "over TLS"
        );
    }
}
