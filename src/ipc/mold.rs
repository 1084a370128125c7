//! The messages between the master and a mold, and their channel. Descriptors travel beside the messages.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::channel::Incoming;
use super::codec::{
    ByteReader, LONGEST, SUMMARY, TRACEBACK, WireMessage, phase_number, phase_of, put_text,
    shortened,
};
use super::message::Phase;
use super::{Error, Result};
use crate::sys::{
    Packet, Sent, packet_pair, receive_packet, receive_packet_with, send_packet, send_packet_with,
    wait_readable, wait_writable,
};

/// Of a message to a mold, in bytes.
const LONGEST_CALL: usize = 1024;

/// One worker that a mold is to fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkOrder {
    pub incarnation: u64,
    pub slot: u32,
    /// The number of its page on the scoreboard.
    pub page: u32,
}

/// From the master to a mold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToMold {
    /// Fork a worker; answered by `Forked` or `NotForked` before the next one is asked for. With the message come the worker's end
    /// of its channel, its file for stacks, and its listeners.
    Fork(ForkOrder),
    /// Open the log files again by their names: they were rotated.
    ReopenLogs,
    /// The least severe level of the error log from here on: `config::LogLevel` as a number.
    LogLevel(u8),
    /// Call a hook of the configuration file, or pass it an event: JSON, see `hooks.py`.
    Call(String),
}

/// From a mold to the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromMold {
    /// It can fork.
    Ready,
    /// It exits after this. `traceback` is the user's, whole, possibly empty.
    Failed {
        phase: Phase,
        summary: String,
        traceback: String,
    },
    /// The worker is a child of the master's; it waits for `ToWorker::Begin`.
    Forked {
        incarnation: u64,
        pid: i32,
    },
    NotForked {
        incarnation: u64,
        reason: String,
    },
}

impl WireMessage for ToMold {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Fork(ForkOrder {
                incarnation,
                slot,
                page,
            }) => {
                let mut bytes = vec![1];
                bytes.extend_from_slice(&incarnation.to_le_bytes());
                bytes.extend_from_slice(&slot.to_le_bytes());
                bytes.extend_from_slice(&page.to_le_bytes());
                bytes
            }
            Self::ReopenLogs => vec![2],
            Self::LogLevel(level) => vec![3, *level],
            Self::Call(text) => {
                let mut bytes = vec![4];
                put_text(&mut bytes, text);
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(bytes);
        let message = match reader.byte()? {
            1 => Self::Fork(ForkOrder {
                incarnation: reader.u64()?,
                slot: reader.u32()?,
                page: reader.u32()?,
            }),
            2 => Self::ReopenLogs,
            3 => Self::LogLevel(reader.byte()?),
            4 => Self::Call(reader.text()?),
            _ => return Err(Error::Malformed("unknown tag")),
        };
        reader.end(message)
    }
}

impl WireMessage for FromMold {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready => vec![1],
            Self::Failed {
                phase,
                summary,
                traceback,
            } => {
                let mut bytes = vec![2, phase_number(*phase)];
                put_text(&mut bytes, &shortened(summary, SUMMARY));
                put_text(&mut bytes, &shortened(traceback, TRACEBACK));
                bytes
            }
            Self::Forked { incarnation, pid } => {
                let mut bytes = vec![3];
                bytes.extend_from_slice(&incarnation.to_le_bytes());
                bytes.extend_from_slice(&pid.to_le_bytes());
                bytes
            }
            Self::NotForked {
                incarnation,
                reason,
            } => {
                let mut bytes = vec![4];
                bytes.extend_from_slice(&incarnation.to_le_bytes());
                put_text(&mut bytes, &shortened(reason, SUMMARY));
                bytes
            }
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = ByteReader::new(bytes);
        let message = match reader.byte()? {
            1 => Self::Ready,
            2 => Self::Failed {
                phase: phase_of(reader.byte()?)?,
                summary: reader.text()?,
                traceback: reader.text()?,
            },
            3 => Self::Forked {
                incarnation: reader.u64()?,
                pid: reader.i32()?,
            },
            4 => Self::NotForked {
                incarnation: reader.u64()?,
                reason: reader.text()?,
            },
            _ => return Err(Error::Malformed("unknown tag")),
        };
        reader.end(message)
    }
}

/// Opens a channel: the master's end and the mold's. Both are non-blocking and close-on-exec.
pub fn mold_channel() -> Result<(MoldHandle, MoldChannel)> {
    let (master, mold) = packet_pair(LONGEST + 1024)?;
    Ok((MoldHandle { end: master }, MoldChannel { end: mold }))
}

/// The master's end: nothing here ever blocks. Closing it makes the mold exit.
#[derive(Debug)]
pub struct MoldHandle {
    end: OwnedFd,
}

impl MoldHandle {
    /// # Errors
    /// `Full`: the mold does not read. `Closed`: it is gone.
    pub fn send(&self, message: &ToMold, descriptors: &[BorrowedFd<'_>]) -> Result<()> {
        match send_packet_with(&self.end, &message.encode(), descriptors)? {
            Sent::Whole => Ok(()),
            Sent::Full => Err(Error::Full),
            Sent::Closed => Err(Error::Closed),
        }
    }

    /// # Errors
    /// `Malformed` loses that message only.
    pub fn receive(&self) -> Result<Incoming<FromMold>> {
        let mut buffer = vec![0; LONGEST];
        let found = receive_packet(&self.end, &mut buffer)?;
        incoming(found, &buffer)
    }
}

impl From<OwnedFd> for MoldHandle {
    fn from(end: OwnedFd) -> Self {
        Self { end }
    }
}

impl AsFd for MoldHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// The mold's end.
#[derive(Debug)]
pub struct MoldChannel {
    end: OwnedFd,
}

impl From<OwnedFd> for MoldChannel {
    fn from(end: OwnedFd) -> Self {
        Self { end }
    }
}

impl MoldChannel {
    /// Blocks while the master does not read.
    ///
    /// # Errors
    /// `Closed`: the master is gone, or does not need this mold any more.
    pub fn send(&self, message: &FromMold) -> Result<()> {
        let bytes = message.encode();
        loop {
            match send_packet(&self.end, &bytes)? {
                Sent::Whole => return Ok(()),
                Sent::Closed => return Err(Error::Closed),
                Sent::Full => {
                    wait_writable(self.end.as_fd(), None)?;
                }
            }
        }
    }

    /// Waits for the master. `Nothing`: a signal came.
    pub fn receive(&self) -> Result<(Incoming<ToMold>, Vec<OwnedFd>)> {
        wait_readable(&[self.end.as_fd()], None)?;
        let mut buffer = [0; LONGEST_CALL];
        let (found, descriptors) = receive_packet_with(&self.end, &mut buffer)?;
        Ok((incoming(found, &buffer)?, descriptors))
    }
}

fn incoming<T: WireMessage>(found: Packet, buffer: &[u8]) -> Result<Incoming<T>> {
    match found {
        Packet::Message(length) => {
            T::decode(buffer.get(..length).unwrap_or_default()).map(Incoming::Message)
        }
        Packet::TooLong(_) => Err(Error::Malformed("too long")),
        Packet::Nothing => Ok(Incoming::Nothing),
        Packet::Closed => Ok(Incoming::Closed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from_mold() -> impl Strategy<Value = FromMold> {
        prop_oneof![
            Just(FromMold::Ready),
            (".{0,80}", "(.|\n){0,400}").prop_map(|(summary, traceback)| FromMold::Failed {
                phase: Phase::Import,
                summary,
                traceback,
            }),
            (any::<u64>(), any::<i32>())
                .prop_map(|(incarnation, pid)| FromMold::Forked { incarnation, pid }),
            (any::<u64>(), ".{0,80}").prop_map(|(incarnation, reason)| FromMold::NotForked {
                incarnation,
                reason
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_sent_is_received(from in from_mold(), incarnation: u64, slot: u32, page: u32) {
            prop_assert_eq!(FromMold::decode(&from.encode()).expect("own bytes"), from);
            for to in [ToMold::Fork(ForkOrder { incarnation, slot, page }), ToMold::ReopenLogs, ToMold::LogLevel(2), ToMold::Call("{}".to_owned())] {
                prop_assert_eq!(ToMold::decode(&to.encode()).expect("own bytes"), to);
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(message) = ToMold::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes.clone());
            }
            if let Ok(message) = FromMold::decode(&bytes) {
                prop_assert_eq!(message.encode(), bytes);
            }
        }
    }

    #[test]
    fn descriptors_come_with_the_order() {
        let (master, mold) = mold_channel().expect("a channel");
        let (read, write) = crate::sys::pipe().expect("a pipe");
        let order = ForkOrder {
            incarnation: 7,
            slot: 1,
            page: 2,
        };
        master
            .send(&ToMold::Fork(order), &[read.as_fd()])
            .expect("send");
        let (message, descriptors) = mold.receive().expect("receive");
        assert_eq!(message, Incoming::Message(ToMold::Fork(order)));
        assert_eq!(descriptors.len(), 1);
        drop(write);
        assert_eq!(
            wait_readable(&[descriptors[0].as_fd()], None).expect("poll"),
            [true],
            "it is the end of the same pipe"
        );
        drop(master);
        assert_eq!(mold.receive().expect("receive").0, Incoming::Closed);
    }
}
