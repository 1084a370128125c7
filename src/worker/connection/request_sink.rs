//! The upper side of a connection: where its requests go.

use std::sync::Arc;

use super::Conn;
use super::state::ConnectionState;
use crate::http::RequestHead;
use crate::ipc::InFlightMark;
use crate::proxy::ForwardedRequest;

/// Takes the requests of connections.
pub trait RequestSink: Send + Sync {
    /// The head of a request was received, and accepted. Called with the connection locked, on whatever thread made
    /// progress.
    fn begin(
        &self,
        conn: &Arc<Conn>,
        s: &mut ConnectionState,
        head: RequestHead,
        mark: InFlightMark,
        forwarded: Option<Arc<ForwardedRequest>>,
    );
}
