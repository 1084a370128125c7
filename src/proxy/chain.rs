//! Finds the client's address in a chain of proxies.
//!
//! Each proxy appends the address of its own peer, so the list is read from the right: the last hop was written by our peer.
//! As long as a hop is the address of a trusted proxy, the hop before it is trusted too; the first that is not is the
//! client, and everything to its left was sent by that client.

use std::net::IpAddr;

use super::forwarded_request::ForwardedClient;

/// One entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    Address(ForwardedClient),
    /// A unix socket: the proxy before it runs on the same machine, and is trusted as unix peers are.
    Unix,
    /// Not an address: unknown to the proxy that wrote it, or made up by a client.
    Garbage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainResult {
    /// The nearest address that is not one of our proxies; all of them ours: the farthest.
    pub client: Option<ForwardedClient>,
    /// The index from the right of the farthest hop that a trusted proxy wrote.
    pub place: usize,
}

/// `hops` from the right.
pub fn walk(hops: impl Iterator<Item = Hop>, trusts: impl Fn(IpAddr) -> bool) -> ChainResult {
    let mut found = ChainResult {
        client: None,
        place: 0,
    };
    for (place, hop) in hops.enumerate() {
        found.place = place;
        match hop {
            Hop::Garbage => break,
            Hop::Unix => {}
            Hop::Address(client) => {
                found.client = Some(client);
                if !trusts(client.address) {
                    break;
                }
            }
        }
    }
    found
}

/// `203.0.113.7`, `203.0.113.7:1234`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:1234`, and nginx's `unix:`.
pub fn hop(entry: &[u8]) -> Hop {
    let Ok(text) = std::str::from_utf8(entry) else {
        return Hop::Garbage;
    };
    if text == "unix:" {
        return Hop::Unix;
    }
    client(text).map_or(Hop::Garbage, Hop::Address)
}

fn client(text: &str) -> Option<ForwardedClient> {
    let of = |address: IpAddr, port| {
        Some(ForwardedClient {
            address: address.to_canonical(),
            port,
        })
    };
    if let Ok(address) = text.parse() {
        return of(address, 0);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let address = IpAddr::V6(address.parse().ok()?);
        return match rest.strip_prefix(':') {
            Some(digits) => of(address, port(digits)?),
            None if rest.is_empty() => of(address, 0),
            None => None,
        };
    }
    let (address, digits) = text.split_once(':')?;
    of(IpAddr::V4(address.parse().ok()?), port(digits)?)
}

/// Digits only: `parse` would take a sign.
pub fn port(digits: &str) -> Option<u16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(address: IpAddr) -> bool {
        address.to_string().starts_with("10.")
    }

    fn found(list: &str) -> (Option<String>, usize) {
        let hops = list.rsplit(',').map(|entry| hop(entry.trim().as_bytes()));
        let found = walk(hops, ours);
        (found.client.map(|c| c.address.to_string()), found.place)
    }

    #[test]
    fn from_the_right_to_the_first_that_is_not_ours() {
        for (list, client, place) in [
            ("203.0.113.7", Some("203.0.113.7"), 0),
            ("6.6.6.6, 203.0.113.7", Some("203.0.113.7"), 0),
            ("6.6.6.6, 203.0.113.7, 10.0.0.2", Some("203.0.113.7"), 1),
            ("10.0.0.3, 10.0.0.2", Some("10.0.0.3"), 1),
            ("6.6.6.6, garbage, 10.0.0.2", Some("10.0.0.2"), 1),
            ("6.6.6.6, garbage", None, 0),
            ("6.6.6.6, 203.0.113.7, unix:", Some("203.0.113.7"), 1),
            ("unix:", None, 0),
            ("", None, 0),
        ] {
            assert_eq!(found(list), (client.map(str::to_owned), place), "{list}");
        }
    }

    #[test]
    fn entries() {
        let is = |entry: &str, address: &str, port| {
            let client = ForwardedClient {
                address: address.parse().expect(address),
                port,
            };
            assert_eq!(hop(entry.as_bytes()), Hop::Address(client), "{entry}");
        };
        is("203.0.113.7", "203.0.113.7", 0);
        is("203.0.113.7:1234", "203.0.113.7", 1234);
        is("::ffff:203.0.113.7", "203.0.113.7", 0);
        is("2001:db8::1", "2001:db8::1", 0);
        is("[2001:db8::1]", "2001:db8::1", 0);
        is("[2001:db8::1]:65535", "2001:db8::1", 65535);
        for garbage in [
            "",
            "unknown",
            "_hidden",
            "-",
            "203.0.113",
            "203.0.113.7:",
            "203.0.113.7:x",
            "203.0.113.7:65536",
            "203.0.113.7:+1",
            "203.0.113.07",
            "[203.0.113.7]",
            "[::1",
            "[::1]x",
            "fe80::1%eth0",
            "fe80::1:zzzz",
            "unix:/x",
            "localhost",
            "\u{e9}",
        ] {
            assert_eq!(hop(garbage.as_bytes()), Hop::Garbage, "{garbage}");
        }
        assert_eq!(hop(b"\xff"), Hop::Garbage);
    }
}
