//! The queue from the network side to the Python side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::http::RequestHead;
use crate::worker::exchange::Exchange;
use crate::worker::key::RequestKey;
use crate::worker::network::App;

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
pub struct AsgiHandler(pub Arc<Inbox>);

impl App for AsgiHandler {
    fn request(&self, exchange: Exchange, head: RequestHead) {
        self.0.push(InboxItem::Request(exchange, head));
    }
    fn takes_websockets(&self) -> bool {
        true
    }
    fn works_in_steps(&self) -> bool {
        true
    }
    fn readable(&self, key: RequestKey) {
        self.0.push(InboxItem::Readable(key));
    }
    fn writable(&self, key: RequestKey) {
        self.0.push(InboxItem::Writable(key));
    }
    fn cancel(&self, key: RequestKey) -> bool {
        self.0.push(InboxItem::Expired(key));
        true
    }
    fn quiet(&self) {
        self.0.push(InboxItem::Quiet);
    }
}
