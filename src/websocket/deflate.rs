//! The negotiation of permessage-deflate (RFC 7692 §7.1). Compression is in `codecs.rs`.

use std::fmt;

/// The most bits of the window that we compress with: four KiB of every connection's past are worth keeping, 32 are not.
const OUR_BITS: u8 = 12;
/// Without the client's parameter, its window has 32 KiB.
const DEFAULT_BITS: u8 = 15;

/// The agreed parameters of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deflate {
    pub(super) server_bits: u8,
    pub(super) client_bits: u8,
    pub(super) server_takeover: Takeover,
    pub(super) client_takeover: Takeover,
    /// The client knows the parameter; only then may the response have it.
    says_client_bits: bool,
}

/// Whether a message may refer to the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takeover {
    Context,
    None,
}

impl Deflate {
    /// The first acceptable offer, of the values of all `Sec-WebSocket-Extensions` fields in order.
    pub fn negotiate<'v>(values: impl IntoIterator<Item = &'v [u8]>) -> Option<Deflate> {
        values
            .into_iter()
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .find_map(Deflate::accept)
    }

    fn accept(offer: &str) -> Option<Deflate> {
        let mut parts = offer.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut agreed = Deflate {
            server_bits: OUR_BITS,
            client_bits: DEFAULT_BITS,
            server_takeover: Takeover::Context,
            client_takeover: Takeover::Context,
            says_client_bits: false,
        };
        let mut seen = [false; 4];
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
                None => (part, None),
            };
            let index = [
                "server_no_context_takeover",
                "client_no_context_takeover",
                "server_max_window_bits",
                "client_max_window_bits",
            ]
            .iter()
            .position(|known| *known == name)?;
            // RFC 7692 §7.1: a parameter that is unknown, repeated or ill-valued declines the offer.
            if std::mem::replace(&mut seen[index], true) {
                return None;
            }
            match (index, value) {
                (0, None) => agreed.server_takeover = Takeover::None,
                (1, None) => agreed.client_takeover = Takeover::None,
                (2, Some(value)) => agreed.server_bits = bits(value)?.min(OUR_BITS),
                (3, value) => {
                    let most = value.map_or(Some(DEFAULT_BITS), bits)?;
                    agreed.client_bits = most.min(OUR_BITS);
                    agreed.says_client_bits = true;
                }
                _ => return None,
            }
        }
        // zlib's deflate has no window of 256 bytes.
        (agreed.server_bits > 8).then_some(agreed)
    }
}

fn bits(value: &str) -> Option<u8> {
    let value = value
        .strip_prefix('"')
        .map_or(Some(value), |quoted| quoted.strip_suffix('"'))?;
    match value {
        "8" => Some(8),
        "9" => Some(9),
        "10" => Some(10),
        "11" => Some(11),
        "12" => Some(12),
        "13" => Some(13),
        "14" => Some(14),
        "15" => Some(15),
        _ => None,
    }
}

/// The value of the response's `Sec-WebSocket-Extensions`.
impl fmt::Display for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("permessage-deflate")?;
        if self.server_takeover == Takeover::None {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_takeover == Takeover::None {
            f.write_str("; client_no_context_takeover")?;
        }
        // RFC 7692 §7.1.2.1: the server may send it, requested or not.
        write!(f, "; server_max_window_bits={}", self.server_bits)?;
        if self.says_client_bits {
            write!(f, "; client_max_window_bits={}", self.client_bits)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offer: &str) -> Option<String> {
        Deflate::negotiate([offer.as_bytes()]).map(|agreed| agreed.to_string())
    }

    #[test]
    fn offers_and_answers() {
        for (offer, expected) in [
            ("permessage-deflate", "; server_max_window_bits=12"),
            (
                "permessage-deflate; client_max_window_bits",
                "; server_max_window_bits=12; client_max_window_bits=12",
            ),
            (
                "x-unknown, permessage-deflate ; client_max_window_bits = 10 ; server_max_window_bits=\"9\"",
                "; server_max_window_bits=9; client_max_window_bits=10",
            ),
            (
                "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
                "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
            ),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate",
                "; server_max_window_bits=12",
            ),
        ] {
            assert_eq!(
                answer(offer).as_deref(),
                Some(format!("permessage-deflate{expected}").as_str()),
                "{offer}"
            );
        }
    }

    #[test]
    fn offers_that_cannot_be_taken() {
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=010",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        ] {
            assert_eq!(answer(offer), None, "{offer}");
        }
    }
}
