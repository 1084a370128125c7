//! The transports: their guarantees, and the effects of a descriptor's copy in another process.

use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::client::ClientConnection;
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use super::memory::{ClientView, memory};
use super::{Follows, ReadResult, Transport};
use crate::sys::epoll::{Epoll, Readiness};

fn buffer() -> BytesMut {
    BytesMut::with_capacity(64)
}

/// A socket with its transport, registered as 7, and a copy of the descriptor as a forked child would have it.
fn copied() -> (Transport, UnixStream, Epoll, std::os::fd::OwnedFd) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a socket");
    far.set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket");
    let copy = near.as_fd().try_clone_to_owned().expect("a descriptor");
    let epoll = Epoll::new(8).expect("an epoll instance");
    let mut transport = Transport::plain(near.into());
    transport.register(&epoll, 7).expect("a registration");
    (transport, far, epoll, copy)
}

#[test]
fn nothing_is_heard_of_a_closed_one_though_a_copy_of_its_descriptor_lives() {
    let (mut transport, far, mut epoll, _copy) = copied();
    transport.close();
    drop(far);
    let found = epoll
        .wait(Some(Duration::ZERO))
        .expect("a look at the events");
    assert_eq!(found, 0);
}

#[test]
fn the_client_sees_the_end_though_a_copy_of_the_descriptor_lives() {
    let (mut transport, mut far, _epoll, _copy) = copied();
    assert_eq!(transport.write(b"all", Follows::Nothing).ok(), Some(3));
    transport.close();
    let mut all = Vec::new();
    far.read_to_end(&mut all).expect("the end, and no timeout");
    assert_eq!(all, b"all");
}

#[test]
fn a_tcp_reset_reaches_the_client_though_a_copy_of_the_descriptor_lives() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let mut far = std::net::TcpStream::connect(listener.local_addr().expect("an address"))
        .expect("a connection");
    far.set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket");
    let (near, _) = listener.accept().expect("a connection");
    near.set_nonblocking(true).expect("a socket");
    let _copy = near.try_clone().expect("a descriptor");
    let mut transport = Transport::plain(near.into());
    transport.reset_on_close();
    transport.close();
    let error = far.read(&mut [0; 8]).expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_closed_one_neither_reads_nor_writes() {
    let (mut transport, _far) = memory(100, 0);
    transport.close();
    assert!(!transport.is_open());
    assert_eq!(transport.read(&mut buffer()), ReadResult::Nothing);
    assert!(transport.write(b"x", Follows::Nothing).is_err());
    assert!(transport.half_close().is_err());
    assert_eq!(transport.untaken(), None);
}

#[test]
fn short_writes_and_what_a_layer_holds_back_arrive_in_order() {
    let (mut transport, far) = memory(10, 5);
    assert_eq!(
        transport.write(&[b'x'; 25], Follows::Nothing).ok(),
        Some(15)
    );
    assert!(transport.is_unsent());
    assert_eq!(transport.untaken(), Some(15));
    let full = transport
        .write(b"y", Follows::Nothing)
        .expect_err("no room");
    assert!(super::would_block(&full));
    assert_eq!(far.take(10).len(), 10);
    transport.flush().expect("room");
    assert!(!transport.is_unsent());
    assert_eq!(transport.write(b"y", Follows::Nothing).ok(), Some(1));
    assert_eq!(far.take(100), b"xxxxxy");
}

#[test]
fn reads_give_what_came_piece_by_piece_then_the_end() {
    let (mut transport, far) = memory(10, 0);
    far.send(b"ab");
    far.send(b"c");
    let mut found = buffer();
    assert_eq!(transport.read(&mut found), ReadResult::Bytes(2));
    assert_eq!(transport.read(&mut found), ReadResult::Bytes(1));
    assert_eq!(transport.read(&mut found), ReadResult::Nothing);
    far.end();
    assert_eq!(transport.read(&mut found), ReadResult::End);
    assert_eq!(&found[..], b"abc");
}

#[test]
fn ends_and_resets_of_either_side_are_seen_by_the_other() {
    let (mut transport, far) = memory(10, 0);
    transport.half_close().expect("open");
    assert_eq!(far.seen(), ClientView::Ended);
    transport.close();
    assert!(far.is_closed());
    let (mut transport, far) = memory(10, 0);
    far.reset();
    assert_eq!(transport.read(&mut buffer()), ReadResult::Failed);
    assert!(transport.write(b"x", Follows::Nothing).is_err());
    let (mut transport, far) = memory(10, 0);
    far.send(b"unread");
    transport.close();
    assert_eq!(far.seen(), ClientView::Reset, "as the kernel does it");
    let (mut transport, far) = memory(10, 0);
    transport.reset_on_close();
    drop(transport);
    assert_eq!(far.seen(), ClientView::Reset);
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/tls/fixtures")
        .join(name)
}

/// A TLS server over a socket, and its client's end.
fn tls() -> (Transport, UnixStream) {
    let (near, far) = UnixStream::pair().expect("a pair");
    near.set_nonblocking(true).expect("a socket");
    let chain = CertificateDer::pem_file_iter(fixture("ecdsa-chain.pem"))
        .and_then(Iterator::collect)
        .expect("a chain");
    let key = PrivateKeyDer::from_pem_file(fixture("ecdsa.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    let session = ServerConnection::new(Arc::new(config)).expect("a session");
    (Transport::tls(near.into(), session), far)
}

#[test]
fn a_look_at_tls_ends_though_what_comes_has_no_content() {
    let (mut transport, mut far) = tls();
    // The beginning of a hello of 60 KiB, which fills its records: it cannot be parsed yet.
    let mut hello = vec![1, 0, 0xf0, 0];
    hello.resize(48 * 1024, 0);
    for piece in hello.chunks(16 * 1024) {
        let [high, low] = (piece.len() as u16).to_be_bytes();
        far.write_all(&[22, 3, 1, high, low]).expect("room");
        far.write_all(piece).expect("room");
    }
    let mut looks = 0;
    while transport.is_readable() {
        let found = transport.read(&mut buffer());
        assert!(
            matches!(found, ReadResult::Bytes(0) | ReadResult::Nothing),
            "{found:?}"
        );
        looks += 1;
    }
    assert!(looks > 2, "{looks}");
}

#[test]
fn all_that_a_tls_client_still_sends_is_thrown_away() {
    let (mut transport, mut far) = tls();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(fixture("root.pem")).expect("a certificate");
    roots.add(root).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("a.example").expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client");
    far.set_nonblocking(true).expect("a socket");
    while client.is_handshaking() || client.wants_write() {
        while client.wants_write() {
            client.write_tls(&mut far).expect("room");
        }
        transport.read(&mut buffer());
        if client.read_tls(&mut far).is_ok() {
            client.process_new_packets().expect("a good server");
        }
    }
    transport.half_close().expect("a client");
    far.write_all(&vec![0; 100 * 1024]).expect("room");
    transport.ready(Readiness {
        token: 0,
        readable: true,
        writable: true,
        read_closed: false,
        closed: false,
    });
    let mut thrown = 0;
    while transport.is_readable() {
        if let ReadResult::Bytes(count) = transport.discard() {
            thrown += count;
        }
    }
    assert_eq!(thrown, 100 * 1024);
}
