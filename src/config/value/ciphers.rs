//! `--ciphers`: a list in OpenSSL's syntax (ciphers(1)), resolved to the supported suites.

use super::{InvalidValue, ParsedValue};
use crate::config::{Authentication, CipherSuite, Encryption, TlsVersion};

/// As with OpenSSL, the list applies to TLS 1.2; the suites of TLS 1.3 stay, unless it names some of them.
pub(in crate::config) fn cipher_suites(text: &str) -> ParsedValue<Vec<CipherSuite>> {
    let mut chosen: Vec<CipherSuite> = Vec::new();
    let mut banned: Vec<CipherSuite> = Vec::new();
    for element in text.split([':', ',', ';', ' ']) {
        let element = element.trim();
        if element.is_empty() || element == "@STRENGTH" || element.starts_with("@SECLEVEL=") {
            continue;
        }
        let (operator, name) = match element.split_at_checked(1) {
            Some((operator @ ("!" | "-" | "+"), name)) => (operator, name),
            _ => ("", element),
        };
        let suites = matching(name);
        match operator {
            "!" => {
                chosen.retain(|suite| !suites.contains(suite));
                banned.extend(suites);
            }
            "-" => chosen.retain(|suite| !suites.contains(suite)),
            "+" => {
                let (moved, stay) = chosen.iter().partition(|suite| suites.contains(suite));
                chosen = stay;
                chosen.extend::<Vec<_>>(moved);
            }
            _ if suites.is_empty() => return Err(unavailable(name)),
            _ => {
                for suite in suites {
                    if !chosen.contains(&suite) && !banned.contains(&suite) {
                        chosen.push(suite);
                    }
                }
            }
        }
    }
    if chosen.is_empty() {
        return Err(InvalidValue::new("leaves no cipher suite").hint(available()));
    }
    if chosen
        .iter()
        .all(|suite| suite.version() == TlsVersion::Tls12)
    {
        let newer = CipherSuite::ALL
            .into_iter()
            .filter(|suite| suite.version() == TlsVersion::Tls13);
        chosen.splice(0..0, newer);
    }
    Ok(chosen)
}

/// The suites that a name means, or that match all of several keywords joined by `+`.
fn matching(name: &str) -> Vec<CipherSuite> {
    CipherSuite::ALL
        .into_iter()
        .filter(|suite| {
            suite.openssl_name().eq_ignore_ascii_case(name)
                || suite.standard_name().eq_ignore_ascii_case(name)
                || (suite.version() == TlsVersion::Tls12
                    && name.split('+').all(|keyword| applies(keyword, *suite)))
        })
        .collect()
}

fn applies(keyword: &str, suite: CipherSuite) -> bool {
    match keyword {
        "ALL" | "DEFAULT" | "HIGH" | "ECDHE" | "EECDH" | "kECDHE" | "kEECDH" | "TLSv1.2" => true,
        "ECDSA" | "aECDSA" => suite.authentication == Authentication::Ecdsa,
        "aRSA" => suite.authentication == Authentication::Rsa,
        "AES" | "AESGCM" => suite.encryption != Encryption::ChaCha20,
        "AES128" => suite.encryption == Encryption::Aes128Gcm,
        "AES256" => suite.encryption == Encryption::Aes256Gcm,
        "CHACHA20" => suite.encryption == Encryption::ChaCha20,
        _ => false,
    }
}

fn unavailable(name: &str) -> InvalidValue {
    InvalidValue::new(format!("names `{name}`, which is not available")).hint(available())
}

fn available() -> String {
    let names: Vec<_> = CipherSuite::ALL
        .into_iter()
        .map(CipherSuite::openssl_name)
        .collect();
    format!("available: {}", names.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_tls12(text: &str) -> String {
        match cipher_suites(text) {
            Ok(suites) => suites
                .into_iter()
                .filter(|suite| suite.version() == TlsVersion::Tls12)
                .map(|suite| suite.openssl_name().replace("ECDHE-", ""))
                .collect::<Vec<_>>()
                .join(":"),
            Err(malformed) => malformed.problem,
        }
    }

    #[test]
    fn names_keywords_and_operators() {
        for (text, expected) in [
            ("ECDHE-RSA-AES128-GCM-SHA256", "RSA-AES128-GCM-SHA256"),
            (
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                "ECDSA-CHACHA20-POLY1305",
            ),
            (
                "ECDHE+AESGCM+aRSA",
                "RSA-AES256-GCM-SHA384:RSA-AES128-GCM-SHA256",
            ),
            (
                "EECDH+CHACHA20:!aNULL:!MD5",
                "ECDSA-CHACHA20-POLY1305:RSA-CHACHA20-POLY1305",
            ),
            (
                "HIGH:!aECDSA:!AES256:@STRENGTH",
                "RSA-AES128-GCM-SHA256:RSA-CHACHA20-POLY1305",
            ),
            (
                "CHACHA20:AES128:-ECDSA:+CHACHA20",
                "RSA-AES128-GCM-SHA256:RSA-CHACHA20-POLY1305",
            ),
            (
                "!AES256:aRSA",
                "RSA-AES128-GCM-SHA256:RSA-CHACHA20-POLY1305",
            ),
        ] {
            assert_eq!(of_tls12(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error_that_lists_what_can() {
        for (text, expected) in [
            (
                "ECDHE-RSA-AES128-SHA",
                "names `ECDHE-RSA-AES128-SHA`, which is not available",
            ),
            (
                "ECDHE+AESGCM:DHE+AESGCM",
                "names `DHE+AESGCM`, which is not available",
            ),
            ("RC4-SHA", "names `RC4-SHA`, which is not available"),
            ("HIGH:!ALL", "leaves no cipher suite"),
            ("!aNULL", "leaves no cipher suite"),
        ] {
            let malformed = cipher_suites(text).unwrap_err();
            assert_eq!(malformed.problem, expected);
            let hint = malformed.hint.unwrap();
            assert!(
                hint.contains("TLS_AES_128_GCM_SHA256:")
                    && hint.ends_with("ECDHE-RSA-CHACHA20-POLY1305"),
                "{hint}"
            );
        }
    }

    #[test]
    fn tls13_stays_unless_some_of_it_is_named() {
        let newer = |text: &str| {
            let suites = cipher_suites(text).unwrap();
            suites
                .into_iter()
                .filter(|suite| suite.version() == TlsVersion::Tls13)
                .count()
        };
        assert_eq!(newer("ECDHE-RSA-AES128-GCM-SHA256"), 3);
        assert_eq!(
            newer("TLS_AES_128_GCM_SHA256:ECDHE-RSA-AES128-GCM-SHA256"),
            1
        );
        assert_eq!(newer("TLS_AES_128_GCM_SHA256"), 1);
    }
}
