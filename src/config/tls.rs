//! The settings of TLS: which certificates, which protocol versions and cipher suites, which clients.

use std::path::PathBuf;

use super::Http2;

/// `--certfile` and the settings beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// Chosen by the name that the client requests (SNI); the first one is the default. At least one.
    pub certificates: Vec<CertificateFiles>,
    /// Certificate authorities of client certificates.
    pub client_authorities: Option<PathBuf>,
    pub client_certificates: ClientCertificates,
    /// Empty: all of them.
    pub cipher_suites: Vec<CipherSuite>,
    pub oldest: TlsVersion,
    /// Whether it is offered to clients.
    pub http2: Http2,
    pub watch: WatchCertificates,
}

/// What plain HTTP gets on a server that also has TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlainHttp {
    pub redirect: Option<RedirectPort>,
    /// Files with ACME's tokens (RFC 8555 §8.3).
    pub challenges: Option<PathBuf>,
}

/// Where a redirect leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectPort {
    /// The port of the first TLS listener.
    OfListener,
    Given(u16),
}

/// A certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    pub chain: PathBuf,
    /// `None`: in the same file.
    pub key: Option<PathBuf>,
}

impl CertificateFiles {
    #[must_use]
    pub fn key(&self) -> &PathBuf {
        self.key.as_ref().unwrap_or(&self.chain)
    }
}

/// Whether clients have to show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    #[default]
    NotRequested,
    /// One that is shown has to be valid.
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

/// Whether changed certificate files are loaded without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchCertificates {
    Yes,
    No,
}

/// The key of the certificate that a suite of TLS 1.2 needs; TLS 1.3 leaves that open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    Any,
    Ecdsa,
    Rsa,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20,
}

/// A supported cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CipherSuite {
    pub authentication: Authentication,
    pub encryption: Encryption,
}

impl CipherSuite {
    /// In the order of preference.
    pub const ALL: [CipherSuite; 9] = {
        use Authentication::{Any, Ecdsa, Rsa};
        use Encryption::{Aes128Gcm, Aes256Gcm, ChaCha20};
        const fn suite(authentication: Authentication, encryption: Encryption) -> CipherSuite {
            CipherSuite {
                authentication,
                encryption,
            }
        }
        [
            suite(Any, Aes256Gcm),
            suite(Any, Aes128Gcm),
            suite(Any, ChaCha20),
            suite(Ecdsa, Aes256Gcm),
            suite(Ecdsa, Aes128Gcm),
            suite(Ecdsa, ChaCha20),
            suite(Rsa, Aes256Gcm),
            suite(Rsa, Aes128Gcm),
            suite(Rsa, ChaCha20),
        ]
    };

    #[must_use]
    pub fn version(self) -> TlsVersion {
        match self.authentication {
            Authentication::Any => TlsVersion::Tls13,
            Authentication::Ecdsa | Authentication::Rsa => TlsVersion::Tls12,
        }
    }

    /// As OpenSSL calls it, and with it the web servers that use OpenSSL.
    #[must_use]
    pub fn openssl_name(self) -> &'static str {
        use Authentication::{Any, Ecdsa, Rsa};
        use Encryption::{Aes128Gcm, Aes256Gcm, ChaCha20};
        match (self.authentication, self.encryption) {
            (Any, _) => self.standard_name(),
            (Ecdsa, Aes256Gcm) => "ECDHE-ECDSA-AES256-GCM-SHA384",
            (Ecdsa, Aes128Gcm) => "ECDHE-ECDSA-AES128-GCM-SHA256",
            (Ecdsa, ChaCha20) => "ECDHE-ECDSA-CHACHA20-POLY1305",
            (Rsa, Aes256Gcm) => "ECDHE-RSA-AES256-GCM-SHA384",
            (Rsa, Aes128Gcm) => "ECDHE-RSA-AES128-GCM-SHA256",
            (Rsa, ChaCha20) => "ECDHE-RSA-CHACHA20-POLY1305",
        }
    }

    /// As IANA's registry calls it.
    #[must_use]
    pub fn standard_name(self) -> &'static str {
        use Authentication::{Any, Ecdsa, Rsa};
        use Encryption::{Aes128Gcm, Aes256Gcm, ChaCha20};
        match (self.authentication, self.encryption) {
            (Any, Aes256Gcm) => "TLS_AES_256_GCM_SHA384",
            (Any, Aes128Gcm) => "TLS_AES_128_GCM_SHA256",
            (Any, ChaCha20) => "TLS_CHACHA20_POLY1305_SHA256",
            (Ecdsa, Aes256Gcm) => "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            (Ecdsa, Aes128Gcm) => "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            (Ecdsa, ChaCha20) => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            (Rsa, Aes256Gcm) => "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            (Rsa, Aes128Gcm) => "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            (Rsa, ChaCha20) => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        }
    }
}
