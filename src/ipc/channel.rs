//! Both ends of the channel between the master and one worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use super::codec::{LONGEST, WireMessage};
use super::message::{FromWorker, ToWorker};
use super::{Error, Result};
use crate::sys::{
    Packet, Sent, packet_pair, receive_packet, send_packet, wait_readable, wait_writable,
};

/// The result of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<T> {
    Message(T),
    /// Nothing yet.
    Nothing,
    /// The other process is gone or has closed its end.
    Closed,
}

/// Opens a channel. Both ends are non-blocking and close-on-exec.
pub fn channel() -> Result<(MasterChannel, WorkerChannel)> {
    let (master, worker) = packet_pair(LONGEST + 1024)?;
    Ok((MasterChannel { end: master }, WorkerChannel { end: worker }))
}

/// The master's end: nothing here ever blocks.
#[derive(Debug)]
pub struct MasterChannel {
    end: OwnedFd,
}

impl MasterChannel {
    /// # Errors
    /// `Full`: cannot send to the worker. `Closed`: it is gone.
    pub fn send(&self, message: &ToWorker) -> Result<()> {
        match send_packet(&self.end, &message.encode())? {
            Sent::Whole => Ok(()),
            Sent::Full => Err(Error::Full),
            Sent::Closed => Err(Error::Closed),
        }
    }

    /// # Errors
    /// `Malformed` loses that message only; the next call reads the next one.
    pub fn receive(&self) -> Result<Incoming<FromWorker>> {
        receive(&self.end, LONGEST)
    }
}

impl From<OwnedFd> for MasterChannel {
    fn from(end: OwnedFd) -> Self {
        Self { end }
    }
}

impl From<MasterChannel> for OwnedFd {
    fn from(channel: MasterChannel) -> Self {
        channel.end
    }
}

impl AsFd for MasterChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

/// The worker's end. All calls take `&self`: one thread may read while another writes.
#[derive(Debug)]
pub struct WorkerChannel {
    end: OwnedFd,
}

impl WorkerChannel {
    /// Sends to the master; blocks while the master does not read (it reads always, unless it is stopped).
    ///
    /// # Errors
    /// `Closed`: the master is gone.
    pub fn send(&self, message: &FromWorker) -> Result<()> {
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

    /// The next message of the master, without waiting: for a thread that watches `as_fd` itself.
    pub fn try_receive(&self) -> Result<Incoming<ToWorker>> {
        receive(&self.end, 64)
    }

    /// Waits for the master, at most `timeout` (`None`: for ever). `Nothing`: the time is over, or a signal came.
    pub fn receive(&self, timeout: Option<Duration>) -> Result<Incoming<ToWorker>> {
        match self.try_receive()? {
            Incoming::Nothing => {
                wait_readable(&[self.end.as_fd()], timeout)?;
                self.try_receive()
            }
            found => Ok(found),
        }
    }
}

impl From<OwnedFd> for WorkerChannel {
    fn from(end: OwnedFd) -> Self {
        Self { end }
    }
}

impl From<WorkerChannel> for OwnedFd {
    fn from(channel: WorkerChannel) -> Self {
        channel.end
    }
}

impl AsFd for WorkerChannel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

fn receive<T: WireMessage>(end: &OwnedFd, longest: usize) -> Result<Incoming<T>> {
    let mut buffer = vec![0; longest];
    match receive_packet(end, &mut buffer)? {
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
    use super::*;
    use crate::ipc::{DrainReason, Phase};

    #[test]
    fn messages_arrive_in_order_on_both_sides() {
        let (master, worker) = channel().expect("a channel");
        let drain = ToWorker::Drain {
            reason: DrainReason::Replaced,
            graceful_ms: 30_000,
        };
        master.send(&ToWorker::Go).expect("send");
        master.send(&drain).expect("send");
        assert_eq!(
            worker.receive(None).expect("receive"),
            Incoming::Message(ToWorker::Go)
        );
        assert_eq!(
            worker.try_receive().expect("receive"),
            Incoming::Message(drain)
        );
        assert_eq!(
            worker.receive(Some(Duration::ZERO)).expect("receive"),
            Incoming::Nothing
        );
        worker.send(&FromWorker::Ready).expect("send");
        assert_eq!(
            master.receive().expect("receive"),
            Incoming::Message(FromWorker::Ready)
        );
        assert_eq!(master.receive().expect("receive"), Incoming::Nothing);
    }

    #[test]
    fn the_largest_failure_fits_and_survives_its_sender() {
        let (master, worker) = channel().expect("a channel");
        let traceback = "x".repeat(1_000_000);
        worker
            .send(&FromWorker::Failed {
                phase: Phase::Load,
                summary: String::new(),
                traceback,
            })
            .expect("send");
        drop(worker);
        assert!(matches!(
            master.receive(),
            Ok(Incoming::Message(FromWorker::Failed { .. }))
        ));
        assert_eq!(master.receive().expect("receive"), Incoming::Closed);
        assert!(matches!(master.send(&ToWorker::Go), Err(Error::Closed)));
    }

    #[test]
    fn a_malformed_message_does_not_hide_the_next_one() {
        let (master, worker) = channel().expect("a channel");
        send_packet(&worker.end, &[99, 1]).expect("send");
        send_packet(&worker.end, &vec![1; LONGEST + 1]).expect("send");
        worker.send(&FromWorker::Booted).expect("send");
        assert!(matches!(master.receive(), Err(Error::Malformed(_))));
        assert!(matches!(master.receive(), Err(Error::Malformed(_))));
        assert_eq!(
            master.receive().expect("receive"),
            Incoming::Message(FromWorker::Booted)
        );
    }

    #[test]
    fn a_worker_that_does_not_read_never_blocks_the_master() {
        let (master, _worker) = channel().expect("a channel");
        let full = (0..1_000_000).find_map(|_| master.send(&ToWorker::Go).err());
        assert!(matches!(full, Some(Error::Full)));
    }
}
