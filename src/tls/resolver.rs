//! Which certificate a client gets: by the name that it asks for (SNI, RFC 6066) and the signatures that it understands.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

thread_local! {
    /// rustls does not report which certificate a session got. It asks for one in the thread that passes it the client's hello.
    static CHOSEN: RefCell<Option<Arc<CertifiedKey>>> = const { RefCell::new(None) };
}

/// The certificate that was chosen in this thread since the last call.
pub fn chosen_certificate() -> Option<Arc<CertifiedKey>> {
    CHOSEN.take()
}

/// All certificates of the server, in the order in which they were named.
#[derive(Debug)]
pub struct Resolver {
    certificates: Vec<Arc<CertifiedKey>>,
    /// By the host name, `*.example.org` among them.
    by_name: HashMap<String, Vec<usize>>,
}

impl Resolver {
    /// With the names that each is for.
    pub fn new(certificates: Vec<(Arc<CertifiedKey>, Vec<String>)>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut keys = Vec::new();
        for (index, (key, names)) in certificates.into_iter().enumerate() {
            keys.push(key);
            for name in names {
                by_name.entry(name).or_default().push(index);
            }
        }
        Self {
            certificates: keys,
            by_name,
        }
    }

    /// The exact name first, then a wildcard for its first label (RFC 6125 §6.4.3), then the default. Among several for the
    /// same name (RSA and ECDSA) the first one whose key the client can verify.
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let wildcard = || {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            };
            self.by_name.get(&name).or_else(wildcard)
        });
        let candidates = named.map_or(&[0][..], Vec::as_slice);
        let mut candidates = candidates
            .iter()
            .filter_map(|index| self.certificates.get(*index));
        let first = candidates.clone().next();
        candidates
            .find(|certificate| certificate.key.choose_scheme(schemes).is_some())
            .or(first)
            .cloned()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let chosen = self.choose(hello.server_name(), hello.signature_schemes());
        CHOSEN.replace(chosen.clone());
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rustls::pki_types::CertificateDer;
    use rustls::sign::{Signer, SigningKey};
    use rustls::{Error, SignatureAlgorithm};

    #[derive(Debug)]
    struct Key(SignatureScheme);

    impl SigningKey for Key {
        fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
            offered
                .contains(&self.0)
                .then(|| Box::new(Signing(self.0)) as Box<dyn Signer>)
        }

        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::RSA
        }
    }

    #[derive(Debug)]
    struct Signing(SignatureScheme);

    impl Signer for Signing {
        fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(Vec::new())
        }

        fn scheme(&self) -> SignatureScheme {
            self.0
        }
    }

    const RSA: SignatureScheme = SignatureScheme::RSA_PSS_SHA256;
    const ECDSA: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

    fn resolver() -> Resolver {
        let certificate = |number: u8, scheme, names: &[&str]| {
            let chain = vec![CertificateDer::from(vec![number])];
            let key = Arc::new(CertifiedKey::new(chain, Arc::new(Key(scheme))));
            (key, names.iter().map(|name| (*name).to_owned()).collect())
        };
        Resolver::new(vec![
            certificate(0, RSA, &["default.example"]),
            certificate(1, ECDSA, &["a.example", "*.a.example"]),
            certificate(2, RSA, &["a.example"]),
            certificate(3, RSA, &["x.a.example"]),
        ])
    }

    fn chosen(name: Option<&str>, schemes: &[SignatureScheme]) -> u8 {
        resolver().choose(name, schemes).unwrap().cert[0][0]
    }

    #[test]
    fn names_wildcards_and_the_default() {
        for (name, expected) in [
            (None, 0),
            (Some("default.example"), 0),
            (Some("other.example"), 0),
            (Some("a.example"), 1),
            (Some("A.Example"), 1),
            (Some("b.a.example"), 1),
            (Some("x.a.example"), 3),
            (Some("c.b.a.example"), 0),
            (Some("localhost"), 0),
        ] {
            assert_eq!(chosen(name, &[ECDSA, RSA]), expected, "{name:?}");
        }
    }

    #[test]
    fn two_keys_for_one_name_serve_clients_of_both_kinds() {
        assert_eq!(chosen(Some("a.example"), &[RSA]), 2);
        assert_eq!(chosen(Some("a.example"), &[ECDSA]), 1);
        // The handshake then fails, and reports why.
        assert_eq!(chosen(Some("a.example"), &[SignatureScheme::ED448]), 1);
    }
}
