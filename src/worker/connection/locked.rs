//! The lock of a connection, and the work done when it is released.
//!
//! A panic while it is held leaves a state that nothing can rely on: the connection, or the stream, is reset, and its request ends.

use std::ops::{Deref, DerefMut};

use parking_lot::MutexGuard;

use super::conn::Conn;
use super::state::{CloseKind, ConnectionMode, ConnectionState};

pub struct Locked<'c> {
    conn: &'c Conn,
    /// Set until the drop.
    state: Option<MutexGuard<'c, ConnectionState>>,
}

impl Conn {
    pub(in crate::worker) fn lock(&self) -> Locked<'_> {
        Locked {
            conn: self,
            state: Some(self.state.lock()),
        }
    }
}

impl Deref for Locked<'_> {
    type Target = ConnectionState;

    fn deref(&self) -> &ConnectionState {
        self.state.as_ref().expect("locked until the drop")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut ConnectionState {
        self.state.as_mut().expect("locked until the drop")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if let Some(s) = self
                .state
                .as_mut()
                .filter(|s| s.mode != ConnectionMode::Closed)
            {
                s.mode = ConnectionMode::Closing(CloseKind::Plain);
                s.write_closed = true;
                s.transport.reset_on_close();
            }
            // The reactor does the rest: this thread is unwinding.
            self.conn.net.go_on_with(self.conn.key);
            return;
        }
        self.state = None;
        if let Some(streams) = self.conn.streams.get() {
            streams.settle();
        }
    }
}
