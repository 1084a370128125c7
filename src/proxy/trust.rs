//! Whether an address is one of the operator's proxies.

use std::net::IpAddr;

use crate::config::TrustedPeers;

/// An IPv4-mapped IPv6 address counts as the IPv4 address.
pub fn trusts(peers: &TrustedPeers, address: IpAddr) -> bool {
    match peers {
        TrustedPeers::All => true,
        TrustedPeers::Networks(networks) => {
            let address = address.to_canonical();
            networks
                .iter()
                .any(|&(network, length)| contains(network, length, address))
        }
    }
}

fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(length.min(32));
            let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - u32::from(length.min(128));
            let mask = u128::MAX.checked_shl(shift).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_both_families() {
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        let peers = TrustedPeers::Networks(vec![
            (ip("10.0.0.0"), 8),
            (ip("192.0.2.7"), 32),
            (ip("2001:db8::"), 32),
        ]);
        for inside in ["10.255.0.1", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8::9"] {
            assert!(trusts(&peers, ip(inside)), "{inside}");
        }
        for outside in [
            "11.0.0.1",
            "192.0.2.8",
            "::ffff:11.1.2.3",
            "2001:db9::",
            "::",
        ] {
            assert!(!trusts(&peers, ip(outside)), "{outside}");
            assert!(trusts(&TrustedPeers::All, ip(outside)));
            assert!(!trusts(&TrustedPeers::Networks(Vec::new()), ip(outside)));
        }
        let everyone = TrustedPeers::Networks(vec![(ip("0.0.0.0"), 0)]);
        assert!(trusts(&everyone, ip("203.0.113.7")) && !trusts(&everyone, ip("2001:db8::1")));
    }
}
