//! Versions of TLS and the certificates of clients. Cipher suites are in `ciphers.rs`.

use super::{InvalidValue, ParsedValue};
use crate::config::{ClientCertificates, TlsVersion};

/// gunicorn passes Python's numbers on, and a file may contain their names.
pub(in crate::config) fn client_certificates(text: &str) -> ParsedValue<ClientCertificates> {
    match text.trim().to_ascii_lowercase().as_str() {
        "none" | "0" | "cert_none" => Ok(ClientCertificates::NotRequested),
        "optional" | "1" | "cert_optional" => Ok(ClientCertificates::Optional),
        "required" | "2" | "cert_required" => Ok(ClientCertificates::Required),
        _ => Err(InvalidValue::new("is none of none, optional, required")),
    }
}

pub(in crate::config) fn tls_version(text: &str) -> ParsedValue<TlsVersion> {
    let name = text.trim().to_ascii_lowercase();
    match name.strip_prefix("tlsv").unwrap_or(&name) {
        "1.2" | "1_2" => Ok(TlsVersion::Tls12),
        "1.3" | "1_3" => Ok(TlsVersion::Tls13),
        "1.0" | "1.1" | "1_0" | "1_1" | "1" => {
            Err(InvalidValue::new("is not supported").hint("TLS 1.2 and 1.3 are"))
        }
        _ => Err(InvalidValue::new("is none of 1.2, 1.3")),
    }
}

/// Names and numbers of Python's `ssl.PROTOCOL_…`: those that leave the version open mean the oldest supported one.
pub(in crate::config) fn ssl_version(text: &str) -> ParsedValue<TlsVersion> {
    let name = text.trim();
    let name = name.strip_prefix("PROTOCOL_").unwrap_or(name);
    match name {
        "TLS" | "SSLv23" | "TLS_SERVER" | "2" | "17" => Ok(TlsVersion::Tls12),
        "TLSv1_2" | "5" => Ok(TlsVersion::Tls12),
        "TLSv1_3" => Ok(TlsVersion::Tls13),
        "TLSv1" | "TLSv1_1" | "SSLv2" | "SSLv3" | "0" | "1" | "3" | "4" => {
            Err(InvalidValue::new("is not supported")
                .hint("use --tls-min-version 1.2 or 1.3; older versions are broken"))
        }
        _ => Err(InvalidValue::new("is none of TLS, TLSv1_2, TLSv1_3")
            .hint("or use --tls-min-version 1.2 or 1.3")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(client_certificates("2"), Ok(ClientCertificates::Required));
        assert_eq!(
            client_certificates("Optional"),
            Ok(ClientCertificates::Optional)
        );
        assert!(client_certificates("3").is_err());
        assert_eq!(tls_version("TLSv1.3"), Ok(TlsVersion::Tls13));
        assert_eq!(tls_version("1.1").unwrap_err().problem, "is not supported");
        assert_eq!(tls_version("2").unwrap_err().problem, "is none of 1.2, 1.3");
        assert_eq!(ssl_version("2"), Ok(TlsVersion::Tls12));
        assert_eq!(ssl_version("TLSv1_3"), Ok(TlsVersion::Tls13));
        assert_eq!(
            ssl_version("TLSv1").unwrap_err().problem,
            "is not supported"
        );
    }
}
