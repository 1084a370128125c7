//! An HTTP/2 stream as a transport: the body of one request to read, and its response to write. Written bytes wait in
//! h2 for the connection, and no more are taken than the client's windows allow.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http_types::HeaderMap;

use super::flow::ConnectionFlow;
use crate::http::InputFault;
use crate::http2::{Http2ResponseHead, Resets, may_be_trailers, response_head, trailers};

/// Bytes requested at once of the client's windows.
const RESERVE: usize = 64 * 1024;
/// How much of the gathered bytes is read at once.
const READ: usize = 16 * 1024;
/// A piece of a file.
const FILE_READ: usize = 64 * 1024;

pub struct StreamWire {
    /// `None`: the request has ended.
    body: Option<RecvStream>,
    /// Bytes of the body that wait for the app. The client's window is as small as if they were not taken from h2.
    gathered: BytesMut,
    answer: StreamResponse,
    resets: Resets,
    waker: Waker,
    flow: Arc<ConnectionFlow>,
    /// In the output of the connection: what this stream sent last comes before it.
    place: u64,
    /// The response has no content, whatever it declares.
    is_head: bool,
    /// The incomplete head of the response.
    partial: BytesMut,
    /// Bytes still to come of the declared length.
    left: Option<u64>,
    /// The end of the response is sent, and nothing can follow.
    ended: bool,
    /// Trailers may follow, so the declared length does not end the response.
    expects_trailers: bool,
    trailers: Option<HeaderMap>,
    /// The client sends no more, whether the request is whole or not.
    input_ended: bool,
    /// Why the request cannot be completed.
    fault: Option<InputFault>,
}

enum StreamResponse {
    Awaited(SendResponse<Bytes>),
    Begun(SendStream<Bytes>),
    /// To be reset when its output is sent.
    Aborted,
}

impl StreamWire {
    /// `waker` is woken when there is more to read or room to write, and when the client has reset the stream.
    pub fn new(
        body: Option<RecvStream>,
        answer: SendResponse<Bytes>,
        resets: Resets,
        is_head: bool,
        waker: Waker,
        flow: Arc<ConnectionFlow>,
    ) -> Self {
        Self {
            body,
            gathered: BytesMut::new(),
            answer: StreamResponse::Awaited(answer),
            resets,
            waker,
            place: flow.place(),
            flow,
            is_head,
            partial: BytesMut::new(),
            left: None,
            ended: false,
            expects_trailers: false,
            trailers: None,
            input_ended: false,
            fault: None,
        }
    }

    /// Whether the client has reset the stream, or the connection is lost. False: the waker reports it. A stream that both sides have
    /// ended counts as well: no reset could come, since nothing is written that the client could refuse.
    pub fn is_reset(&mut self) -> bool {
        if self.input_ended && self.ended {
            return true;
        }
        let mut context = Context::from_waker(&self.waker);
        match &mut self.answer {
            StreamResponse::Awaited(answer) => answer.poll_reset(&mut context),
            StreamResponse::Begun(stream) => stream.poll_reset(&mut context),
            StreamResponse::Aborted => return false,
        }
        .is_ready()
    }

    /// The request has ended.
    pub fn is_complete(&self) -> bool {
        self.body.is_none()
    }

    pub fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        while let Some(body) = &mut self.body {
            if !self.gathered.is_empty() {
                let data = self.gathered.split_to(self.gathered.len().min(READ));
                if self.gathered.is_empty() {
                    self.gathered = BytesMut::new();
                }
                self.flow.releases(data.len());
                drop(body.flow_control().release_capacity(data.len()));
                buffer.extend_from_slice(&data);
                return Ok(data.len());
            }
            match body.poll_data(&mut context) {
                Poll::Pending if self.input_ended => return self.fail(InputFault::Truncated),
                Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
                Poll::Ready(Some(Ok(data))) => {
                    // Fails where the stream has ended, and then there is no window any more.
                    drop(body.flow_control().release_capacity(data.len()));
                    if !data.is_empty() {
                        buffer.extend_from_slice(&data);
                        return Ok(data.len());
                    }
                }
                Poll::Ready(Some(Err(error))) => return Err(broken(error)),
                // Trailers are not shown to apps.
                Poll::Ready(None) => {
                    let trailers = body.poll_trailers(&mut context);
                    if matches!(trailers, Poll::Ready(Ok(Some(fields))) if !may_be_trailers(&fields))
                    {
                        return self.fail(InputFault::BadTrailer);
                    }
                    self.body = None;
                }
            }
        }
        Ok(0)
    }

    fn fail(&mut self, fault: InputFault) -> io::Result<usize> {
        self.fault = Some(fault);
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Why a read has failed, where the request can be answered.
    pub fn fault(&self) -> Option<InputFault> {
        self.fault
    }

    pub fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// Takes from h2 what the app has not read yet. h2 keeps each frame for itself, with hundreds of bytes for one of a few, and closes
    /// connections that have many of them.
    pub fn gather(&mut self) {
        let Some(body) = &mut self.body else {
            return;
        };
        let mut context = Context::from_waker(&self.waker);
        // The end and errors are reported again when they are read.
        while let Poll::Ready(Some(Ok(data))) = body.poll_data(&mut context) {
            self.flow.keeps(data.len());
            self.gathered.extend_from_slice(&data);
        }
    }

    /// See `ConnectionFlow`.
    pub fn withholds_credit(&self) -> bool {
        self.flow.withholds_credit()
    }

    /// How much of the connection's output the client has still to take until this stream is certainly blocked by its own window.
    pub fn untaken(&self) -> usize {
        self.flow.untaken_before(self.place)
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while matches!(self.answer, StreamResponse::Awaited(_)) {
            match self.take_head(rest)? {
                Some(size) => rest = &rest[size..],
                None => return Ok(bytes.len()),
            }
        }
        match self.write_content(rest) {
            Ok(count) => Ok(bytes.len() - rest.len() + count),
            Err(error) if super::would_block(&error) && rest.len() < bytes.len() => {
                Ok(bytes.len() - rest.len())
            }
            Err(error) => Err(error),
        }
    }

    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match self.write(slice) {
                Ok(count) => {
                    written += count;
                    if count < slice.len() {
                        break;
                    }
                }
                Err(error) if super::would_block(&error) && written > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// How many of the bytes belonged to a head that is sent now; `None`: all of them, and it is incomplete.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let before = self.partial.len();
        let found = if before == 0 {
            response_head(bytes)
        } else {
            self.partial.extend_from_slice(bytes);
            response_head(&self.partial)
        };
        let Some(head) = found else {
            if before == 0 {
                self.partial.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        self.partial = BytesMut::new();
        let size = head.size - before;
        self.send_head(head)?;
        Ok(Some(size))
    }

    fn send_head(&mut self, head: Http2ResponseHead) -> io::Result<()> {
        let StreamResponse::Awaited(answer) = &mut self.answer else {
            return Ok(());
        };
        if head.is_interim() {
            return answer.send_informational(head.response).map_err(broken);
        }
        let is_empty = head.length == Some(0) && !self.expects_trailers;
        let ends = self.is_head || is_empty || head.has_no_content();
        self.left = head.length;
        let stream = answer.send_response(head.response, ends).map_err(broken)?;
        self.answer = StreamResponse::Begun(stream);
        self.set_ended(ends);
        Ok(())
    }

    fn write_content(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(room) = self.room(rest.len())? else {
                break;
            };
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.send(Bytes::copy_from_slice(now))?;
            rest = later;
        }
        let written = bytes.len() - rest.len();
        if written == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(written)
    }

    pub fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        let Some(room) = self.room(count.min(FILE_READ))? else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        let mut bytes = vec![0; room.min(count).min(FILE_READ)];
        let found = crate::sys::stream::read_at(file, &mut bytes, offset)?;
        bytes.truncate(found);
        if found > 0 {
            self.send(bytes.into())?;
        }
        Ok(found)
    }

    /// How much may be sent now, up to `wanted`; `None`: the waker reports when.
    fn room(&mut self, wanted: usize) -> io::Result<Option<usize>> {
        if self.ended {
            // Bytes after the end are dropped.
            return Ok(Some(wanted));
        }
        let StreamResponse::Begun(stream) = &mut self.answer else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        stream.reserve_capacity(wanted.min(RESERVE));
        if stream.capacity() > 0 {
            return Ok(Some(stream.capacity()));
        }
        let mut context = Context::from_waker(&self.waker);
        match stream.poll_capacity(&mut context) {
            Poll::Pending => Ok(None),
            Poll::Ready(Some(Ok(room))) => Ok(Some(room)),
            Poll::Ready(Some(Err(error))) => Err(broken(error)),
            Poll::Ready(None) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn send(&mut self, bytes: Bytes) -> io::Result<()> {
        let StreamResponse::Begun(stream) = &mut self.answer else {
            return Ok(());
        };
        if self.ended {
            return Ok(());
        }
        self.place = self.flow.place();
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        // The last bytes carry the end of the stream.
        let ends = self.left == Some(0) && !self.expects_trailers;
        stream.send_data(bytes, ends).map_err(broken)?;
        self.set_ended(ends);
        Ok(())
    }

    fn set_ended(&mut self, ends: bool) {
        self.ended = ends;
        if ends && self.input_ended {
            // See `is_reset`.
            self.waker.wake_by_ref();
        }
    }

    pub fn expect_trailers(&mut self) {
        self.expects_trailers = true;
    }

    /// Trailers as lines.
    pub fn set_trailers(&mut self, lines: &[u8]) {
        let fields = trailers(lines);
        self.trailers = Some(fields).filter(|fields| !fields.is_empty());
    }

    /// Completes the response, if it has begun. A client that still sends gets a reset: h2 sends it when the body is
    /// no longer read.
    pub fn shut(&mut self) {
        if self.ended {
            return;
        }
        let is_whole = self.left.unwrap_or_default() == 0;
        match &mut self.answer {
            StreamResponse::Begun(stream) if is_whole => {
                // Either fails where the client has reset the stream.
                drop(match self.trailers.take() {
                    Some(fields) => stream.send_trailers(fields),
                    None => stream.send_data(Bytes::new(), true),
                });
                self.ended = true;
            }
            StreamResponse::Awaited(_) | StreamResponse::Begun(_) => self.reset(),
            StreamResponse::Aborted => {}
        }
    }

    /// Completes the response. An error: nothing more can come of the request, or it is reset.
    pub fn half_close(&mut self) -> io::Result<()> {
        self.shut();
        let sends_more = self.body.as_ref().is_some_and(|body| !body.is_end_stream());
        let is_whole = matches!(self.answer, StreamResponse::Begun(_));
        if sends_more && is_whole && !self.input_ended {
            Ok(())
        } else {
            Err(io::ErrorKind::NotConnected.into())
        }
    }

    /// Reads on behind the response: clients take a reset that arrives while they send for an error, though RFC 9113 §8.1 allows it.
    pub fn discard(&mut self) -> io::Result<usize> {
        self.read(&mut BytesMut::new())
    }

    /// Resets the stream after what was written, so that the client does not take an incomplete response for a complete one.
    pub fn reset(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        match std::mem::replace(&mut self.answer, StreamResponse::Aborted) {
            StreamResponse::Awaited(mut answer) => answer.send_reset(Reason::INTERNAL_ERROR),
            StreamResponse::Begun(stream) => self.resets.add(stream),
            StreamResponse::Aborted => {}
        }
    }
}

impl Drop for StreamWire {
    fn drop(&mut self) {
        self.flow.releases(self.gathered.len());
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, error)
}
