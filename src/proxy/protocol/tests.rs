use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;

const BOTH: ProxyProtocol = ProxyProtocol::Auto;

fn proxied(client: &str, server: &str) -> Header {
    Header::Proxied {
        client: client.parse().expect(client),
        server: server.parse().expect(server),
    }
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("short");
    let mut bytes = v2::SIGNATURE.to_vec();
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn lines() {
    for (line, header) in [
        (
            "PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\r\n",
            proxied("203.0.113.7:1234", "192.0.2.1:443"),
        ),
        (
            "PROXY TCP6 2001:db8::7 2001:db8::1 1234 443\r\n",
            proxied("[2001:db8::7]:1234", "[2001:db8::1]:443"),
        ),
        (
            "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 0 65535\r\n",
            proxied("203.0.113.7:0", "192.0.2.1:65535"),
        ),
        ("PROXY UNKNOWN\r\n", Header::Unknown),
        (
            "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
            Header::Unknown,
        ),
    ] {
        let input = format!("{line}GET / HTTP/1.1\r\n");
        for accepts in [ProxyProtocol::V1, BOTH] {
            assert_eq!(
                parse(input.as_bytes(), accepts),
                Ok(Some((header, line.len()))),
                "{line}"
            );
        }
        assert!(parse(line.as_bytes(), ProxyProtocol::V2).is_err());
    }
}

#[test]
fn lines_that_are_none() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXX",
        "proxy TCP4 203.0.113.7 192.0.2.1 1234 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 1234 443\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 1234 443 \r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 1234\r\n",
        "PROXY TCP4  203.0.113.7 192.0.2.1 1234 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 01234 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 +1234 443\r\n",
        "PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n",
        "PROXY TCP4 2001:db8::7 2001:db8::1 1234 443\r\n",
        "PROXY TCP6 203.0.113.7 192.0.2.1 1234 443\r\n",
        "PROXY TCP5 203.0.113.7 192.0.2.1 1234 443\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY TCP4 a b c d\r\n",
    ] {
        assert!(parse(line.as_bytes(), BOTH).is_err(), "{line}");
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert!(parse(&long.as_bytes()[..106], BOTH).is_ok_and(|found| found.is_none()));
    assert!(parse(&long.as_bytes()[..107], BOTH).is_err());
}

#[test]
fn binary_headers() {
    let four = [203, 0, 113, 7, 192, 0, 2, 1, 4, 210, 1, 187];
    let header = proxied("203.0.113.7:1234", "192.0.2.1:443");
    let plain = v2(0x21, 0x11, &four);
    assert_eq!(parse(&plain, BOTH), Ok(Some((header, 28))));
    assert!(parse(&plain, ProxyProtocol::V1).is_err());
    // Fields behind the addresses are skipped.
    let with_fields = v2(0x21, 0x11, &[&four[..], &[3, 0, 4, 1, 2, 3, 4]].concat());
    assert_eq!(parse(&with_fields, BOTH), Ok(Some((header, 35))));

    let address = |text: &str| text.parse::<std::net::Ipv6Addr>().expect(text).octets();
    let six = [
        &address("2001:db8::7")[..],
        &address("2001:db8::1"),
        &[4, 210, 1, 187],
    ]
    .concat();
    assert_eq!(
        parse(&v2(0x21, 0x21, &six), BOTH),
        Ok(Some((
            proxied("[2001:db8::7]:1234", "[2001:db8::1]:443"),
            52
        )))
    );
    for (command, family, body, header) in [
        (0x20, 0x00, vec![], Header::Local),
        (0x20, 0x11, four.to_vec(), Header::Local),
        (0x20, 0xff, vec![1, 2, 3], Header::Local),
        (0x21, 0x00, vec![], Header::Unknown),
        (0x21, 0x12, four.to_vec(), Header::Unknown),
        (0x21, 0x31, vec![0; 216], Header::Unknown),
    ] {
        let length = 16 + body.len();
        assert_eq!(
            parse(&v2(command, family, &body), BOTH),
            Ok(Some((header, length)))
        );
    }
}

#[test]
fn binary_headers_that_are_none() {
    let four = [203, 0, 113, 7, 192, 0, 2, 1, 4, 210, 1, 187];
    for (command, family, body) in [
        (0x11, 0x11, &four[..]),
        (0x22, 0x11, &four),
        (0x2f, 0x11, &four),
        (0x21, 0x41, &four),
        (0x21, 0x13, &four),
        (0x21, 0x11, &four[..11]),
        (0x21, 0x21, &four),
        (0x21, 0x31, &four),
    ] {
        assert!(
            parse(&v2(command, family, body), BOTH).is_err(),
            "{command} {family}"
        );
    }
    let mut bytes = v2(0x21, 0x11, &four);
    bytes[11] = b'X';
    assert!(parse(&bytes, BOTH).is_err());
}

fn sockets() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    let four = any::<(([u8; 4], u16), ([u8; 4], u16))>()
        .prop_map(|(client, server)| (client.into(), server.into()));
    // Not of those that mean an IPv4 address.
    let six = any::<(([u8; 16], u16), ([u8; 16], u16))>().prop_map(|(mut client, mut server)| {
        client.0[0] = 0x20;
        server.0[0] = 0x20;
        (client.into(), server.into())
    });
    prop_oneof![four, six]
}

fn written(client: SocketAddr, server: SocketAddr, version: u8, fields: &[u8]) -> Vec<u8> {
    let ports = [client.port().to_be_bytes(), server.port().to_be_bytes()].concat();
    match (version, client.ip(), server.ip()) {
        (2, std::net::IpAddr::V4(a), std::net::IpAddr::V4(b)) => v2(
            0x21,
            0x11,
            &[&a.octets(), &b.octets(), &ports[..], fields].concat(),
        ),
        (2, std::net::IpAddr::V6(a), std::net::IpAddr::V6(b)) => v2(
            0x21,
            0x21,
            &[&a.octets()[..], &b.octets(), &ports, fields].concat(),
        ),
        (_, a, b) => {
            let family = if client.is_ipv4() { 4 } else { 6 };
            let (c, s) = (client.port(), server.port());
            format!("PROXY TCP{family} {a} {b} {c} {s}\r\n").into_bytes()
        }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        (client, server) in sockets(),
        version in 1u8..3,
        fields in prop::collection::vec(any::<u8>(), 0..40),
        rest in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let header = written(client, server, version, &fields);
        let input = [&header[..], &rest].concat();
        let whole = parse(&input, BOTH);
        prop_assert_eq!(whole, Ok(Some((Header::Proxied { client, server }, header.len()))));
        // However few bytes have come: more are needed, and nothing else.
        for end in 0..header.len() {
            prop_assert_eq!(parse(&input[..end], BOTH), Ok(None));
        }
    }

    /// More bytes never change the result for fewer.
    #[test]
    fn a_verdict_stays(input in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..130),
        "PROXY (TCP4|TCP6|UNKNOWN)?[ 0-9.:a-f\r\n]{0,100}".prop_map(String::into_bytes),
        (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(command, family, body)| v2(0x20 | command & 1, family, &body)),
    ]) {
        let mut verdict = None;
        for end in 0..=input.len() {
            let now = parse(&input[..end], BOTH);
            if let Some(before) = &verdict {
                prop_assert_eq!(before, &now);
            } else if now != Ok(None) {
                if let Ok(Some((_, length))) = now {
                    prop_assert_eq!(length, end);
                }
                verdict = Some(now);
            }
        }
    }
}
