//! Streams that the server resets when their output has been sent: h2 discards what a stream has not sent when it is reset.

use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use h2::{Reason, SendStream};
use parking_lot::Mutex;

/// Of one connection; shared by its session and its streams.
#[derive(Debug, Clone)]
pub struct Resets(Arc<ResetQueue>);

#[derive(Debug)]
struct ResetQueue {
    streams: Mutex<Vec<SendStream<Bytes>>>,
    /// The session's.
    waker: Waker,
}

impl Resets {
    pub fn new(waker: Waker) -> Self {
        let streams = Mutex::default();
        Self(Arc::new(ResetQueue { streams, waker }))
    }

    /// Resets the stream with INTERNAL_ERROR once the session has written what was sent to it.
    pub fn add(&self, stream: SendStream<Bytes>) {
        self.0.streams.lock().push(stream);
        self.0.waker.wake_by_ref();
    }

    /// To be called when everything is written. False: there are none.
    pub fn apply(&self) -> bool {
        let streams = std::mem::take(&mut *self.0.streams.lock());
        let any = !streams.is_empty();
        for mut stream in streams {
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        any
    }
}
