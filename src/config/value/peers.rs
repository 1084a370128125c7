//! `--forwarded-allow-ips`: a list of addresses and networks.

use std::net::IpAddr;

use super::{InvalidValue, ParsedValue};
use crate::config::TrustedPeers;

pub(in crate::config) fn peers(text: &str) -> ParsedValue<TrustedPeers> {
    let entries = || {
        text.split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
    };
    if entries().any(|entry| entry == "*") {
        return Ok(TrustedPeers::All);
    }
    entries()
        .map(network)
        .collect::<ParsedValue<_>>()
        .map(TrustedPeers::Networks)
}

fn network(entry: &str) -> ParsedValue<(IpAddr, u8)> {
    let malformed = || {
        let problem = InvalidValue::new(format!(
            "contains `{entry}`, which is not an address or network"
        ));
        match entry {
            "localhost" => problem.hint("write 127.0.0.1,::1"),
            _ if entry.starts_with("unix") || entry.starts_with('/') => {
                problem.hint("peers on a unix socket are always trusted")
            }
            _ => problem.hint("write it as in 10.0.0.1, 10.0.0.0/8 or *"),
        }
    };
    let (address, prefix) = entry
        .split_once('/')
        .map_or((entry, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| malformed())?;
    let whole = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => whole,
        Some(prefix) => match prefix.parse::<u8>() {
            Ok(bits) if bits <= whole && prefix.bytes().all(|byte| byte.is_ascii_digit()) => bits,
            Ok(_) | Err(_) => return Err(malformed()),
        },
    };
    Ok((masked(address, prefix), prefix))
}

/// Clears the bits beyond the prefix, so that networks can be compared directly.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4(
            (v4.to_bits() & u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)).into(),
        ),
        IpAddr::V6(v6) => IpAddr::V6(
            (v6.to_bits() & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)).into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(text: &str) -> Vec<String> {
        match peers(text).expect(text) {
            TrustedPeers::All => vec!["all".to_owned()],
            TrustedPeers::Networks(networks) => networks
                .iter()
                .map(|(address, prefix)| format!("{address}/{prefix}"))
                .collect(),
        }
    }

    #[test]
    fn addresses_networks_and_all() {
        assert_eq!(networks("127.0.0.1,::1"), ["127.0.0.1/32", "::1/128"]);
        assert_eq!(
            networks(" 10.1.2.3/8 , 2001:db8::5/32,"),
            ["10.0.0.0/8", "2001:db8::/32"]
        );
        assert_eq!(networks("0.0.0.0/0,::/0"), ["0.0.0.0/0", "::/0"]);
        assert_eq!(networks("10.0.0.1,*"), ["all"]);
        assert_eq!(networks(""), Vec::<String>::new());
    }

    #[test]
    fn refusals_name_the_entry() {
        for entry in [
            "localhost",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0",
            "unix:",
            "x",
        ] {
            let refusal = peers(&format!("127.0.0.1,{entry}")).expect_err(entry);
            assert_eq!(
                refusal.problem,
                format!("contains `{entry}`, which is not an address or network")
            );
            assert!(refusal.hint.is_some());
        }
    }
}
