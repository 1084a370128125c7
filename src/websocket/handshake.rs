//! The key of the opening handshake (RFC 6455 §4.2).

use sha1_smol::Sha1;

/// The `Sec-WebSocket-Accept` for this `Sec-WebSocket-Key`; `None`: not sixteen bytes in base64.
pub fn accept_key(key: &[u8]) -> Option<[u8; 28]> {
    let digits = key.strip_suffix(b"==")?;
    if digits.len() != 22 || !digits.iter().all(|byte| is_base64(*byte)) {
        return None;
    }
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Some(base64(hash.digest().bytes()))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn base64(bytes: [u8; 20]) -> [u8; 28] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = [b'='; 28];
    for (three, four) in bytes.chunks(3).zip(text.chunks_mut(4)) {
        let word = three.iter().enumerate().fold(0, |word, (at, byte)| {
            word | u32::from(*byte) << (16 - 8 * at)
        });
        for (at, digit) in four.iter_mut().enumerate().take(three.len() + 1) {
            *digit = DIGITS[(word >> (18 - 6 * at)) as usize & 63];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").as_ref(),
            Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
    }

    #[test]
    fn keys_of_another_length_or_alphabet_are_refused() {
        for key in [
            &b""[..],
            b"dGhlIHNhbXBsZSBub25jZQ",
            b"dGhlIHNhbXBsZSBub25jZQ=",
            b"dGhlIHNhbXBsZSBub25jZQAA",
            b"dGhlIHNhbXBsZSBub25 ZQ==",
            b"dGhlIHNhbXBsZSBub25jZTAwMA==",
        ] {
            assert_eq!(accept_key(key), None, "{}", key.escape_ascii());
        }
    }
}
