//! Any bytes as a PROXY header: found with the byte that completes it, refused with the first that is wrong, and never more
//! bytes taken than there are.

use crate::config::ProxyProtocol;
use crate::proxy::parse;

pub const SEEDS: &[&[u8]] = &[
    b"PROXY TCP4 203.0.113.7 192.0.2.1 1234 80\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::7 ::1 1234 80\r\n",
    b"PROXY UNKNOWN ffff::1 x\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\x04\xd2\0\x50GET",
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x27aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbb\x04\xd2\0\x50\x04\0\0",
];

pub fn run(data: &[u8]) {
    let verdicts = [ProxyProtocol::V1, ProxyProtocol::V2, ProxyProtocol::Auto].map(|accepts| {
        let whole = parse(data, accepts);
        if let Ok(Some((_, length))) = whole {
            assert!(length <= data.len());
            assert_eq!(
                parse(&data[..length], accepts),
                whole,
                "nothing behind it counts"
            );
        }
        // However the bytes come, the first verdict is the last.
        let first = (0..=data.len())
            .map(|end| parse(&data[..end], accepts))
            .find(|verdict| !matches!(verdict, Ok(None)));
        match (&first, &whole) {
            (None, whole) => assert_eq!(*whole, Ok(None)),
            (Some(Err(_)), whole) => assert!(whole.is_err()),
            (Some(first), whole) => assert_eq!(first, whole),
        }
        whole
    });
    let [v1, v2, auto] = verdicts;
    assert!(auto == v1 || auto == v2);
    assert!(parse(data, ProxyProtocol::Off).is_err() || data.is_empty());
}
