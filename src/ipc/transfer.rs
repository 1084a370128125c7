//! Connections on their way between the workers of one generation: one that cannot serve what it has accepted passes it
//! to one that can.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::fence;

use super::board::Board;
use super::codec::{ByteReader, put_text};
use super::page::{Page, ScoreboardState};
use super::{Error, Result};
use crate::sys::{Packet, PacketRead, Sent, packet_pair, read_packet_with, send_packet_with};

/// The most that may have been read from a connection that is passed on, in bytes.
pub const MOST_RECEIVED: usize = 64 * 1024;
/// Listener, address and lengths.
const AROUND: usize = 256;
/// Bound of what is on its way, in bytes; the kernel doubles it.
const ROOM: usize = 256 * 1024;
/// The first byte of a message.
const CONNECTION: u8 = 1;

/// What its new worker must know of a connection, besides its descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transferred {
    /// Index among the listeners of the generation's workers.
    pub listener: u32,
    /// `None`: a unix peer.
    pub peer: Option<SocketAddr>,
    /// Read already, and not given to the app.
    pub received: Vec<u8>,
}

impl Transferred {
    fn encode(&self) -> Vec<u8> {
        let peer = self.peer.map(|peer| peer.to_string()).unwrap_or_default();
        let mut bytes = Vec::with_capacity(AROUND + self.received.len());
        bytes.push(CONNECTION);
        bytes.extend_from_slice(&self.listener.to_le_bytes());
        put_text(&mut bytes, &peer);
        bytes.extend_from_slice(&self.received);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(bytes);
        if reader.byte()? != CONNECTION {
            return Err(Error::Malformed("unknown tag"));
        }
        let listener = reader.u32()?;
        let peer = reader.text()?;
        let peer = match peer.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| Error::Malformed("no address"))?),
        };
        Ok(Self {
            listener,
            peer,
            received: reader.rest().to_vec(),
        })
    }
}

/// A generation's channel: each of its workers has both ends, and the master keeps it for their successors.
#[derive(Debug)]
pub struct TransferChannel {
    given: OwnedFd,
    taken: OwnedFd,
}

impl TransferChannel {
    pub fn open() -> Result<Self> {
        let (given, taken) = packet_pair(ROOM)?;
        Ok(Self { given, taken })
    }

    /// Its ends, for a program that goes on in this one's place.
    pub fn ends(&self) -> (&OwnedFd, &OwnedFd) {
        (&self.given, &self.taken)
    }

    pub fn restore(given: OwnedFd, taken: OwnedFd) -> Self {
        Self { given, taken }
    }

    /// Passes a connection on; this process may then close its descriptor. False: the channel is full, and the connection
    /// stays.
    ///
    /// # Errors
    /// It cannot be sent.
    pub(super) fn give(&self, fd: BorrowedFd<'_>, connection: &Transferred) -> Result<bool> {
        let sent = send_packet_with(&self.given, &connection.encode(), &[fd])?;
        Ok(sent == Sent::Whole)
    }

    /// The next one.
    ///
    /// # Errors
    /// `Malformed` loses that message only.
    pub(super) fn take(&self) -> Result<TransferTake> {
        let channel = &self.taken;
        let mut buffer = vec![0; AROUND + MOST_RECEIVED];
        // A message that is taken without a free descriptor has lost its connection.
        let (ahead, copies) = read_packet_with(channel, &mut buffer, PacketRead::Peek)?;
        let seen = match ahead {
            Packet::Message(length) => buffer.get(..length).unwrap_or_default().to_vec(),
            Packet::TooLong(_) => Vec::new(),
            // Every worker has both ends.
            Packet::Nothing | Packet::Closed => return Ok(TransferTake::Nothing),
        };
        let Some(mut copies) = copies else {
            return Ok(TransferTake::NoDescriptor);
        };
        // A copy stands in if it is the last descriptor: it is of the same connection if the addresses are the same.
        if Transferred::decode(&seen).map_or(true, |ahead| ahead.peer.is_none()) {
            copies.clear();
        }
        let (found, descriptors) = read_packet_with(channel, &mut buffer, PacketRead::Take)?;
        let bytes = match found {
            Packet::Message(length) => buffer.get(..length).unwrap_or_default(),
            Packet::TooLong(_) => return Err(Error::Malformed("too long")),
            // Another worker was faster.
            Packet::Nothing | Packet::Closed => return Ok(TransferTake::Nothing),
        };
        let connection = Transferred::decode(bytes)?;
        let fd = match descriptors {
            Some(descriptors) => descriptors.into_iter().next(),
            None if bytes == seen => copies.into_iter().next(),
            None => None,
        };
        let fd = fd.ok_or(Error::Malformed("no descriptor"))?;
        Ok(TransferTake::Connection(fd, connection))
    }
}

/// Readable when a connection is on its way.
impl AsFd for TransferChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.taken.as_fd()
    }
}

/// The result of a look for connections that are on their way.
#[derive(Debug)]
pub enum TransferTake {
    Connection(OwnedFd, Transferred),
    Nothing,
    /// There is one, and this process has as many descriptors as it may: it stays where it is.
    NoDescriptor,
}

/// A worker's part in it.
#[derive(Debug)]
pub struct Transfers {
    channel: Arc<TransferChannel>,
    board: Board,
    own: Page,
}

impl Transfers {
    pub fn new(channel: Arc<TransferChannel>, board: Board, own: Page) -> Self {
        Self {
            channel,
            board,
            own,
        }
    }

    fn others(&self) -> impl Iterator<Item = Page> {
        let own = self.own;
        self.accepting()
            .filter(move |page| page.generation() == own.generation() && !page.is_same(own))
    }

    /// Whether another worker of the generation takes connections now.
    pub fn others_have_room(&self) -> bool {
        self.others().any(|page| page.has_room())
    }

    /// Whether a worker of any generation takes connections now.
    pub fn anyone_has_room(&self) -> bool {
        self.accepting().any(|page| page.has_room())
    }

    /// How many workers accept, of all generations.
    pub fn accepting_workers(&self) -> usize {
        self.accepting().count()
    }

    fn accepting(&self) -> impl Iterator<Item = Page> {
        let is_accepting = |page: &Page| page.state() == Some(ScoreboardState::Accepting);
        self.board.living().filter(is_accepting)
    }

    /// Whether this worker, which has stopped accepting, is the last of its generation: no other one takes the connections
    /// that wait in the channel. Its state was written before.
    pub fn is_last(&self) -> bool {
        // Of two workers that stop at the same time, one must see that the other has.
        fence(SeqCst);
        self.others().next().is_none()
    }

    /// As `TransferChannel::give`.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn give(&self, fd: BorrowedFd<'_>, connection: &Transferred) -> Result<bool> {
        let given = self.channel.give(fd, connection)?;
        if given {
            self.own.connection_passed_on();
        }
        Ok(given)
    }

    /// The next one.
    ///
    /// # Errors
    /// `Malformed` loses that message only.
    pub fn take(&self) -> Result<TransferTake> {
        self.channel.take()
    }
}

/// Readable when a connection is on its way.
impl AsFd for Transfers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.taken.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::super::Scoreboard;
    use super::*;

    fn connection(received: &[u8]) -> Transferred {
        Transferred {
            listener: 3,
            peer: Some("[2001:db8::1]:4711".parse().expect("an address")),
            received: received.to_vec(),
        }
    }

    /// Two workers of generation 1, one of generation 2.
    fn workers() -> (Scoreboard, [Transfers; 3]) {
        let board = Scoreboard::create(3).expect("a small mapping");
        let channel = Arc::new(TransferChannel::open().expect("a pair"));
        let workers = [(0, 1), (1, 1), (2, 2)].map(|(slot, generation)| {
            let page = board.acquire(slot, generation).expect("a page");
            page.set_state(ScoreboardState::Accepting);
            Transfers::new(Arc::clone(&channel), board.board(), page)
        });
        (board, workers)
    }

    fn taken(worker: &Transfers) -> Option<(OwnedFd, Transferred)> {
        match worker.take().expect("whole") {
            TransferTake::Connection(fd, connection) => Some((fd, connection)),
            TransferTake::Nothing => None,
            TransferTake::NoDescriptor => panic!("there are descriptors"),
        }
    }

    /// In a thread with a table of descriptors of its own.
    fn with_own_descriptors(test: impl FnOnce() + Send + 'static) {
        let thread = std::thread::spawn(move || {
            // SAFETY: no pointers are passed; the thread uses only descriptors that it opens, or had at this moment.
            assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
            test();
        });
        thread.join().expect("the test ends");
    }

    #[test]
    fn without_a_free_descriptor_a_connection_stays_where_it_is() {
        with_own_descriptors(|| {
            for peer in [connection(b"").peer, None] {
                let (_board, [one, other, _]) = workers();
                let (mut client, socket) = UnixStream::pair().expect("a pair");
                let sent = Transferred {
                    peer,
                    ..connection(b"GET")
                };
                for _ in 0..2 {
                    assert!(one.give(socket.as_fd(), &sent).expect("sent"));
                }
                let copy = || socket.as_fd().try_clone_to_owned();
                let mut all: Vec<OwnedFd> = std::iter::from_fn(|| copy().ok()).collect();
                for _ in 0..3 {
                    let found = other.take().expect("no error");
                    assert!(matches!(found, TransferTake::NoDescriptor), "{found:?}");
                }
                // One is enough.
                drop(all.pop());
                let (fd, found) = taken(&other).expect("it was not lost");
                assert_eq!(found, sent);
                UnixStream::from(fd).write_all(b"x").expect("connected");
                client.read_exact(&mut [0]).expect("the same connection");
                assert!(taken(&other).is_some() && taken(&other).is_none());
            }
        });
    }

    #[test]
    fn a_connection_arrives_with_what_was_read_of_it() {
        let (_board, [one, other, _]) = workers();
        let (mut client, socket) = UnixStream::pair().expect("a pair");
        for sent in [
            connection(b"GET / HTTP/1.1\r\n\r\n"),
            Transferred {
                peer: None,
                ..connection(b"")
            },
        ] {
            assert!(one.give(socket.as_fd(), &sent).expect("sent"));
            let (fd, taken) = taken(&other).expect("one is there");
            assert_eq!(taken, sent);
            UnixStream::from(fd).write_all(b"x").expect("connected");
            client.read_exact(&mut [0]).expect("the same connection");
        }
        assert!(taken(&other).is_none());
    }

    #[test]
    fn as_much_as_may_have_been_read_fits_and_a_full_channel_keeps_the_rest() {
        let (_board, [one, other, _]) = workers();
        let (_client, socket) = UnixStream::pair().expect("a pair");
        let largest = connection(&vec![b'x'; MOST_RECEIVED]);
        let given = (0..1_000)
            .take_while(|_| one.give(socket.as_fd(), &largest).expect("no error"))
            .count();
        assert!((1..1_000).contains(&given), "{given}");
        let all = std::iter::from_fn(|| taken(&other));
        assert_eq!(all.filter(|(_, one)| *one == largest).count(), given);
    }

    #[test]
    fn room_is_that_of_other_accepting_workers_of_the_generation() {
        let (_board, [one, other, next]) = workers();
        assert!(!one.others_have_room());
        for worker in [&one, &next] {
            worker.own.set_room(true);
            assert!(!one.others_have_room());
        }
        other.own.set_room(true);
        assert!(one.others_have_room() && !one.is_last());
        other.own.set_state(ScoreboardState::Draining);
        assert!(!one.others_have_room() && one.is_last());
    }

    #[test]
    fn what_is_no_message_of_ours_is_an_error() {
        for bytes in [&b""[..], b"\x02", b"\x01\0\0\0", b"\x01\0\0\0\0\x01\0\0\0x"] {
            assert!(Transferred::decode(bytes).is_err(), "{bytes:?}");
        }
        let whole = connection(b"x").encode();
        assert_eq!(Transferred::decode(&whole).expect("ours"), connection(b"x"));
    }
}
