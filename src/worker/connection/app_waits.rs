//! Wakes the app where it waits in `receive` or `send` of the request in progress.

use super::conn::Conn;
use super::state::ConnectionState;

/// There is something to receive, or there will be nothing any more.
pub(in crate::worker) fn notify_reader(conn: &Conn, s: &mut ConnectionState) {
    if std::mem::take(&mut s.stream.waits.receive) {
        s.stream.pace.wait_ends(conn.net.now());
        conn.net.app().readable(conn.request_key(s));
    }
}

/// Of the request in progress there is nothing more to wait for.
pub(super) fn notify_all(conn: &Conn, s: &mut ConnectionState) {
    notify_reader(conn, s);
    if std::mem::take(&mut s.stream.waits.send) {
        conn.net.app().writable(conn.request_key(s));
    }
}
