//! The scheme that a field like `X-Forwarded-Proto` stands for, as with gunicorn's `secure_scheme_headers`.

use super::forwarded_request::Scheme;

/// A field means https with exactly its secure value, and http with any other. Traefik writes `wss` where others
/// write `https`.
pub fn scheme(secure: &[u8], entry: &[u8]) -> Scheme {
    let websocket = secure == b"https" && entry.eq_ignore_ascii_case(b"wss");
    if websocket || entry.eq_ignore_ascii_case(secure) {
        Scheme::Https
    } else {
        Scheme::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secure_value_is_secure() {
        for (secure, entry, is) in [
            ("https", "https", Scheme::Https),
            ("https", "HTTPS", Scheme::Https),
            ("https", "wss", Scheme::Https),
            ("https", "http", Scheme::Http),
            ("https", "ws", Scheme::Http),
            ("https", "https2", Scheme::Http),
            ("https", "on", Scheme::Http),
            ("on", "on", Scheme::Https),
            ("on", "off", Scheme::Http),
            ("on", "wss", Scheme::Http),
        ] {
            assert_eq!(scheme(secure.as_bytes(), entry.as_bytes()), is, "{entry}");
        }
    }
}
