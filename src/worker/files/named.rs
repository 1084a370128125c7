//! The file that the app of one request names in place of a body.

use parking_lot::Mutex;

use super::Patience;
use super::by_app::FileResponse;
use crate::http::RequestHead;
use crate::worker::exchange::{Exchange, replying};

/// Kept with a request where `--sendfile-root` is set.
pub struct NamedFile {
    head: RequestHead,
    response: Mutex<Option<FileResponse>>,
}

impl NamedFile {
    /// `None`: the app may not name files.
    pub fn of(exchange: &Exchange, head: &RequestHead) -> Option<Box<NamedFile>> {
        exchange.conn.net.sendfile_root.as_ref().map(|_| {
            Box::new(NamedFile {
                head: head.clone(),
                response: Mutex::default(),
            })
        })
    }

    /// Whether the response that begins names a file; it replaces an earlier one.
    pub fn names<'h>(
        &self,
        status: u16,
        fields: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone,
    ) -> bool {
        let response = FileResponse::of(status, fields);
        let names = response.is_some();
        *self.response.lock() = response;
        names
    }

    pub fn is_given(&self) -> bool {
        self.response.lock().is_some()
    }

    /// The response is complete: sends the file, once.
    pub fn send(&self, exchange: &Exchange, patience: Patience) {
        let response = self.response.lock().take();
        if let Some(response) = response {
            replying::send_named(exchange, response, self.head.clone(), patience);
        }
    }
}
