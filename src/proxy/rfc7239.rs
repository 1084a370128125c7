//! `Forwarded` (RFC 7239) as elements.
//!
//! A field that does not follow the grammar is one element without values, because a quote that is left open would let a
//! client swallow what a proxy has appended.

use super::chain::{self, Hop};
use super::forwarded_request::{ForwardedClient, Scheme};
use super::x_forwarded;

/// The entry of one proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    pub hop: Hop,
    pub scheme: Option<Scheme>,
    pub host: Option<Box<str>>,
}

const SILENT: Element = Element {
    hop: Hop::Garbage,
    scheme: None,
    host: None,
};

/// The elements of several fields, which are one list, from the left.
pub fn elements(fields: &[&[u8]]) -> Vec<Element> {
    let mut all = Vec::new();
    for field in fields {
        match parse(field) {
            Some(elements) => all.extend(elements.iter().map(Vec::as_slice).map(element)),
            None => all.push(SILENT),
        }
    }
    all
}

/// A lower-cased name and its value, without quotes and escapes.
type Pair = (Vec<u8>, Vec<u8>);

fn parse(field: &[u8]) -> Option<Vec<Vec<Pair>>> {
    let mut elements = Vec::new();
    let mut pairs = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_ascii_start();
        match rest.first() {
            None => break,
            Some(b',') => {
                if !pairs.is_empty() {
                    elements.push(std::mem::take(&mut pairs));
                }
                rest = &rest[1..];
            }
            Some(b';') => rest = &rest[1..],
            Some(_) => {
                let (pair, after) = pair(rest)?;
                pairs.push(pair);
                rest = after.trim_ascii_start();
                if !matches!(rest.first(), None | Some(b',' | b';')) {
                    return None;
                }
            }
        }
    }
    if !pairs.is_empty() {
        elements.push(pairs);
    }
    Some(elements)
}

fn pair(text: &[u8]) -> Option<(Pair, &[u8])> {
    let equals = text.iter().position(|&byte| byte == b'=')?;
    let name = &text[..equals];
    let is_name = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte));
    if !is_name {
        return None;
    }
    let (value, rest) = match &text[equals + 1..] {
        [b'"', quoted @ ..] => unquote(quoted)?,
        // Brackets and colons should be quoted and often are not.
        plain => {
            let end = plain
                .iter()
                .position(|byte| b",;\"= \t".contains(byte))
                .unwrap_or(plain.len());
            (plain[..end].to_vec(), &plain[end..])
        }
    };
    Some(((name.to_ascii_lowercase(), value), rest))
}

fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [b'"', after @ ..] => return Some((value, after)),
            [b'\\', byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [b'\\'] | [] => return None,
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
        }
    }
}

fn element(pairs: &[Pair]) -> Element {
    let repeated = |name: &[u8]| pairs.iter().filter(|(other, _)| other == name).count() > 1;
    if pairs.iter().any(|(name, _)| repeated(name)) {
        return SILENT;
    }
    let value = |name: &[u8]| {
        let (_, value) = pairs.iter().find(|(other, _)| other == name)?;
        Some(value.as_slice())
    };
    Element {
        hop: value(b"for").map_or(Hop::Garbage, node),
        scheme: value(b"proto").and_then(|value| match value.to_ascii_lowercase().as_slice() {
            b"https" | b"wss" => Some(Scheme::Https),
            b"http" | b"ws" => Some(Scheme::Http),
            _ => None,
        }),
        host: value(b"host").and_then(x_forwarded::host),
    }
}

/// RFC 7239 §6: an address with a port that may be hidden (`_…`); `unknown` and hidden names are no addresses.
fn node(value: &[u8]) -> Hop {
    let hidden = value
        .windows(2)
        .position(|pair| pair == b":_")
        .map(|at| &value[..at]);
    match hidden {
        Some(address) if address.contains(&b'.') || address.ends_with(b"]") => {
            match chain::hop(address) {
                Hop::Address(client) => Hop::Address(ForwardedClient { port: 0, ..client }),
                other => other,
            }
        }
        Some(_) => Hop::Garbage,
        None => match chain::hop(value) {
            // Not of this grammar, and not written by a proxy that follows it.
            Hop::Unix => Hop::Garbage,
            other => other,
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(fields: &[&str]) -> Vec<String> {
        let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
        elements(&fields)
            .into_iter()
            .map(|element| {
                let hop = match element.hop {
                    Hop::Address(client) => format!("{} {}", client.address, client.port),
                    Hop::Unix => "unix".into(),
                    Hop::Garbage => "?".into(),
                };
                format!(
                    "{hop} {} {}",
                    element.scheme.map_or("-", Scheme::as_str),
                    element.host.as_deref().unwrap_or("-")
                )
            })
            .collect()
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (field, is) in [
            ("for=\"_gazonk\"", &["? - -"][..]),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                &["2001:db8:cafe::17 4711 - -"],
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                &["192.0.2.60 0 http -"],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                &["192.0.2.43 0 - -", "198.51.100.17 0 - -"],
            ),
            ("for=unknown", &["? - -"]),
            (
                "for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown",
                &["192.0.2.43 0 - -", "2001:db8:cafe::17 0 - -", "? - -"],
            ),
            (
                "for=_hidden, for=_SEVKISEK;proto=https;host=\"a.example:81\"",
                &["? - -", "? https a.example:81"],
            ),
            ("for=\"192.0.2.43:_x\"", &["192.0.2.43 0 - -"]),
        ] {
            assert_eq!(shown(&[field]), is, "{field}");
        }
        assert_eq!(shown(&["for=192.0.2.1", "", "for=192.0.2.2"]).len(), 2);
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for field in [
            "for=\"192.0.2.1",
            "for=192.0.2.1;by=\", for=203.0.113.7;host=\"a\"",
            "for=192.0.2.1\"x\"",
            "for",
            "=192.0.2.1",
            "for = 192.0.2.1",
            "for=192.0.2.1;for=192.0.2.2",
            "for=\"192.0.2.1\\",
        ] {
            assert_eq!(shown(&[field]), ["? - -"], "{field}");
        }
    }

    proptest! {
        /// Whatever the client sent before it, a proxy's own element, in a field of its own, stays what it is.
        #[test]
        fn a_clients_field_does_not_change_the_proxys(client in "[ -~]{0,40}") {
            let all = shown(&[&client, "for=203.0.113.7;proto=https"]);
            prop_assert_eq!(all.last().map(String::as_str), Some("203.0.113.7 0 https -"));
        }

        /// Appended to the client's line it stays too, or the whole line is ignored.
        #[test]
        fn nor_does_a_line_that_is_appended_to(client in "[a-z=;,\"\\\\. 0-9]{0,30}") {
            let line = format!("{client}, for=203.0.113.7;proto=https;by=\"[::1]\"");
            let all = shown(&[&line]);
            let last = all.last().map(String::as_str);
            prop_assert!(matches!(last, Some("203.0.113.7 0 https -" | "? - -")), "{:?}", all);
        }
    }
}
