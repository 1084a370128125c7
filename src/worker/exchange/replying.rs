//! Responses without the app: files, and errors where there is none.

use std::sync::Arc;

use bytes::Bytes;

use super::error::SendError;
use super::handle::Exchange;
use super::handler::RequestHandler;
use super::writing::{self, keep};
use crate::files::{Multipart, Slice};
use crate::http::{BodyEnd, Refusal, RequestHead};
use crate::sys::is_forked_child;
use crate::worker::connection::{
    CloseKind, ConnectionMode, ConnectionOutput, ConnectionState, PendingBody, ending, output,
    refusals, steps,
};
use crate::worker::files::{
    FileLookup, FileResponse, FileServer, Patience, Reply, ReplyBody, Unsendable,
};

/// A new request: answered here if it is for a file, else passed to the app.
pub(super) fn offer(
    exchange: Exchange,
    s: &mut ConnectionState,
    files: &FileServer,
    head: RequestHead,
    handler: &Arc<dyn RequestHandler>,
) {
    let net = &exchange.conn.net;
    let root = match exchange
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
        FileLookup::NotOurs => handler.request(exchange.clone(), head),
        FileLookup::Ready(reply) => {
            count(&exchange, &reply);
            answer(&exchange, s, &reply);
        }
        FileLookup::Unknown(search) => {
            let (own, handler) = (exchange.clone(), handler.clone());
            let found = files.find(search, head, net.now(), move |reply, head| match reply {
                Some(reply) => {
                    count(&own, &reply);
                    send(&own, &reply);
                    // The next request may have arrived behind it.
                    own.conn.net.wake.wake();
                }
                None => pass_on(own, &*handler, head),
            });
            if found.is_err() {
                let reply = Reply::failed();
                count(&exchange, &reply);
                answer(&exchange, s, &reply);
            }
        }
    }
}

fn count(exchange: &Exchange, reply: &Reply) {
    let page = &exchange.conn.net.page;
    page.static_answered(reply.coding.index(), reply.status);
}

/// The app names a file. If that cannot be answered without waiting for the file system, and `patience` is
/// limited, a pool thread sends the response.
pub(in crate::worker) fn send_named(
    exchange: &Exchange,
    response: FileResponse,
    head: RequestHead,
    patience: Patience,
) {
    let net = &exchange.conn.net;
    let Some(root) = &net.sendfile_root else {
        return;
    };
    let reply = match root.reply(&response, &head, patience, net.now()) {
        Ok(reply) => reply,
        Err(Unsendable::Unknown) => {
            exchange.conn.lock().stream.promised = true;
            let exchange = exchange.clone();
            let job = root.run(Box::new(move || {
                send_named(&exchange, response, head, Patience::Blocking);
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
    send(exchange, &reply);
}

pub(super) fn send(exchange: &Exchange, reply: &Reply) {
    if is_forked_child() {
        return;
    }
    let s = &mut *exchange.conn.lock();
    if exchange.check(s).is_ok() {
        answer(exchange, s, reply);
    } else if exchange.is_current(s) {
        // The client has disconnected, and there is no app whose end would be noticed.
        ending::begin_close(&exchange.conn, s, CloseKind::Plain);
    } else {
        return;
    }
    steps::advance(&exchange.conn, s);
}

/// There is no such file: the request is passed to the app.
fn pass_on(exchange: Exchange, handler: &dyn RequestHandler, head: RequestHead) {
    let net = exchange.conn.net.clone();
    handler.request(exchange, head);
    // The thread that sleeps in the reactor has to process the queued events.
    net.wake.wake();
}

/// Writes what the socket takes now; the connection sends the rest by itself.
fn answer(exchange: &Exchange, s: &mut ConnectionState, reply: &Reply) {
    if write_reply(exchange, s, reply).is_err() {
        // A field that cannot be sent: nothing was sent so far.
        drop(s.http.reset_response());
        refusals::answer(&exchange.conn, s, Refusal::AppFailed);
        return;
    }
    if s.is_unsent() {
        s.clock.write_progress = exchange.conn.net.now();
    }
    if s.mode == ConnectionMode::Exchange {
        ending::conclude(&exchange.conn, s);
    }
}

fn write_reply(
    exchange: &Exchange,
    s: &mut ConnectionState,
    reply: &Reply,
) -> Result<(), SendError> {
    // Of a response that was begun and is replaced.
    s.http.reset_response()?;
    let date = exchange.conn.net.clock.date().1;
    writing::begin(exchange, s, reply.status, None, reply.fields(&date))?;
    match &reply.content {
        ReplyBody::None => write_bytes(s, &Bytes::new()),
        ReplyBody::Memory(bytes) => write_bytes(s, bytes),
        ReplyBody::File { file, slice } => {
            let slice = *slice;
            let (left, suffix) = begin_raw(s, slice.length)?;
            if left > 0 {
                let part = PendingBody::file(file.clone(), slice.start, left, suffix);
                s.pending = Some(Box::new(part));
            }
            output::flush(&exchange.conn, s);
            Ok(())
        }
        ReplyBody::Parts { file, parts } => {
            let (left, suffix) = begin_raw(s, parts.length)?;
            if left > 0 {
                let (first, part) = chain(file, parts, suffix);
                s.out.extend_from_slice(first);
                s.pending = part;
            }
            output::flush(&exchange.conn, s);
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
