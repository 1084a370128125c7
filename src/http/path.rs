//! Percent-decoding of a request path, without normalisation: dot segments and double slashes stay.

use std::borrow::Cow;

/// The octets that `path` stands for. A `%` without two hexadecimal digits after it stays as it is, as in
/// `urllib.parse.unquote_to_bytes`. Borrowed when there is nothing to decode.
pub fn decode_path(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', path) else {
        return Cow::Borrowed(path);
    };
    let mut decoded = Vec::with_capacity(path.len());
    decoded.extend_from_slice(&path[..first]);
    let mut rest = &path[first..];
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, after) {
            (b'%', [high, low, tail @ ..]) => {
                if let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) {
                    decoded.push(high << 4 | low);
                    rest = tail;
                    continue;
                }
                decoded.push(byte);
            }
            _ => decoded.push(byte),
        }
        rest = after;
    }
    Cow::Owned(decoded)
}

/// The value of a hexadecimal digit, either case.
pub(super) const fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding() {
        for (path, octets) in [
            (&b"/"[..], &b"/"[..]),
            (b"/sco%2Fpe%20x/%C3%A9", "/sco/pe x/é".as_bytes()),
            (b"/%2f%2F", b"///"),
            (b"/100%", b"/100%"),
            (b"/%4", b"/%4"),
            (b"/%zz%41", b"/%zzA"),
            (b"/%%41", b"/%A"),
            (b"/%00%ff", b"/\0\xff"),
            (b"/+", b"/+"),
        ] {
            assert_eq!(decode_path(path), octets, "{}", path.escape_ascii());
        }
        assert!(matches!(decode_path(b"/plain"), Cow::Borrowed(_)));
    }
}
