//! Any bytes on a port for TLS: the same end however they are split, and nothing is taken for decrypted. A client's own bytes with one of
//! them changed: no request but the client's own, and that only when nothing was changed.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SignatureScheme,
};

use crate::sys::stream::{SOCKET, Socket};
use crate::transport::Follows;
use crate::transport::tls::{SocketRead, TlsWire};

/// The first byte chooses the pieces, and whether a client comes; the second and third, where something is changed in the client's bytes.
pub const SEEDS: &[&[u8]] = &[
    b"\x24\0\0GET / HTTP/1.1\r\n\r\n",
    b"\x04\x01\x20\x16\x03\x01\0\x05\x01\0\0\x01\x03",
    b"\x48\x05\x80\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\x08\0\0\x15\x03\x03\0\x02\x01\0",
    b"\x08\0\0\x80\x2e\x01\x03\x01",
];

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

static SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let certificate = CertificateDer::from(&include_bytes!("../../tls/certificate.der")[..]);
    let key = PrivateKeyDer::try_from(&include_bytes!("../../tls/key.der")[..]).expect("PKCS #8");
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a pair");
    Arc::new(config)
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    Arc::new(config)
});

pub fn run(data: &[u8]) {
    let [choice, place, change, bytes @ ..] = data else {
        return;
    };
    let whole = receive([bytes]);
    let size = 1 + usize::from(choice >> 2) % 40;
    assert_eq!(whole, receive(bytes.chunks(size)));
    let Seen {
        plaintext,
        is_plain,
        ..
    } = &whole;
    assert_eq!(*is_plain, bytes.first().is_some_and(u8::is_ascii_uppercase));
    assert!(if *is_plain {
        plaintext == bytes
    } else {
        plaintext.is_empty()
    });
    // A handshake costs a thousand times as much as the rest.
    if choice & 0x20 != 0 {
        meet(usize::from(*place), *change, size);
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    plaintext: Vec<u8>,
    failure: Option<&'static str>,
    is_plain: bool,
}

fn wire() -> TlsWire {
    SOCKET.replace(Socket::default());
    let fd: OwnedFd = File::open("/dev/null").expect("there always is one").into();
    TlsWire::new(
        fd,
        ServerConnection::new(SERVER.clone()).expect("a session"),
    )
}

/// Reads until there is nothing more.
fn drain(wire: &mut TlsWire, plaintext: &mut BytesMut) {
    while let Ok(SocketRead::Bytes(_)) = wire.read(plaintext) {}
}

fn receive<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> Seen {
    let mut wire = wire();
    let mut plaintext = BytesMut::new();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        SOCKET.with_borrow_mut(|socket| socket.inbound.push_back(piece.to_vec()));
        drain(&mut wire, &mut plaintext);
    }
    Seen {
        plaintext: plaintext.to_vec(),
        failure: wire.failure(),
        is_plain: wire.is_plain(),
    }
}

/// A client that shakes hands, sends its request and reads the answer; `change` is laid over one of its bytes.
fn meet(place: usize, change: u8, size: usize) {
    let name = ServerName::try_from("fuzz.invalid").expect("a name");
    let mut client = ClientConnection::new(CLIENT.clone(), name).expect("a session");
    let mut wire = wire();
    let (mut plaintext, mut sent, mut answered) = (BytesMut::new(), 0, false);
    std::io::Write::write_all(&mut client.writer(), REQUEST).expect("it is kept");
    for _ in 0..8 {
        let mut flight = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut flight).expect("to memory");
        }
        if let Some(byte) = place.checked_sub(sent).and_then(|at| flight.get_mut(at)) {
            *byte ^= change;
        }
        sent += flight.len();
        for piece in flight.chunks(size) {
            SOCKET.with_borrow_mut(|socket| socket.inbound.push_back(piece.to_vec()));
        }
        drain(&mut wire, &mut plaintext);
        if plaintext == REQUEST && !std::mem::replace(&mut answered, true) {
            let taken = wire.write(REQUEST, Follows::Nothing).expect("it has room");
            assert_eq!(taken, REQUEST.len());
        }
        let answer = SOCKET.with_borrow_mut(|socket| std::mem::take(&mut socket.outbound));
        let mut rest = &answer[..];
        while !rest.is_empty() {
            if client.read_tls(&mut rest).is_err() || client.process_new_packets().is_err() {
                break;
            }
        }
    }
    // What was changed may be a byte that means nothing, such as the version of a record.
    assert!(plaintext.is_empty() || plaintext == REQUEST || wire.is_plain());
    if change == 0 || place >= sent {
        assert!(answered, "{:?}", wire.failure());
        let mut answer = [0; REQUEST.len()];
        std::io::Read::read_exact(&mut client.reader(), &mut answer).expect("the answer");
        assert_eq!(answer, REQUEST);
    }
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
