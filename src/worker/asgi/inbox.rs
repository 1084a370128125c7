//! The queue from the network side to the Python side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::unbegun::UnbegunRequests;
use crate::http::RequestHead;
use crate::worker::exchange::{Exchange, RequestHandler, WaitingRequest};
use crate::worker::key::RequestKey;
use crate::worker::network::{App, TakenBeside};
use crate::worker::reactor::Reactor;

pub enum InboxItem {
    Request(Exchange, RequestHead),
    /// An app waiting in `receive` can retry.
    Readable(RequestKey),
    /// An app waiting in `send` can continue.
    Writable(RequestKey),
    /// The request has timed out, and the client was answered.
    Expired(RequestKey),
    /// A draining worker has lost its last connection.
    Quiet,
}

#[derive(Default)]
pub struct Inbox {
    items: Mutex<VecDeque<InboxItem>>,
    any: AtomicBool,
    /// Of the event loop.
    turns: AtomicU64,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        !self.any.load(Relaxed)
    }

    pub fn len(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.items.lock().len()
    }

    pub fn push(&self, item: InboxItem) {
        self.items.lock().push_back(item);
        self.any.store(true, Relaxed);
    }

    /// The event loop has come to what is queued here.
    pub fn turned(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    fn has_requests(&self) -> bool {
        let is_request = |item: &InboxItem| matches!(item, InboxItem::Request(..));
        !self.is_empty() && self.items.lock().iter().any(is_request)
    }

    /// Removes the requests, in order.
    fn take_requests(&self) -> Vec<(Exchange, RequestHead)> {
        let mut items = self.items.lock();
        let mut requests = Vec::new();
        for item in std::mem::take(&mut *items) {
            match item {
                InboxItem::Request(exchange, head) => requests.push((exchange, head)),
                other => items.push_back(other),
            }
        }
        self.any.store(!items.is_empty(), Relaxed);
        requests
    }

    /// Those that were taken and are served here after all: before the others.
    fn return_requests(&self, requests: Vec<(Exchange, RequestHead)>) {
        let mut items = self.items.lock();
        for (exchange, head) in requests.into_iter().rev() {
            items.push_front(InboxItem::Request(exchange, head));
        }
        self.any.store(!items.is_empty(), Relaxed);
    }

    pub fn pop(&self) -> Option<InboxItem> {
        if self.is_empty() {
            return None;
        }
        let mut items = self.items.lock();
        let item = items.pop_front();
        if items.is_empty() {
            self.any.store(false, Relaxed);
        }
        item
    }
}

/// The ASGI side of the connections.
pub struct AsgiHandler {
    pub inbox: Arc<Inbox>,
    pub unbegun: Arc<UnbegunRequests>,
    /// The event loop's thread has it locked while it turns it, or sleeps there.
    pub reactor: Arc<Mutex<Option<Reactor>>>,
}

impl RequestHandler for AsgiHandler {
    fn request(&self, exchange: Exchange, head: RequestHead) {
        self.inbox.push(InboxItem::Request(exchange, head));
    }
    fn pass_on(&self, pass: &mut dyn FnMut(&WaitingRequest<'_>) -> bool) {
        self.unbegun.pass_on(pass);
        // Not below the queue's lock: connections are locked for it, and queue their requests while they are.
        let mut requests = self.inbox.take_requests();
        requests.retain(|(exchange, head)| {
            let body = Vec::new();
            !pass(&WaitingRequest {
                exchange,
                head,
                body,
            })
        });
        self.inbox.return_requests(requests);
    }
}

impl App for AsgiHandler {
    fn takes_websockets(&self) -> bool {
        true
    }
    fn works_in_steps(&self) -> bool {
        true
    }
    fn readable(&self, key: RequestKey) {
        self.inbox.push(InboxItem::Readable(key));
    }
    fn writable(&self, key: RequestKey) {
        self.inbox.push(InboxItem::Writable(key));
    }
    fn cancel(&self, key: RequestKey) -> bool {
        self.inbox.push(InboxItem::Expired(key));
        true
    }
    fn quiet(&self) {
        self.inbox.push(InboxItem::Quiet);
    }
    fn progress(&self, _turns: u64) -> u64 {
        self.inbox.turns.load(Relaxed)
    }
    fn attend(&self, taken: TakenBeside) {
        if let Some(mut reactor) = self.reactor.try_lock()
            && let Some(reactor) = reactor.as_mut()
            && let Err(error) = reactor.turn_beside(taken)
        {
            tracing::error!(%error, "the reactor cannot be turned beside the event loop");
        }
    }
    fn has_waiting(&self) -> bool {
        self.inbox.has_requests() || !self.unbegun.is_empty()
    }
}
