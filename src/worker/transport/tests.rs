//! Both transports: what is promised of them, and what a descriptor's copy in another process changes.

use std::io::Read as _;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::BytesMut;

use super::memory::{Seen, memory};
use super::{Follows, Read, Transport};
use crate::sys::epoll::Epoll;

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
    assert_eq!(transport.read(&mut buffer()), Read::Nothing);
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
    assert_eq!(transport.read(&mut found), Read::Bytes(2));
    assert_eq!(transport.read(&mut found), Read::Bytes(1));
    assert_eq!(transport.read(&mut found), Read::Nothing);
    far.end();
    assert_eq!(transport.read(&mut found), Read::End);
    assert_eq!(&found[..], b"abc");
}

#[test]
fn ends_and_resets_of_either_side_are_seen_by_the_other() {
    let (mut transport, far) = memory(10, 0);
    transport.half_close().expect("open");
    assert_eq!(far.seen(), Seen::Ended);
    transport.close();
    assert!(far.is_closed());
    let (mut transport, far) = memory(10, 0);
    far.reset();
    assert_eq!(transport.read(&mut buffer()), Read::Failed);
    assert!(transport.write(b"x", Follows::Nothing).is_err());
    let (mut transport, far) = memory(10, 0);
    far.send(b"unread");
    transport.close();
    assert_eq!(far.seen(), Seen::Reset, "as the kernel does it");
    let (mut transport, far) = memory(10, 0);
    transport.reset_on_close();
    drop(transport);
    assert_eq!(far.seen(), Seen::Reset);
}
