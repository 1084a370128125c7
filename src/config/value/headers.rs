//! Lists of header names, for the settings about proxies.

use super::{InvalidValue, ParsedValue};
use crate::config::{ForwardedHeaders, XForwarded};

const FAMILY: &[(&str, XForwarded)] = &[
    ("x-forwarded-for", XForwarded::For),
    ("x-forwarded-proto", XForwarded::Proto),
    ("x-forwarded-host", XForwarded::Host),
    ("x-forwarded-port", XForwarded::Port),
    ("x-forwarded-prefix", XForwarded::Prefix),
];

/// `forwarded` alone, or some of the `x-forwarded-…` fields; empty: none.
pub(in crate::config) fn forwarded_headers(text: &str) -> ParsedValue<ForwardedHeaders> {
    let names = header_names(text)?;
    if names.iter().any(|name| name == "forwarded") {
        return if names.len() == 1 {
            Ok(ForwardedHeaders::Standard)
        } else {
            Err(InvalidValue::new("names two families of fields").hint(
                "a proxy passes on what it does not set itself, so a client could forge the other one: name forwarded alone, \
                 or only x-forwarded-… fields",
            ))
        };
    }
    let mut fields = Vec::new();
    for name in names {
        let known = FAMILY.iter().find(|(known, _)| *known == name);
        let (_, field) = known.ok_or_else(|| {
            let known: Vec<_> = FAMILY.iter().map(|(known, _)| *known).collect();
            InvalidValue::new(format!("contains `{name}`, which is no such field"))
                .hint(format!("there are forwarded, or {}", known.join(", ")))
        })?;
        if !fields.contains(field) {
            fields.push(*field);
        }
    }
    Ok(ForwardedHeaders::XForwarded(fields))
}

/// `NAME=VALUE,…`: with that value the field means https.
pub(in crate::config) fn secure_scheme_headers(text: &str) -> ParsedValue<Vec<(String, String)>> {
    entries(text)
        .map(|entry| {
            let (name, value) = entry.split_once(['=', ':']).unwrap_or((entry, ""));
            let (name, value) = (name.trim(), value.trim());
            if !is_token(name) || value.is_empty() {
                return Err(InvalidValue::new(format!("contains `{entry}`"))
                    .hint("write it as in X-Forwarded-Proto=https,X-Forwarded-Ssl=on"));
            }
            Ok((name.to_ascii_lowercase(), value.to_ascii_lowercase()))
        })
        .collect()
}

/// Lower-cased.
pub(in crate::config) fn header_names(text: &str) -> ParsedValue<Vec<String>> {
    entries(text)
        .map(|name| {
            if is_token(name) {
                Ok(name.to_ascii_lowercase())
            } else {
                Err(InvalidValue::new(format!(
                    "contains `{name}`, which is not a header name"
                )))
            }
        })
        .collect()
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// Fields that frame a message or belong to its connection: rgun decides on them.
pub(super) const FRAMING: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// RFC 9110 §5.6.2.
/// RFC 6265 §4.1.1.
pub(in crate::config) fn cookie_name(text: &str) -> ParsedValue<Box<str>> {
    if is_token(text) {
        Ok(text.into())
    } else {
        Err(InvalidValue::new("is not the name of a cookie"))
    }
}

pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_family_or_the_other() {
        assert_eq!(
            forwarded_headers("Forwarded"),
            Ok(ForwardedHeaders::Standard)
        );
        assert_eq!(
            forwarded_headers("X-Forwarded-For, x-forwarded-host,x-forwarded-for"),
            Ok(ForwardedHeaders::XForwarded(vec![
                XForwarded::For,
                XForwarded::Host
            ]))
        );
        assert_eq!(
            forwarded_headers(""),
            Ok(ForwardedHeaders::XForwarded(Vec::new()))
        );
        let both = forwarded_headers("forwarded,x-forwarded-for").unwrap_err();
        assert_eq!(both.problem, "names two families of fields");
        let unknown = forwarded_headers("x-real-ip").unwrap_err();
        assert_eq!(
            unknown.problem,
            "contains `x-real-ip`, which is no such field"
        );
    }

    #[test]
    fn schemes_are_pairs() {
        assert_eq!(
            secure_scheme_headers("X-Forwarded-Proto=https, X-Forwarded-Ssl: on"),
            Ok(vec![
                ("x-forwarded-proto".into(), "https".into()),
                ("x-forwarded-ssl".into(), "on".into())
            ])
        );
        assert_eq!(secure_scheme_headers(""), Ok(Vec::new()));
        for wrong in ["X-Forwarded-Proto", "=https", "a b=c", "a="] {
            assert!(secure_scheme_headers(wrong).is_err(), "{wrong}");
        }
        assert!(header_names("a b").is_err());
    }
}
