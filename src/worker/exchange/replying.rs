//! Responses without the app: files, and errors where there is none.

use std::sync::Arc;

use bytes::Bytes;

use super::super::connection::{
    CloseKind, ConnectionMode, ConnectionOutput, ConnectionState, PendingBody, ending, output,
    refusals, steps,
};
use super::super::files::{
    FileLookup, FileResponse, FileServer, Patience, Reply, ReplyBody, Unsendable,
};
use super::Exchange;
use super::requests::RequestHandler;
use super::sending::{SendError, keep};
use crate::files::{Multipart, Slice};
use crate::http::{BodyEnd, Refusal, RequestHead};
use crate::sys::is_forked_child;

impl Exchange {
    /// A new request: answered here if it is for a file, else passed to the app.
    pub(in crate::worker) fn offer(
        self,
        s: &mut ConnectionState,
        files: &FileServer,
        head: RequestHead,
        handler: &Arc<dyn RequestHandler>,
    ) {
        let net = &self.conn.net;
        let root = match self
            .forwarded
            .as_deref()
            .and_then(|told| told.prefix.as_deref())
        {
            Some(prefix) => prefix,
            None => &net.settings.root_path,
        };
        // A handshake is a GET, too.
        let look = if s.ws.is_some() {
            FileLookup::NotOurs
        } else {
            files.look(&head, root, net.now())
        };
        match look {
            FileLookup::NotOurs => handler.request(self.clone(), head),
            FileLookup::Ready(reply) => {
                self.count(&reply);
                self.answer(s, &reply);
            }
            FileLookup::Unknown(search) => {
                let (exchange, handler) = (self.clone(), handler.clone());
                let found = files.find(search, head, net.now(), move |reply, head| match reply {
                    Some(reply) => {
                        exchange.count(&reply);
                        exchange.reply(&reply);
                        // The next request may have arrived behind it.
                        exchange.conn.net.wake.wake();
                    }
                    None => exchange.pass_on(&*handler, head),
                });
                if found.is_err() {
                    let reply = Reply::failed();
                    self.count(&reply);
                    self.answer(s, &reply);
                }
            }
        }
    }

    fn count(&self, reply: &Reply) {
        let page = &self.conn.net.page;
        page.static_answered(reply.coding.index(), reply.status);
    }

    /// The app names a file. If that cannot be answered without waiting for the file system, and `patience` is
    /// limited, a pool thread sends the response.
    pub fn send_named(&self, response: FileResponse, head: RequestHead, patience: Patience) {
        let net = &self.conn.net;
        let Some(root) = &net.sendfile_root else {
            return;
        };
        let reply = match root.reply(&response, &head, patience, net.now()) {
            Ok(reply) => reply,
            Err(Unsendable::Unknown) => {
                self.conn.lock().stream.promised = true;
                let exchange = self.clone();
                let job = root.run(Box::new(move || {
                    exchange.send_named(response, head, Patience::Blocking);
                    exchange.conn.net.wake.wake();
                }));
                if let Err(job) = job {
                    // The connection is not locked here, so the job may run at once and block.
                    job();
                }
                return;
            }
            Err(error) => {
                let file = response.file();
                tracing::error!(file, reason = %error, "file named by the app cannot be sent");
                Reply::failed()
            }
        };
        self.reply(&reply);
    }

    pub(super) fn reply(&self, reply: &Reply) {
        if is_forked_child() {
            return;
        }
        let s = &mut *self.conn.lock();
        if self.check(s).is_ok() {
            self.answer(s, reply);
        } else if self.is_current(s) {
            // The client has disconnected, and there is no app whose end would be noticed.
            ending::begin_close(&self.conn, s, CloseKind::Plain);
        } else {
            return;
        }
        steps::advance(&self.conn, s);
    }

    /// There is no such file: the request is passed to the app.
    fn pass_on(self, handler: &dyn RequestHandler, head: RequestHead) {
        let net = self.conn.net.clone();
        handler.request(self, head);
        // The thread that sleeps in the reactor has to process the queued events.
        net.wake.wake();
    }

    /// Writes what the socket takes now; the connection sends the rest by itself.
    fn answer(&self, s: &mut ConnectionState, reply: &Reply) {
        if self.write_reply(s, reply).is_err() {
            // A field that cannot be sent: nothing was sent so far.
            drop(s.http.reset_response());
            refusals::answer(&self.conn, s, Refusal::AppFailed);
            return;
        }
        if s.is_unsent() {
            s.clock.write_progress = self.conn.net.now();
        }
        if s.mode == ConnectionMode::Exchange {
            ending::conclude(&self.conn, s);
        }
    }

    fn write_reply(&self, s: &mut ConnectionState, reply: &Reply) -> Result<(), SendError> {
        // Of a response that was begun and is replaced.
        s.http.reset_response()?;
        let date = self.conn.net.clock.date().1;
        self.begin(s, reply.status, None, reply.fields(&date))?;
        match &reply.content {
            ReplyBody::None => Self::write_bytes(s, &Bytes::new()),
            ReplyBody::Memory(bytes) => Self::write_bytes(s, bytes),
            ReplyBody::File { file, slice } => {
                let slice = *slice;
                let (left, suffix) = Self::begin_raw(s, slice.length)?;
                if left > 0 {
                    let part = PendingBody::file(file.clone(), slice.start, left, suffix);
                    s.pending = Some(Box::new(part));
                }
                output::flush(&self.conn, s);
                Ok(())
            }
            ReplyBody::Parts { file, parts } => {
                let (left, suffix) = Self::begin_raw(s, parts.length)?;
                if left > 0 {
                    let (first, part) = chain(file, parts, suffix);
                    s.out.extend_from_slice(first);
                    s.pending = part;
                }
                output::flush(&self.conn, s);
                Ok(())
            }
        }
    }

    fn write_bytes(s: &mut ConnectionState, bytes: &Bytes) -> Result<(), SendError> {
        let transmit = s.http.body(bytes, BodyEnd::Last)?;
        let pieces = [transmit.head, transmit.data, transmit.tail];
        let length = transmit.data.len();
        let rest =
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).offer(pieces);
        if let Some(rest) = rest {
            let lend = || Some(bytes.clone());
            keep(&mut s.out, &mut s.pending, rest, length, Some(&lend));
        }
        Ok(())
    }

    /// Writes the head; returns how many bytes of the body are to be sent, and what follows them.
    fn begin_raw(s: &mut ConnectionState, length: u64) -> Result<(u64, &'static [u8]), SendError> {
        let raw = s.http.raw_body(length, BodyEnd::Last)?;
        s.out.extend_from_slice(raw.prefix);
        if raw.len == 0 {
            s.out.extend_from_slice(raw.suffix);
        }
        Ok((raw.len, raw.suffix))
    }
}

/// The bytes before the first slice, and the slices with the bytes between them.
fn chain<'p>(
    file: &std::sync::Arc<std::fs::File>,
    parts: &'p Multipart,
    suffix: &[u8],
) -> (&'p [u8], Option<Box<PendingBody>>) {
    let end = [&parts.end, suffix].concat();
    let mut behind: &[u8] = &end;
    let mut next = None;
    for section in parts.sections.iter().rev() {
        let Slice { start, length } = section.slice;
        let mut part = PendingBody::file(file.clone(), start, length, behind);
        part.next = next;
        next = Some(Box::new(part));
        behind = &section.preamble;
    }
    let first = parts
        .sections
        .first()
        .map_or(&[][..], |section| &section.preamble);
    (first, next)
}
