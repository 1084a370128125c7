//! `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2): the syntax of the Host field.

use super::chars::{REG_NAME, decimal};

/// Whether `value` is valid in a Host field. Empty is allowed: a client whose URI has no authority must send
/// it so (RFC 9112 §3.2). User information is not.
pub fn is_host(value: &[u8]) -> bool {
    let (host, rest) = match value {
        [b'[', inside @ ..] => {
            let Some(end) = memchr::memchr(b']', inside) else {
                return false;
            };
            if !is_ip_literal(&inside[..end]) {
                return false;
            }
            (&[][..], &inside[end + 1..])
        }
        _ => {
            let end = memchr::memchr(b':', value).unwrap_or(value.len());
            value.split_at(end)
        }
    };
    is_reg_name(host) && is_port(rest)
}

fn is_reg_name(host: &[u8]) -> bool {
    if !host.iter().all(|&byte| REG_NAME[usize::from(byte)]) {
        return false;
    }
    // Rare enough to check again: every `%` begins an escape.
    !host.contains(&b'%')
        || host
            .split(|&byte| byte == b'%')
            .skip(1)
            .all(|piece| piece.len() >= 2 && piece[..2].iter().all(u8::is_ascii_hexdigit))
}

fn is_ip_literal(inside: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(inside) else {
        return false;
    };
    // IPvFuture has no version yet. A zone (RFC 6874) is useless to a server and should not have left the client (§4), but
    // some clients send it, other servers accept it, and it cannot be read as another host: so it is accepted in its URI form.
    let (address, zone) = match text.split_once("%25") {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    address.parse::<std::net::Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

/// `1*( unreserved / pct-encoded )` (RFC 6874 §2).
fn is_zone(zone: &str) -> bool {
    let is_unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%');
    !zone.is_empty() && zone.bytes().all(is_unreserved) && is_reg_name(zone.as_bytes())
}

/// Empty, or a colon and an optional number.
fn is_port(rest: &[u8]) -> bool {
    match rest {
        [] | [b':'] => true,
        [b':', digits @ ..] => decimal(digits).is_some_and(|port| port <= 65_535),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in [
            "",
            "a",
            "example.com",
            "example.com:",
            "example.com:80",
            "127.0.0.1:8000",
            "[::1]",
            "[::1]:443",
            "[2001:db8::1]:",
            "my_host",
            "a%41b",
            "xn--bcher-kva.example",
            "a:65535",
            ":80",
            "[fe80::1%25eth0]",
            "[fe80::1%25eth0]:8000",
            "[fe80::1%25en%2d0]",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a,\tb",
            "a/b",
            "user@a",
            "a:b",
            "a:80:80",
            "a:-1",
            "a:65536",
            "a:8 0",
            "[::1",
            "[::1]x",
            "::1",
            "[zz]",
            "[fe80::1%eth0]",
            "[fe80::1%25]",
            "[fe80::1%25a%4]",
            "[fe80::1%25a/b]",
            "[%25eth0]",
            "fe80::1%25eth0",
            "a%4",
            "a%zz",
            "a?b",
            "a#b",
            "a\\b",
            "b\u{fc}cher",
            "a\"",
            "<a>",
            "[v1.a]",
            "a@b:80",
            "a:+80",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
