//! Version 2: sixteen bytes, addresses, and type-length-value fields.

use std::net::{IpAddr, SocketAddr};

use super::{Header, Malformed};

pub(super) const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const FIXED: usize = 16;

pub(super) fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, Malformed> {
    let known = input.len().min(SIGNATURE.len());
    if input[..known] != SIGNATURE[..known] {
        return Err(Malformed("no PROXY signature"));
    }
    if let Some(version_and_command) = input.get(12)
        && !matches!(version_and_command, 0x20 | 0x21)
    {
        return Err(Malformed("unknown PROXY version or command"));
    }
    let Some(
        &[
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            command,
            family,
            high,
            low,
        ],
    ) = input.first_chunk::<FIXED>()
    else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if command == 0x21 && length < least(family)? {
        return Err(Malformed("PROXY header too short for its addresses"));
    }
    let Some(body) = input.get(FIXED..FIXED + length) else {
        return Ok(None);
    };
    let header = if command == 0x20 {
        Header::Local
    } else {
        header(family, body)
    };
    Ok(Some((header, FIXED + length)))
}

/// Bytes of the addresses of a family; families that are not defined are rejected, as the specification demands.
fn least(family: u8) -> Result<usize, Malformed> {
    match family {
        0x00 => Ok(0),
        0x11 | 0x12 => Ok(12),
        0x21 | 0x22 => Ok(36),
        0x31 | 0x32 => Ok(216),
        _ => Err(Malformed("unknown PROXY address family")),
    }
}

fn header(family: u8, body: &[u8]) -> Header {
    let proxied = match family {
        0x11 => ends::<4>(body),
        0x21 => ends::<16>(body),
        // Unix sockets and datagrams have no address that an app would understand.
        _ => None,
    };
    proxied.map_or(Header::Unknown, |(client, server)| Header::Proxied {
        client,
        server,
    })
}

/// Two addresses, then two ports.
fn ends<const N: usize>(body: &[u8]) -> Option<(SocketAddr, SocketAddr)>
where
    IpAddr: From<[u8; N]>,
{
    let (client, rest) = body.split_first_chunk::<N>()?;
    let (server, rest) = rest.split_first_chunk::<N>()?;
    let (client_port, rest) = rest.split_first_chunk::<2>()?;
    let server_port = rest.first_chunk::<2>()?;
    let end = |address: [u8; N], port: [u8; 2]| {
        let address = IpAddr::from(address).to_canonical();
        SocketAddr::new(address, u16::from_be_bytes(port))
    };
    Some((end(*client, *client_port), end(*server, *server_port)))
}
