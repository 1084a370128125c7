//! Version 1: one line of text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, Malformed};

const PREFIX: &[u8] = b"PROXY ";
/// With its CRLF: the specification allows no longer one.
const LONGEST: usize = 107;

pub(super) fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let known = input.len().min(PREFIX.len());
    if input[..known] != PREFIX[..known] {
        return Err(Malformed("no PROXY line"));
    }
    let start = &input[..input.len().min(LONGEST)];
    let Some(end) = start.iter().position(|&byte| byte == b'\n') else {
        return if start.len() < LONGEST {
            Ok(None)
        } else {
            Err(Malformed("PROXY line too long"))
        };
    };
    let line = start[..end]
        .strip_suffix(b"\r")
        .ok_or(Malformed("PROXY line not ended by crlf"))?;
    let text = line
        .strip_prefix(PREFIX)
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .ok_or(Malformed("PROXY line malformed"))?;
    let header = header(text).ok_or(Malformed("PROXY line malformed"))?;
    Ok(Some((header, end + 1)))
}

fn header(text: &str) -> Option<Header> {
    let mut words = text.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        // The rest of the line is to be ignored.
        return Some(Header::Unknown);
    }
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let (client, server) = (address(words.next()?)?, address(words.next()?)?);
    let (client_port, server_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Header::Proxied {
        client: SocketAddr::new(client.to_canonical(), client_port),
        server: SocketAddr::new(server.to_canonical(), server_port),
    })
}

/// Digits without a sign or a leading zero.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    (plain && !zeros).then(|| text.parse().ok()).flatten()
}
