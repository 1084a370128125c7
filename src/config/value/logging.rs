//! Values of the logs' settings: addresses of servers, facilities, shares, patterns.

use std::path::Path;

use super::headers::{FRAMING, is_token};
use super::{InvalidValue, ParsedValue};
use crate::config::{ALL_OF_A_MILLION, LogFormat, PathPattern, RemoteAddress};

pub(in crate::config) fn log_format(text: &str) -> ParsedValue<LogFormat> {
    match text.trim().to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "logfmt" => Ok(LogFormat::Logfmt),
        _ => Err(InvalidValue::new("is none of text, json, logfmt")),
    }
}

/// `0.1` or `10%`, as so many of a million.
pub(in crate::config) fn share(text: &str) -> ParsedValue<u32> {
    let text = text.trim();
    let (number, whole) = match text.strip_suffix('%') {
        Some(number) => (number, 100.0),
        None => (text, 1.0),
    };
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let share = number.parse::<f64>().ok().filter(|_| plain(number));
    match share.map(|share| share / whole) {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and a million"
        )]
        Some(share) if share <= 1.0 => Ok((share * f64::from(ALL_OF_A_MILLION)).round() as u32),
        Some(_) => {
            Err(InvalidValue::new("is more than 100%").hint("write 0.1 or 10% for one in ten"))
        }
        None => Err(InvalidValue::new("is not a share").hint("write 0.1 or 10% for one in ten")),
    }
}

/// Separated by commas: paths, and prefixes of paths followed by `*`.
pub(in crate::config) fn path_patterns(text: &str) -> ParsedValue<Vec<PathPattern>> {
    text.split(',')
        .map(str::trim)
        .filter(|pattern| !pattern.is_empty())
        .map(|pattern| match pattern.strip_suffix('*') {
            _ if !pattern.starts_with('/') => Err(InvalidValue::new("does not begin with a slash")),
            Some(start) if !start.contains('*') => Ok(PathPattern::Below(start.to_owned())),
            None if !pattern.contains('*') => Ok(PathPattern::Exactly(pattern.to_owned())),
            _ => Err(InvalidValue::new("has a * elsewhere than at its end")),
        })
        .collect()
}

/// Fields of RFC 9110 and others in use that mean something else to clients or apps.
const TAKEN: [&str; 22] = [
    "accept",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "host",
    "last-modified",
    "location",
    "range",
    "retry-after",
    "server",
    "set-cookie",
    "vary",
    "via",
    "www-authenticate",
];

/// The name of the header field of request identifiers, lower-cased.
pub(in crate::config) fn identifier_name(text: &str) -> ParsedValue<String> {
    // To a WSGI app `_` and `-` are the same.
    if !is_token(text) || text.contains('_') {
        return Err(InvalidValue::new("is not the name of a header field"));
    }
    let name = text.to_ascii_lowercase();
    if FRAMING.contains(&name.as_str()) || TAKEN.contains(&name.as_str()) {
        return Err(InvalidValue::new("is a header field with another meaning")
            .hint("X-Request-ID, X-Correlation-ID and traceparent are usual"));
    }
    Ok(name)
}

/// gunicorn's `--log-syslog-to`: `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix://PATH#dgram`.
pub(in crate::config) fn syslog_address(text: &str) -> ParsedValue<RemoteAddress> {
    if let Some(rest) = text.strip_prefix("unix://") {
        let (path, kind) = rest.split_once('#').unwrap_or((rest, ""));
        let path = Path::new(path).to_owned();
        if !path.is_absolute() {
            return Err(InvalidValue::new(
                "needs a path from the root: unix:///dev/log",
            ));
        }
        return match kind {
            "" => Ok(RemoteAddress::Unix(path)),
            "dgram" => Ok(RemoteAddress::Datagrams(path)),
            "stream" => Ok(RemoteAddress::Stream(path)),
            _ => Err(InvalidValue::new("ends in neither #dgram nor #stream")),
        };
    }
    if let Some(rest) = text.strip_prefix("udp://") {
        let (host, port) = host_and_port(rest, 514)?;
        Ok(RemoteAddress::Udp { host, port })
    } else if let Some(rest) = text.strip_prefix("tcp://") {
        let (host, port) = host_and_port(rest, 514)?;
        Ok(RemoteAddress::Tcp { host, port })
    } else {
        Err(InvalidValue::new("is not an address of syslog")
            .hint("write udp://HOST:514, tcp://HOST:514 or unix:///dev/log#dgram"))
    }
}

/// The default address of a metrics server, as with gunicorn.
const STATSD_PORT: u16 = 8125;

/// gunicorn's `--statsd-host`: `HOST[:PORT]`, or `unix://PATH`.
pub(in crate::config) fn statsd_address(text: &str) -> ParsedValue<RemoteAddress> {
    match text.strip_prefix("unix:") {
        Some(rest) => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() {
                return Err(InvalidValue::new("names no path"));
            }
            Ok(RemoteAddress::Datagrams(path.into()))
        }
        None => {
            let address = text.strip_prefix("udp://").unwrap_or(text);
            let (host, port) = host_and_port(address, STATSD_PORT)?;
            Ok(RemoteAddress::Udp { host, port })
        }
    }
}

fn host_and_port(text: &str, usual: u16) -> ParsedValue<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, rest.strip_prefix(':').or(Some(""))),
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => usual,
        Some(port) => port
            .parse::<u16>()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| InvalidValue::new("has no valid port"))?,
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Ok((host.to_owned(), port))
}

/// By gunicorn's names.
pub(in crate::config) fn facility(text: &str) -> ParsedValue<u8> {
    const FACILITIES: [(&str, u8); 21] = [
        ("auth", 4),
        ("authpriv", 10),
        ("cron", 9),
        ("daemon", 3),
        ("ftp", 11),
        ("kern", 0),
        ("lpr", 6),
        ("mail", 2),
        ("news", 7),
        ("security", 4),
        ("syslog", 5),
        ("user", 1),
        ("uucp", 8),
        ("local0", 16),
        ("local1", 17),
        ("local2", 18),
        ("local3", 19),
        ("local4", 20),
        ("local5", 21),
        ("local6", 22),
        ("local7", 23),
    ];
    let lower = text.trim().to_ascii_lowercase();
    let found = FACILITIES.iter().find(|(name, _)| *name == lower);
    found.map(|(_, code)| *code).ok_or_else(|| {
        InvalidValue::new("is not a facility of syslog")
            .hint("there are user, daemon, auth, local0 to local7 and others")
    })
}

/// With one dot at its end.
pub(in crate::config) fn metric_prefix(text: &str) -> ParsedValue<String> {
    clean(text)?;
    let prefix = text.trim_end_matches('.');
    Ok(if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix}.")
    })
}

/// In the form that follows a metric.
pub(in crate::config) fn metric_tags(text: &str) -> ParsedValue<String> {
    clean(text)?;
    Ok(if text.is_empty() {
        String::new()
    } else {
        format!("|#{text}")
    })
}

/// Characters that would begin another metric in the same datagram.
fn clean(text: &str) -> ParsedValue<()> {
    if text.chars().any(|c| c.is_control() || c == '|') {
        return Err(InvalidValue::new(
            "has characters that mean something to statsd",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_frames_messages_holds_no_identifier() {
        assert_eq!(identifier_name("X-Trace").as_deref(), Ok("x-trace"));
        for wrong in [
            "",
            "a b",
            "x_request_id",
            "Content-Length",
            "transfer-encoding",
            "Set-Cookie",
            "Host",
        ] {
            assert!(identifier_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(share("0.1"), Ok(100_000));
        assert_eq!(share("25%"), Ok(250_000));
        assert_eq!((share("1"), share("0")), (Ok(ALL_OF_A_MILLION), Ok(0)));
        for wrong in ["", "2", "101%", "-0.1", "x", "nan", "inf", "1e-3"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        let udp = |host: &str, port| {
            Ok(RemoteAddress::Udp {
                host: host.into(),
                port,
            })
        };
        assert_eq!(syslog_address("udp://localhost:514"), udp("localhost", 514));
        assert_eq!(syslog_address("udp://[::1]"), udp("::1", 514));
        assert_eq!(syslog_address("udp://"), udp("localhost", 514));
        assert_eq!(statsd_address("[::1]:8125"), udp("::1", 8125));
        assert_eq!(statsd_address("statsd:8126"), udp("statsd", 8126));
        assert_eq!(statsd_address("statsd"), udp("statsd", 8125));
        assert_eq!(
            statsd_address("unix:///run/x"),
            Ok(RemoteAddress::Datagrams("/run/x".into()))
        );
        assert_eq!(
            syslog_address("unix:///dev/log#stream"),
            Ok(RemoteAddress::Stream("/dev/log".into()))
        );
        for wrong in [
            "x",
            "udp://h:x",
            "udp://h:0",
            "unix://rel",
            "unix:///p#x",
            "tcp://[::1]x",
        ] {
            assert!(syslog_address(wrong).is_err(), "{wrong}");
        }
        for wrong in ["statsd:", "unix://", "[::1]x"] {
            assert!(statsd_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns() {
        let patterns = path_patterns("/healthz, /static/*").unwrap();
        let matches = |path: &str| patterns.iter().any(|p| p.matches(path.as_bytes()));
        assert!(matches("/healthz") && matches("/static/a.css"));
        assert!(!matches("/healthz/") && !matches("/"));
        assert!(path_patterns("healthz").is_err() && path_patterns("/a*b").is_err());
    }

    #[test]
    fn metrics() {
        assert_eq!(metric_prefix("app..").unwrap(), "app.");
        assert_eq!(metric_prefix("").unwrap(), "");
        assert_eq!(metric_tags("a:b,c").unwrap(), "|#a:b,c");
        assert!(metric_tags("a\nb:1|c").is_err());
    }
}
