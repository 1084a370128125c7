//! Checks certificates, keys and settings, and makes the configuration that every connection starts with.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ring::digest;
use rustls::crypto::{CryptoProvider, ring as provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{RootCertStore, ServerConfig, SupportedCipherSuite, version};

use super::certificate::{Certificate, Validity};
use super::files::{FileContent, Material, PemPair};
use super::problem::{Problem, Result};
use super::resolver::Resolver;
use super::tickets::Tickets;
use crate::config::{CipherSuite, ClientCertificates, Http2, TlsSettings, TlsVersion};
use crate::ipc::TicketKeys;

/// A certificate that expires so soon is worth a warning.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// A configuration that can be used.
#[derive(Debug)]
pub struct LoadedTls {
    pub server: Arc<ServerConfig>,
    pub summaries: Vec<CertificateSummary>,
    /// Problems that do not prevent its use.
    pub warnings: Vec<Problem>,
}

/// A certificate for logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateSummary {
    pub name: String,
    pub file: String,
    /// Seconds since 1970.
    pub expires: u64,
    /// As a person reads it.
    pub expiry_date: String,
}

impl CertificateSummary {
    fn of(file: &str, certificate: &Certificate) -> Self {
        Self {
            name: certificate.name(),
            file: file.to_owned(),
            expires: certificate.expires(),
            expiry_date: certificate.expiry_date(),
        }
    }
}

/// Of every certificate in a PEM file; what is none is left out.
#[must_use]
pub fn summaries(file: &str, bytes: &[u8]) -> Vec<CertificateSummary> {
    let found = CertificateDer::pem_slice_iter(bytes).filter_map(|der| {
        let certificate = Certificate::parse(&der.ok()?)?;
        Some(CertificateSummary::of(file, &certificate))
    });
    found.collect()
}

/// Checks the files and makes the configuration. `now` decides which certificates have expired.
///
/// # Errors
/// The first file that cannot be used.
pub fn load(
    settings: &TlsSettings,
    material: &Material,
    tickets: TicketKeys,
    now: SystemTime,
) -> Result<LoadedTls> {
    let provider = Arc::new(crypto(settings));
    let mut warnings = Vec::new();
    let mut summaries = Vec::new();
    let mut certificates = Vec::new();
    for pair in &material.pairs {
        let chain = chain(&pair.chain)?;
        let key = key(pair, &provider)?;
        fits(pair, &chain, &*key)?;
        look_at(pair, &chain, now, &mut warnings);
        let Some((_, first)) = chain.first() else {
            continue;
        };
        summaries.push(CertificateSummary::of(&pair.chain.file, first));
        let names = first.host_names();
        let chain = chain.into_iter().map(|(der, _)| der).collect();
        certificates.push((Arc::new(CertifiedKey::new(chain, key)), names));
    }
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = match settings.oldest {
        TlsVersion::Tls12 => builder.with_protocol_versions(&[&version::TLS13, &version::TLS12]),
        TlsVersion::Tls13 => builder.with_protocol_versions(&[&version::TLS13]),
    };
    let no_suite = |_| {
        Problem::new(
            "--ciphers",
            "leaves no cipher suite for the TLS versions that are allowed",
            "name a suite of TLS 1.3, or allow TLS 1.2",
        )
    };
    let builder = builder.map_err(no_suite)?;
    let builder = match (settings.client_certificates, &material.authorities) {
        (ClientCertificates::NotRequested, _) | (_, None) => builder.with_no_client_auth(),
        (asked, Some(authorities)) => {
            let roots = Arc::new(roots(authorities, &mut warnings)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier = match asked {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required | ClientCertificates::NotRequested => verifier,
            };
            let verifier = verifier.build().map_err(|error| {
                Problem::new(
                    &authorities.file,
                    format!("cannot be used to verify clients: {error}"),
                    "name a file with the certificates of the authorities",
                )
            })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_cert_resolver(Arc::new(Resolver::new(certificates)));
    server.alpn_protocols = match settings.http2 {
        Http2::Off => vec![b"http/1.1".to_vec()],
        Http2::Auto | Http2::PriorKnowledge => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
    };
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.ticketer = Arc::new(Tickets::new(tickets, rules(settings, material)));
    Ok(LoadedTls {
        server: Arc::new(server),
        summaries,
        warnings,
    })
}

/// A digest of the requirements for client certificates.
fn rules(settings: &TlsSettings, material: &Material) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&[settings.client_certificates as u8]);
    if let Some(authorities) = &material.authorities {
        context.update(&authorities.bytes);
    }
    let digest = context.finish();
    let mut rules = [0; 32];
    rules.copy_from_slice(digest.as_ref());
    rules
}

fn crypto(settings: &TlsSettings) -> CryptoProvider {
    let mut crypto = provider::default_provider();
    if !settings.cipher_suites.is_empty() {
        crypto.cipher_suites = settings
            .cipher_suites
            .iter()
            .filter_map(implementation)
            .collect();
    }
    crypto
}

fn implementation(suite: &CipherSuite) -> Option<SupportedCipherSuite> {
    let name = match suite.version() {
        TlsVersion::Tls13 => suite.standard_name().replacen("TLS_", "TLS13_", 1),
        TlsVersion::Tls12 => suite.standard_name().to_owned(),
    };
    provider::ALL_CIPHER_SUITES
        .iter()
        .find(|known| format!("{:?}", known.suite()) == name)
        .copied()
}

type Chain = Vec<(CertificateDer<'static>, Certificate)>;

fn chain(content: &FileContent) -> Result<Chain> {
    let problem = |reason: String, hint: &str| Err(Problem::new(&content.file, reason, hint));
    let mut chain = Vec::new();
    for (number, der) in CertificateDer::pem_slice_iter(&content.bytes).enumerate() {
        let number = number + 1;
        let der = match der {
            Ok(der) => der,
            Err(error) => {
                return problem(
                    format!(
                        "certificate {number} is not valid PEM: {}",
                        in_words(&error)
                    ),
                    "get the file again; it may have been cut or edited",
                );
            }
        };
        match Certificate::parse(&der) {
            Some(certificate) => chain.push((der, certificate)),
            None => {
                return problem(
                    format!("certificate {number} is not an X.509 certificate"),
                    "get the file again; it may have been cut or edited",
                );
            }
        }
    }
    if !chain.is_empty() {
        return Ok(chain);
    }
    if has_key(&content.bytes) {
        return problem(
            "contains a private key and no certificate".to_owned(),
            "--certfile names the certificates, --keyfile the key",
        );
    }
    let hint = if content.bytes.first() == Some(&0x30) {
        "it looks like DER; convert it with `openssl x509 -inform der -in FILE -out FILE.pem`"
    } else {
        "name a file in PEM format, with lines of BEGIN CERTIFICATE"
    };
    problem("contains no certificate".to_owned(), hint)
}

/// The bytes in it as text.
fn in_words(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            let label = String::from_utf8_lossy(end_marker);
            format!("the line -----END {label}----- is missing")
        }
        pem::Error::IllegalSectionStart { line } => {
            format!(
                "the line {} does not begin a section",
                String::from_utf8_lossy(line).trim_end()
            )
        }
        other => other.to_string(),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

fn has_key(bytes: &[u8]) -> bool {
    contains(bytes, "PRIVATE KEY-----")
}

fn key(pair: &PemPair, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>> {
    let content = pair.key();
    let problem = |reason: String, hint: &str| Problem::new(&content.file, reason, hint);
    if contains(&content.bytes, "BEGIN ENCRYPTED PRIVATE KEY")
        || contains(&content.bytes, "Proc-Type: 4,ENCRYPTED")
    {
        return Err(problem(
            "the private key is encrypted, and there is nobody to ask for the passphrase"
                .to_owned(),
            "decrypt it with `openssl pkey -in FILE -out NEW`, and let only root read the new file",
        ));
    }
    if !has_key(&content.bytes) {
        let hint = match (&pair.key, content.bytes.first()) {
            (None, _) => "name the file of the key with --keyfile",
            (Some(_), Some(0x30)) => {
                "it looks like DER; convert it with `openssl pkey -inform der -in FILE -out FILE.pem`"
            }
            (Some(_), _) if contains(&content.bytes, "BEGIN CERTIFICATE") => {
                "--certfile names the certificates, --keyfile the key"
            }
            (Some(_), _) => "name a file in PEM format, with a line of BEGIN PRIVATE KEY",
        };
        return Err(problem("contains no private key".to_owned(), hint));
    }
    let der = PrivateKeyDer::from_pem_slice(&content.bytes).map_err(|error| {
        problem(
            format!("the private key is not valid PEM: {}", in_words(&error)),
            "get the file again; it may have been cut or edited",
        )
    })?;
    provider
        .key_provider
        .load_private_key(der)
        .map_err(|error| {
            problem(
                format!("the private key cannot be used: {error}"),
                "use RSA with 2048 to 8192 bits, ECDSA with P-256 or P-384, or Ed25519",
            )
        })
}

/// The key must be that of the first certificate; if not, the most frequent reason is a wrong order of the chain.
fn fits(pair: &PemPair, chain: &Chain, key: &dyn SigningKey) -> Result<()> {
    let Some(public) = key.public_key() else {
        return Ok(());
    };
    let belongs = |certificate: &Certificate| {
        certificate
            .public_key()
            .is_none_or(|key| key == public.as_ref())
    };
    match chain
        .iter()
        .position(|(_, certificate)| belongs(certificate))
    {
        Some(0) => Ok(()),
        Some(index) => Err(Problem::new(
            &pair.chain.file,
            format!(
                "the key belongs to certificate {} of the file, not to the first",
                index + 1
            ),
            "put the server's own certificate first, then the one that issued it, and so on",
        )),
        None => Err(Problem::new(
            &pair.key().file,
            format!(
                "the key does not belong to the certificate in {}",
                pair.chain.file
            ),
            "name the key that the certificate was requested with; pairs of --certfile and --keyfile are matched in their order",
        )),
    }
}

/// Warns of problems that do not prevent the pair's use.
fn look_at(pair: &PemPair, chain: &Chain, now: SystemTime, warnings: &mut Vec<Problem>) {
    let file = &pair.chain.file;
    for (number, (_, certificate)) in chain.iter().enumerate() {
        let what = match number {
            0 => "the certificate".to_owned(),
            n => format!("certificate {} of the chain", n + 1),
        };
        let end = certificate.expiry_date();
        let (reason, hint) = match certificate.validity(now, SOON) {
            Validity::Valid => continue,
            Validity::Ended => (
                format!("{what} expired on {end}"),
                "renew it; clients refuse the connection",
            ),
            Validity::EndsWithin(left) => {
                let days = left.as_secs() / 86_400;
                (
                    format!("{what} expires in {days} days, on {end}"),
                    "renew it",
                )
            }
            Validity::NotYet => (
                format!("{what} is not valid before {}", certificate.start_date()),
                "check the system's clock",
            ),
        };
        warnings.push(Problem::new(file, reason, hint));
    }
    let pairs = chain.iter().zip(chain.iter().skip(1));
    let broken = pairs
        .clone()
        .position(|((_, one), (_, next))| !one.is_issued_by(next));
    if let Some(index) = broken {
        warnings.push(Problem::new(
            file,
            format!(
                "certificate {} of the chain is not issued by the one that follows it",
                index + 1
            ),
            "put the server's own certificate first, then the one that issued it, and so on",
        ));
    }
    let key = pair.key();
    if key.is_public {
        warnings.push(Problem::new(
            &key.file,
            "every user of this machine can read or change the private key",
            "use `chmod o= FILE`; only the user that starts rgun has to read it",
        ));
    }
}

fn roots(content: &FileContent, warnings: &mut Vec<Problem>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, ignored) =
        roots.add_parsable_certificates(chain(content)?.into_iter().map(|(der, _)| der));
    if added == 0 {
        return Err(Problem::new(
            &content.file,
            "contains no certificate that can issue others",
            "name a file with the certificates of the authorities",
        ));
    }
    if ignored > 0 {
        warnings.push(Problem::new(
            &content.file,
            format!("{ignored} certificates were ignored"),
            "remove what is not the certificate of an authority",
        ));
    }
    Ok(roots)
}
