//! Where the requests of all connections of a worker go: files are answered here, the rest is for the app.

use std::sync::{Arc, OnceLock};

use super::super::connection::{Conn, ConnectionState, RequestSink};
use super::coder::Coder;
use super::handle::Exchange;
use super::handler::{RequestHandler, WaitingRequest};
use super::replying;
use crate::http::RequestHead;
use crate::ipc::InFlightMark;
use crate::proxy::ForwardedRequest;

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
            Some(files) => replying::offer(exchange, s, files, head, handler),
            None => handler.request(exchange, head),
        }
    }
}
