//! Tests with good and bad files, and handshakes in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::{ClientConfig, ClientConnection};
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{HandshakeKind, RootCertStore, ServerConfig, ServerConnection};

use super::{LoadedTls, Material, Problem, load, new_key};
use crate::config::{
    CertificateFiles, CipherSuite, ClientCertificates, Http2, TlsSettings, TlsVersion,
    WatchCertificates,
};
use crate::ipc::TicketKeys;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/tls/fixtures")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

/// 2026, while all certificates are valid.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

fn pair(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> CertificateFiles {
    CertificateFiles {
        chain: chain.into(),
        key: Some(key.into()),
    }
}

fn settings(certificates: Vec<CertificateFiles>) -> TlsSettings {
    TlsSettings {
        certificates,
        client_authorities: None,
        client_certificates: ClientCertificates::NotRequested,
        cipher_suites: Vec::new(),
        oldest: TlsVersion::Tls12,
        http2: Http2::Auto,
        watch: WatchCertificates::Yes,
    }
}

fn keys() -> TicketKeys {
    let (_fd, keys) = TicketKeys::new().unwrap();
    keys.rotate(new_key().unwrap());
    keys
}

fn loaded_at(settings: &TlsSettings, now: SystemTime) -> Result<LoadedTls, Problem> {
    load(settings, &Material::read(settings)?, keys(), now)
}

fn loaded(settings: &TlsSettings) -> LoadedTls {
    loaded_at(settings, now()).unwrap()
}

/// The problem of a chain and a key.
fn refused(chain: &Path, key: Option<&Path>) -> (String, String) {
    let files = CertificateFiles {
        chain: chain.to_owned(),
        key: key.map(Path::to_owned),
    };
    let problem = loaded_at(&settings(vec![files]), now()).unwrap_err();
    assert!(!problem.hint.is_empty());
    let file = Path::new(&problem.file).file_name().unwrap();
    (file.to_string_lossy().into_owned(), problem.reason)
}

#[test]
fn a_byte_order_mark_in_front_is_skipped() {
    let place = tempfile::tempdir().unwrap();
    let marked = |name: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, format!("\u{feff}{}", text(name))).unwrap();
        path
    };
    let files = pair(marked("ecdsa.pem"), marked("ecdsa.key"));
    assert_eq!(loaded(&settings(vec![files])).summaries.len(), 1);
}

#[test]
fn every_kind_of_unusable_file() {
    let (ecdsa, key) = (fixture("ecdsa.pem"), fixture("ecdsa.key"));
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        let path = place.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let garbage = write("garbage", "nothing of that kind\n");
    let cut = write("cut.pem", &text("ecdsa.pem")[..200]);
    let not_x509 = write(
        "not-x509.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let reversed = write(
        "reversed.pem",
        &(text("intermediate.pem") + &text("ecdsa.pem")),
    );
    let key_cut = write("cut.key", &text("ecdsa.key")[..80]);
    let encrypted = "the private key is encrypted, and there is nobody to ask for the passphrase";
    for (chain, key, file, reason) in [
        (&garbage, Some(&key), "garbage", "contains no certificate"),
        (
            &fixture("ecdsa.der"),
            Some(&key),
            "ecdsa.der",
            "contains no certificate",
        ),
        (
            &key,
            Some(&key),
            "ecdsa.key",
            "contains a private key and no certificate",
        ),
        (
            &cut,
            Some(&key),
            "cut.pem",
            "certificate 1 is not valid PEM: the line -----END CERTIFICATE----- is missing",
        ),
        (
            &not_x509,
            Some(&key),
            "not-x509.pem",
            "certificate 1 is not an X.509 certificate",
        ),
        (&ecdsa, None, "ecdsa.pem", "contains no private key"),
        (&ecdsa, Some(&garbage), "garbage", "contains no private key"),
        (&ecdsa, Some(&ecdsa), "ecdsa.pem", "contains no private key"),
        (
            &ecdsa,
            Some(&key_cut),
            "cut.key",
            "the private key is not valid PEM: ",
        ),
        (
            &ecdsa,
            Some(&fixture("encrypted.key")),
            "encrypted.key",
            encrypted,
        ),
        (
            &ecdsa,
            Some(&fixture("traditional.key")),
            "traditional.key",
            encrypted,
        ),
        (
            &ecdsa,
            Some(&fixture("unsupported.key")),
            "unsupported.key",
            "the private key cannot be used: ",
        ),
        (
            &ecdsa,
            Some(&fixture("rsa.key")),
            "rsa.key",
            "the key does not belong to the certificate in ",
        ),
        (
            &reversed,
            Some(&key),
            "reversed.pem",
            "the key belongs to certificate 2 of the file, not to the first",
        ),
    ] {
        let (named, reported) = refused(chain, key.map(PathBuf::as_path));
        assert_eq!(named, file, "{reported}");
        assert!(reported.starts_with(reason), "{file}: {reported}");
    }
}

#[test]
fn what_is_only_a_warning() {
    let place = tempfile::tempdir().unwrap();
    let chain = place.path().join("chain.pem");
    std::fs::write(
        &chain,
        text("ecdsa.pem") + &text("root.pem") + &text("intermediate.pem"),
    )
    .unwrap();
    let key = place.path().join("key.pem");
    std::fs::write(&key, text("ecdsa.key")).unwrap();
    let set_mode = |mode| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let settings = settings(vec![pair(&chain, &key)]);
    let warnings = |year_day: (u64, u64)| -> Vec<String> {
        let (year, day) = year_day;
        // Near enough for whole years.
        let days = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 + day;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400);
        loaded_at(&settings, now)
            .unwrap()
            .warnings
            .into_iter()
            .map(|warning| warning.reason)
            .collect()
    };
    set_mode(0o640);
    let order = "certificate 1 of the chain is not issued by the one that follows it";
    assert_eq!(warnings((2026, 100)), [order]);
    set_mode(0o644);
    let public = "every user of this machine can read or change the private key";
    assert_eq!(warnings((2026, 100)), [order, public]);
    set_mode(0o600);
    let soon = warnings((2119, 360));
    assert!(
        soon[0].starts_with("the certificate expires in ")
            && soon[0].ends_with(" days, on 2120-01-01T00:00:00Z"),
        "{soon:?}"
    );
    assert!(soon[1].starts_with("certificate 2 of the chain expires in "));
    assert_eq!(
        warnings((2121, 0))[0],
        "the certificate expired on 2120-01-01T00:00:00Z"
    );
    assert_eq!(
        warnings((2019, 0))[0],
        "the certificate is not valid before 2020-01-01T00:00:00Z"
    );
}

#[test]
fn certificates_are_summed_up() {
    let settings = settings(vec![
        pair(fixture("ecdsa.pem"), fixture("ecdsa.key")),
        CertificateFiles {
            chain: fixture("address.pem"),
            key: None,
        },
    ]);
    let loaded = loaded(&settings);
    let [first, second] = &loaded.summaries[..] else {
        panic!("{:?}", loaded.summaries);
    };
    assert_eq!(
        (
            first.name.as_str(),
            first.expires,
            first.expiry_date.as_str()
        ),
        ("a.example", 4_733_510_400, "2120-01-01T00:00:00Z")
    );
    assert_eq!(second.name, "::1");
}

/// A client for that name.
fn client(name: &'static str, config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), ServerName::try_from(name).unwrap()).unwrap()
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(fixture("root.pem")).unwrap())
        .unwrap();
    roots
}

fn client_config(identity: Option<&str>) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots());
    Arc::new(match identity {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let file = fixture(file);
            let chain = vec![CertificateDer::from_pem_file(&file).unwrap()];
            let key = PrivateKeyDer::from_pem_file(&file).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// Runs until neither side has more to send; returns the server's result.
fn handshake(
    client: &mut ClientConnection,
    server: &Arc<ServerConfig>,
) -> Result<ServerConnection, rustls::Error> {
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut bytes = Vec::new();
    while client.wants_write() || server.wants_write() {
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
        bytes.clear();
    }
    Ok(server)
}

fn two_names() -> TlsSettings {
    settings(vec![
        pair(fixture("ecdsa-chain.pem"), fixture("ecdsa.key")),
        pair(fixture("rsa-chain.pem"), fixture("rsa.key")),
    ])
}

#[test]
fn a_client_gets_the_certificate_of_the_name_that_it_asks_for() {
    let server = loaded(&two_names()).server;
    for name in ["a.example", "www.a.example", "b.example"] {
        let mut client = client(name, &client_config(None));
        let server = handshake(&mut client, &server).unwrap();
        assert_eq!(server.server_name(), Some(name));
        assert!(!client.is_handshaking());
    }
    let mut stranger = client("c.example", &client_config(None));
    assert!(handshake(&mut stranger, &server).is_err());
}

#[test]
fn sessions_are_resumed_by_another_worker() {
    let settings = two_names();
    let material = Material::read(&settings).unwrap();
    let keys = keys();
    let worker = || load(&settings, &material, keys, now()).unwrap().server;
    let config = client_config(None);
    let kind = |server: &Arc<ServerConfig>| {
        let mut client = client("a.example", &config);
        handshake(&mut client, server).unwrap();
        client.handshake_kind().unwrap()
    };
    assert_eq!(kind(&worker()), HandshakeKind::Full);
    assert_eq!(kind(&worker()), HandshakeKind::Resumed);
    keys.rotate(new_key().unwrap());
    assert_eq!(kind(&worker()), HandshakeKind::Resumed);
}

#[test]
fn client_certificates() {
    let with = |asked| {
        let settings = TlsSettings {
            client_authorities: Some(fixture("root.pem")),
            client_certificates: asked,
            ..two_names()
        };
        loaded(&settings).server
    };
    let attempt = |identity: Option<&str>, server: &Arc<ServerConfig>| {
        let mut client = client("a.example", &client_config(identity));
        handshake(&mut client, server)
            .ok()
            .map(|server| server.peer_certificates().map_or(0, <[_]>::len))
    };
    let (optional, required) = (
        with(ClientCertificates::Optional),
        with(ClientCertificates::Required),
    );
    assert_eq!(attempt(None, &optional), Some(0));
    assert_eq!(attempt(None, &required), None);
    for server in [&optional, &required] {
        assert_eq!(attempt(Some("client.pem"), server), Some(1));
        // Issued by an authority that is unknown to the server.
        let settings = TlsSettings {
            client_authorities: Some(fixture("address.pem")),
            client_certificates: ClientCertificates::Required,
            ..two_names()
        };
        assert_eq!(attempt(Some("client.pem"), &loaded(&settings).server), None);
    }
}

#[test]
fn a_session_does_not_get_around_new_rules_for_clients() {
    let open = TlsSettings {
        client_authorities: Some(fixture("root.pem")),
        client_certificates: ClientCertificates::Optional,
        ..two_names()
    };
    let strict = TlsSettings {
        client_certificates: ClientCertificates::Required,
        ..open.clone()
    };
    let keys = keys();
    let server = |settings: &TlsSettings| {
        let material = Material::read(settings).unwrap();
        load(settings, &material, keys, now()).unwrap().server
    };
    let config = client_config(None);
    handshake(&mut client("a.example", &config), &server(&open)).unwrap();
    assert!(handshake(&mut client("a.example", &config), &server(&strict)).is_err());
}

#[test]
fn versions_and_cipher_suites() {
    let only = |name: &str| -> Vec<CipherSuite> {
        let suites = CipherSuite::ALL.into_iter();
        suites
            .filter(|suite| suite.openssl_name() == name)
            .collect()
    };
    for suite in CipherSuite::ALL {
        let settings = TlsSettings {
            cipher_suites: only(suite.openssl_name()),
            ..two_names()
        };
        let name = if suite.openssl_name().contains("-RSA-") {
            "b.example"
        } else {
            "a.example"
        };
        let mut client = client(name, &client_config(None));
        let server = handshake(&mut client, &loaded(&settings).server).unwrap();
        let used = server.negotiated_cipher_suite().unwrap().suite();
        let used = format!("{used:?}").replace("TLS13", "TLS");
        assert_eq!(used, suite.standard_name());
    }
    let settings = TlsSettings {
        oldest: TlsVersion::Tls13,
        http2: Http2::Auto,
        cipher_suites: only("ECDHE-RSA-AES128-GCM-SHA256"),
        ..two_names()
    };
    assert_eq!(loaded_at(&settings, now()).unwrap_err().file, "--ciphers");
}
