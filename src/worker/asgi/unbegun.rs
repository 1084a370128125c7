//! Requests whose tasks have not run yet, because others of the same turn of the loop come first: another worker may still
//! serve them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::http::RequestHead;
use crate::worker::exchange::{Exchange, WaitingRequest};
use crate::worker::key::RequestKey;

/// In the order in which their tasks will run.
#[derive(Default)]
pub struct UnbegunRequests {
    waiting: Mutex<VecDeque<(Exchange, RequestHead)>>,
}

impl UnbegunRequests {
    pub fn add(&self, exchange: Exchange, head: RequestHead) {
        self.waiting.lock().push_back((exchange, head));
    }

    /// Its task runs from here on. False: it was passed on.
    pub fn begin(&self, key: RequestKey) -> bool {
        let mut waiting = self.waiting.lock();
        let at = waiting
            .iter()
            .position(|(exchange, _)| exchange.key() == key);
        at.is_some_and(|at| waiting.remove(at).is_some())
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// As `RequestHandler::pass_on`.
    pub fn pass_on(&self, pass: &mut dyn FnMut(&WaitingRequest<'_>) -> bool) {
        self.waiting.lock().retain(|(exchange, head)| {
            let body = Vec::new();
            !pass(&WaitingRequest {
                exchange,
                head,
                body,
            })
        });
    }
}
