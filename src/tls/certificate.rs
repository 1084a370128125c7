//! The contents of an X.509 certificate: names, validity, subject, public key.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::pem::{LineEnding, encode_string};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// One certificate, parsed; its signature is not verified.
#[derive(Debug)]
pub struct Certificate(CertificateInner<Raw>);

/// The validity of a certificate at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Valid,
    NotYet,
    EndsWithin(Duration),
    Ended,
}

impl Certificate {
    /// `None`: not an X.509 certificate.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        CertificateInner::from_der(der).ok().map(Self)
    }

    /// The host names that it is for, in lower case; without any, the common name.
    pub(super) fn host_names(&self) -> Vec<String> {
        let names: Vec<String> = self
            .alternative_names()
            .iter()
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        if !names.is_empty() {
            return names;
        }
        self.common_name()
            .map(|name| name.to_ascii_lowercase())
            .into_iter()
            .collect()
    }

    /// For logs and metrics.
    pub(super) fn name(&self) -> String {
        let address = || {
            self.alternative_names().iter().find_map(|name| match name {
                GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
                    [a, b, c, d] => Some(IpAddr::from([a, b, c, d]).to_string()),
                    ref bytes => <[u8; 16]>::try_from(bytes)
                        .ok()
                        .map(|bytes| IpAddr::from(bytes).to_string()),
                },
                _ => None,
            })
        };
        self.host_names()
            .into_iter()
            .next()
            .or_else(address)
            .unwrap_or_else(|| self.subject())
    }

    fn alternative_names(&self) -> Vec<GeneralName> {
        let found = self.0.tbs_certificate().get_extension::<SubjectAltName>();
        found
            .ok()
            .flatten()
            .map(|(_, names)| names.0)
            .unwrap_or_default()
    }

    fn common_name(&self) -> Option<String> {
        let name = self.0.tbs_certificate().subject().common_name();
        name.ok().flatten().map(|name| name.value().into_owned())
    }

    /// The certificate of those bytes as text.
    #[must_use]
    pub fn pem(der: &[u8]) -> String {
        // It fails only where its own count of bytes were wrong.
        encode_string("CERTIFICATE", LineEnding::LF, der).unwrap_or_default()
    }

    /// As RFC 4514 writes it: `CN=client,O=Example`.
    #[must_use]
    pub fn subject(&self) -> String {
        self.0.tbs_certificate().subject().to_string()
    }

    /// Whether `issuer` may have issued it, by the names.
    pub(super) fn is_issued_by(&self, issuer: &Self) -> bool {
        self.0.tbs_certificate().issuer() == issuer.0.tbs_certificate().subject()
    }

    /// In DER.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        let key = self.0.tbs_certificate().subject_public_key_info();
        key.to_der().ok()
    }

    /// The end of its validity in seconds since 1970.
    pub(super) fn expires(&self) -> u64 {
        let validity = self.0.tbs_certificate().validity();
        validity.not_after.to_unix_duration().as_secs()
    }

    /// `2027-03-01T12:00:00Z`.
    pub(super) fn expiry_date(&self) -> String {
        let validity = self.0.tbs_certificate().validity();
        validity.not_after.to_date_time().to_string()
    }

    pub(super) fn start_date(&self) -> String {
        let validity = self.0.tbs_certificate().validity();
        validity.not_before.to_date_time().to_string()
    }

    pub(super) fn validity(&self, now: SystemTime, soon: Duration) -> Validity {
        let validity = self.0.tbs_certificate().validity();
        if validity.not_before.to_system_time() > now {
            return Validity::NotYet;
        }
        match validity.not_after.to_system_time().duration_since(now) {
            Err(_) => Validity::Ended,
            Ok(left) if left <= soon => Validity::EndsWithin(left),
            Ok(_) => Validity::Valid,
        }
    }
}
