//! The receiver of the requests that are for the app.

use super::handle::Exchange;
use crate::http::RequestHead;

/// The ASGI or the WSGI half of the worker, as the receiver of requests.
pub trait RequestHandler: Send + Sync {
    /// A new request. Called with the connection locked, on whatever thread made progress: it must only queue and return.
    fn request(&self, exchange: Exchange, head: RequestHead);
    /// Calls `pass` for each request that waits for the app and is in memory; those of which it returns true leave.
    fn pass_on(&self, _pass: &mut dyn FnMut(&WaitingRequest<'_>) -> bool) {}
}

/// A request that was received and that the app has not got.
pub struct WaitingRequest<'r> {
    pub exchange: &'r Exchange,
    pub head: &'r RequestHead,
    /// The part of its body that was taken from its connection.
    pub body: Vec<&'r [u8]>,
}
