//! Where the requests of all connections of a worker go: files are answered here, the rest is for the app.

use std::sync::{Arc, OnceLock};

use super::super::connection::{Conn, ConnectionState, RequestSink};
use super::{Coder, Exchange};
use crate::http::RequestHead;
use crate::ipc::InFlightMark;
use crate::proxy::ForwardedRequest;

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

#[derive(Default)]
pub struct Requests {
    handler: OnceLock<Arc<dyn RequestHandler>>,
}

impl Requests {
    /// Set once, before the first connection.
    pub fn set_handler(&self, handler: Arc<dyn RequestHandler>) {
        // A second one would be a bug of ours; the first one is kept.
        drop(self.handler.set(handler));
    }

    /// As `RequestHandler::pass_on`.
    pub fn pass_on(&self, pass: &mut dyn FnMut(&WaitingRequest<'_>) -> bool) {
        if let Some(handler) = self.handler.get() {
            handler.pass_on(pass);
        }
    }
}

impl RequestSink for Arc<Requests> {
    fn begin(
        &self,
        conn: &Arc<Conn>,
        s: &mut ConnectionState,
        head: RequestHead,
        mark: InFlightMark,
        forwarded: Option<Arc<ForwardedRequest>>,
    ) {
        let handler = self.handler.get();
        let handler = handler.expect("the app is set before the reactor turns");
        let coder = if s.ws.is_none() {
            Coder::of(&conn.net, &head)
        } else {
            None
        };
        let exchange = Exchange::new(conn.clone(), s.stream.number, mark, forwarded, coder);
        match conn.net.files() {
            Some(files) => exchange.offer(s, files, head, handler),
            None => handler.request(exchange, head),
        }
    }
}
