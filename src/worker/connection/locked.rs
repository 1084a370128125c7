//! The lock of a connection, and the work done when it is released.

use std::ops::{Deref, DerefMut};

use parking_lot::MutexGuard;

use super::{Conn, ConnectionState};

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
        self.state = None;
        if let Some(streams) = self.conn.streams.get() {
            streams.settle();
        }
    }
}
