//! One `-b`: `host:port`, `[v6]:port`, `:port`, `unix:path`, `fd://N`. Names are resolved when they are bound, not here.

use std::net::Ipv6Addr;
use std::path::Path;

use super::{InvalidValue, ParsedValue};
use crate::config::{Bind, Endpoint};
use crate::sys::Protection;

/// gunicorn's.
const DEFAULT_PORT: u16 = 8000;

/// The room in `sockaddr_un.sun_path`, less its NUL (unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// An address, and whether it uses TLS if that is given. `base`: where a relative path of a unix socket starts.
pub(in crate::config) fn bind(text: &str, base: &Path) -> ParsedValue<Bind> {
    let (text, protection) = match text.rsplit_once(',') {
        Some((address, "tls")) => (address, Some(Protection::Tls)),
        Some((address, "plain")) => (address, Some(Protection::None)),
        Some(_) | None => (text, None),
    };
    Ok(Bind {
        endpoint: address(text, base)?,
        protection,
    })
}

/// Addresses in one text, separated by commas. `tls` and `plain` belong to the address before them.
pub(in crate::config) fn separate_binds(text: &str) -> Vec<String> {
    let mut binds: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim) {
        match binds.last_mut() {
            Some(address) if matches!(part, "tls" | "plain") => {
                address.push(',');
                address.push_str(part);
            }
            _ if part.is_empty() => {}
            _ => binds.push(part.to_owned()),
        }
    }
    binds
}

/// `base`: where a relative path of a unix socket starts.
fn address(text: &str, base: &Path) -> ParsedValue<Endpoint> {
    if let Some(rest) = text.strip_prefix("unix:") {
        return unix(rest.strip_prefix("//").unwrap_or(rest), base);
    }
    if let Some(rest) = text.strip_prefix("fd://") {
        return inherited(rest);
    }
    if let Some(rest) = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
    {
        return Err(InvalidValue::new("is a URL, not an address")
            .hint(format!("try `{}`", rest.trim_end_matches('/'))));
    }
    tcp(text.strip_prefix("tcp://").unwrap_or(text))
}

/// An address that is not an inherited descriptor.
pub(in crate::config) fn own_address(text: &str, base: &Path) -> ParsedValue<Endpoint> {
    match address(text, base)? {
        Endpoint::Fd { .. } | Endpoint::FdName { .. } => {
            Err(InvalidValue::new("names a socket that is passed in")
                .hint("write HOST:PORT or unix:PATH"))
        }
        bind @ (Endpoint::Tcp { .. } | Endpoint::Unix { .. }) => Ok(bind),
    }
}

fn unix(path: &str, base: &Path) -> ParsedValue<Endpoint> {
    if path.is_empty() {
        return Err(InvalidValue::new("names no path").hint("write it as in unix:/run/app.sock"));
    }
    if let Some(name) = path.strip_prefix('@') {
        return Err(InvalidValue::new("would be a socket without a file").hint(format!(
            "such a socket is opened by systemd (ListenStream=@{name}) and passed in; `unix:./{path}` is a file of that name"
        )));
    }
    let path = base.join(path);
    match path.as_os_str().len() {
        length if length > LONGEST_SOCKET_PATH => Err(InvalidValue::new(format!(
            "is a path of {length} bytes; a unix socket's may have {LONGEST_SOCKET_PATH}"
        ))),
        _ => Ok(Endpoint::Unix { path }),
    }
}

fn inherited(name: &str) -> ParsedValue<Endpoint> {
    if let Ok(fd) = name.parse::<i32>() {
        return match fd {
            0.. => Ok(Endpoint::Fd { fd }),
            _ => Err(InvalidValue::new("is not a descriptor")),
        };
    }
    // sd_listen_fds_with_names(3): printable ASCII without the colon.
    if !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b':')
    {
        Ok(Endpoint::FdName {
            name: name.to_owned(),
        })
    } else {
        Err(InvalidValue::new("is not a descriptor")
            .hint("write its number, as in fd://3, or its systemd name, as in fd://http"))
    }
}

fn tcp(text: &str) -> ParsedValue<Endpoint> {
    if text.is_empty() {
        return Err(InvalidValue::new("is no address")
            .hint("write it as in 127.0.0.1:8000, or :8000 for all addresses"));
    }
    if let Some(hint) = brackets(text) {
        return Err(InvalidValue::new("lacks the brackets of an IPv6 address").hint(hint));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidValue::new("is a port without a host").hint(format!(
            "`127.0.0.1:{text}` for this machine only, `:{text}` for all addresses"
        )));
    }
    if let Some(rest) = text.strip_prefix('[') {
        return bracketed(rest);
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, self::port(port)?),
        None => (text, DEFAULT_PORT),
    };
    match host {
        // As in the socket API, and with gunicorn.
        "" => Ok(Endpoint::Tcp {
            host: "0.0.0.0".to_owned(),
            port,
        }),
        "*" => Err(InvalidValue::new("has no host name")
            .hint(format!("`:{port}` listens on all addresses"))),
        _ if host
            .bytes()
            .any(|byte| byte <= b' ' || byte == b'/' || byte == b',' || byte == b'@') =>
        {
            let malformed = InvalidValue::new("is not HOST:PORT");
            Err(match text {
                _ if text.contains(',') => malformed.hint("give -b once for each address"),
                _ if text.contains('/') => {
                    malformed.hint(format!("for a unix socket write `unix:{text}`"))
                }
                _ => malformed,
            })
        }
        _ => Ok(Endpoint::Tcp {
            host: host.to_ascii_lowercase(),
            port,
        }),
    }
}

/// How an IPv6 address that was written without brackets is written, with the port that it may end with.
fn brackets(text: &str) -> Option<String> {
    let with_port = text
        .rsplit_once(':')
        .filter(|(host, port)| is_ipv6(host) && self::port(port).is_ok())
        .map(|(host, port)| format!("`[{host}]:{port}`"));
    let whole = is_ipv6(text).then(|| format!("`[{text}]:{DEFAULT_PORT}`"));
    match (with_port, whole) {
        (Some(with_port), Some(whole)) => Some(format!("try {with_port}, or {whole}")),
        (one, other) => one.or(other).map(|address| format!("try {address}")),
    }
}

/// A zone (`fe80::1%eth0`) is part of the host; the resolver handles it.
fn is_ipv6(host: &str) -> bool {
    let (address, zone) = host.split_once('%').unwrap_or((host, "lo"));
    address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() && !zone.contains(':')
}

fn bracketed(rest: &str) -> ParsedValue<Endpoint> {
    let malformed =
        || InvalidValue::new("is not an IPv6 address").hint("write it as in [::1]:8000");
    let (host, port) = rest.split_once(']').ok_or_else(malformed)?;
    if !is_ipv6(host) {
        return Err(malformed());
    }
    let port = match port.strip_prefix(':') {
        Some(port) => self::port(port)?,
        None if port.is_empty() => DEFAULT_PORT,
        None => return Err(malformed()),
    };
    Ok(Endpoint::Tcp {
        host: host.to_ascii_lowercase(),
        port,
    })
}

fn port(text: &str) -> ParsedValue<u16> {
    if text.contains(',') {
        return Err(InvalidValue::new("is not HOST:PORT").hint("give -b once for each address"));
    }
    // `parse` alone would accept `+80`.
    match text.parse() {
        Ok(port) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        Ok(_) | Err(_) => {
            Err(InvalidValue::new("has no valid port").hint("a port is a number from 0 to 65535"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> ParsedValue<Endpoint> {
        address(text, Path::new("/srv"))
    }

    fn bound(text: &str) -> String {
        match parse(text) {
            Ok(Endpoint::Tcp { host, port }) => format!("tcp {host} {port}"),
            Ok(Endpoint::Unix { path }) => format!("unix {}", path.display()),
            Ok(Endpoint::Fd { fd }) => format!("fd {fd}"),
            Ok(Endpoint::FdName { name }) => format!("name {name}"),
            Err(malformed) => malformed.problem,
        }
    }

    #[test]
    fn every_syntax() {
        for (text, expected) in [
            ("127.0.0.1:8000", "tcp 127.0.0.1 8000"),
            ("localhost:80", "tcp localhost 80"),
            ("Example.ORG", "tcp example.org 8000"),
            ("0.0.0.0", "tcp 0.0.0.0 8000"),
            (":9000", "tcp 0.0.0.0 9000"),
            ("[::]:8000", "tcp :: 8000"),
            ("[::1]", "tcp ::1 8000"),
            ("[fe80::1%eth0]:80", "tcp fe80::1%eth0 80"),
            ("127.0.0.1:0", "tcp 127.0.0.1 0"),
            ("tcp://127.0.0.1:81", "tcp 127.0.0.1 81"),
            ("unix:/run/a.sock", "unix /run/a.sock"),
            ("unix:///run/a.sock", "unix /run/a.sock"),
            ("unix:a.sock", "unix /srv/a.sock"),
            ("unix:./@app", "unix /srv/./@app"),
            ("fd://3", "fd 3"),
            ("fd://http", "name http"),
        ] {
            assert_eq!(bound(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_refusal() {
        for (text, expected) in [
            ("", "is no address"),
            ("8000", "is a port without a host"),
            ("::1", "lacks the brackets of an IPv6 address"),
            ("::1:80", "lacks the brackets of an IPv6 address"),
            ("fe80::1%eth0", "lacks the brackets of an IPv6 address"),
            ("fe80::1%eth0:80", "lacks the brackets of an IPv6 address"),
            ("[fe80::1%]:80", "is not an IPv6 address"),
            ("unix:@app", "would be a socket without a file"),
            ("[::1:80", "is not an IPv6 address"),
            ("[localhost]:80", "is not an IPv6 address"),
            ("[::1]80", "is not an IPv6 address"),
            ("localhost:", "has no valid port"),
            ("localhost:http", "has no valid port"),
            ("localhost:+80", "has no valid port"),
            ("localhost:65536", "has no valid port"),
            ("a:1:2", "has no valid port"),
            ("a:80,b:80", "is not HOST:PORT"),
            ("a b:80", "is not HOST:PORT"),
            ("/run/a.sock", "is not HOST:PORT"),
            ("*:80", "has no host name"),
            ("http://localhost:80/", "is a URL, not an address"),
            ("unix:", "names no path"),
            ("fd://", "is not a descriptor"),
            ("fd://-1", "is not a descriptor"),
            ("fd://a b", "is not a descriptor"),
        ] {
            assert_eq!(bound(text), expected, "{text:?}");
        }
        assert_eq!(
            parse("/run/a.sock").unwrap_err().hint.as_deref(),
            Some("for a unix socket write `unix:/run/a.sock`")
        );
        for (text, hint) in [
            ("::1", "try `[::1]:8000`"),
            ("::1:80", "try `[::1]:80`, or `[::1:80]:8000`"),
            ("1:2:3:4:5:6:7:8:80", "try `[1:2:3:4:5:6:7:8]:80`"),
            ("fe80::1%eth0", "try `[fe80::1%eth0]:8000`"),
            ("fe80::1%eth0:80", "try `[fe80::1%eth0]:80`"),
        ] {
            assert_eq!(parse(text).unwrap_err().hint.as_deref(), Some(hint));
        }
        assert_eq!(
            parse("http://localhost:80/").unwrap_err().hint.as_deref(),
            Some("try `localhost:80`")
        );
    }

    #[test]
    fn protection_is_said_behind_the_address() {
        let parse = |text| bind(text, Path::new("/srv")).map(|bind| bind.protection);
        assert_eq!(parse("127.0.0.1:80"), Ok(None));
        assert_eq!(parse("127.0.0.1:80,plain"), Ok(Some(Protection::None)));
        assert_eq!(parse(":443,tls"), Ok(Some(Protection::Tls)));
        assert_eq!(parse("unix:/run/a.sock,tls"), Ok(Some(Protection::Tls)));
        assert_eq!(parse(":443,ssl").unwrap_err().problem, "is not HOST:PORT");
    }

    #[test]
    fn a_socket_path_that_the_kernel_would_refuse() {
        assert_eq!(
            bound(&format!("unix:/{}", "x".repeat(106))).len(),
            "unix ".len() + 107
        );
        assert_eq!(
            bound(&format!("unix:/{}", "x".repeat(107))),
            "is a path of 108 bytes; a unix socket's may have 107"
        );
    }
}
