//! A client's socket with TLS in between: rustls works on memory, this moves its bytes to and from the socket.

use std::cell::RefCell;
use std::io::{self, BufRead, IoSlice, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use bytes::BytesMut;
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, Error, HandshakeKind, OtherError, PeerIncompatible,
    ServerConnection,
};

use super::Follows;
use crate::sys::stream;
use crate::tls;
use crate::worker::tls::TlsFacts;

/// Bytes read from a socket at once: the largest record with its overhead.
const READ: usize = 17 * 1024;

thread_local! {
    /// Bytes in transit between a socket and rustls, which keeps incomplete records: an idle connection needs no
    /// buffer.
    static CIPHERTEXT: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static FILE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Result of reading the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketRead {
    /// 0: records without content, or a part of one.
    Bytes(usize),
    End,
}

impl SocketRead {
    pub fn of(count: usize) -> Self {
        match count {
            0 => Self::End,
            count => Self::Bytes(count),
        }
    }
}

pub struct TlsWire {
    fd: OwnedFd,
    /// `None`: the client has begun with plain HTTP, and gets an error response.
    session: Option<Box<ServerConnection>>,
    /// The certificate that the client was sent.
    certificate: Option<Arc<CertifiedKey>>,
    began: bool,
    /// The client sends no more.
    ended: bool,
    /// The last read has filled its buffer: the socket may have more.
    more: bool,
    /// Why the session has failed.
    failure: Option<&'static str>,
}

impl TlsWire {
    pub fn new(fd: OwnedFd, session: ServerConnection) -> Self {
        Self {
            fd,
            session: Some(Box::new(session)),
            certificate: None,
            began: false,
            ended: false,
            more: true,
            failure: None,
        }
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn is_handshaking(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.is_handshaking())
    }

    /// As negotiated in the handshake (RFC 7301).
    pub fn speaks_http2(&self) -> bool {
        let agreed = self.session.as_ref().and_then(|tls| tls.alpn_protocol());
        agreed == Some(b"h2")
    }

    /// The client has sent something.
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// Whether a further read may find bytes at once: decrypted bytes are not kept here.
    pub fn has_more(&self) -> bool {
        self.more || self.ended || self.failure.is_some() || self.session.is_none()
    }

    /// The client uses plain HTTP.
    pub fn is_plain(&self) -> bool {
        self.session.is_none()
    }

    pub fn failure(&self) -> Option<&'static str> {
        self.failure
    }

    /// The negotiated parameters, once the handshake is complete.
    pub fn facts(&self) -> Option<TlsFacts> {
        let session = self.session.as_ref()?;
        let suite = session.negotiated_cipher_suite()?;
        Some(TlsFacts {
            version: session.protocol_version()?.into(),
            cipher_suite: suite.suite().into(),
            server_name: session.server_name().map(str::to_owned),
            server_certificate: self
                .certificate
                .as_ref()
                .and_then(|key| key.cert.first())
                .map(|der| der.to_vec()),
            client_chain: session
                .peer_certificates()
                .unwrap_or_default()
                .iter()
                .map(|der| der.to_vec())
                .collect(),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }

    /// Reads once from the socket: records may be empty, and a client that sends those without end must not cost more
    /// than others.
    pub fn read(&mut self, buffer: &mut BytesMut) -> io::Result<SocketRead> {
        if self.session.is_none() {
            return stream::receive(self.fd.as_fd(), buffer).map(SocketRead::of);
        }
        let before = buffer.len();
        if self.failure.is_none() && !self.ended {
            let received = CIPHERTEXT.with_borrow_mut(|ciphertext| {
                ciphertext.clear();
                ciphertext.reserve(READ);
                let count = stream::receive(self.fd.as_fd(), ciphertext)?;
                self.more = count == ciphertext.capacity();
                self.take(ciphertext, buffer)
            });
            // Handshake messages, tickets, an alert.
            self.flush()?;
            received?;
        }
        match buffer.len() - before {
            0 if self.failure.is_some() => Err(io::ErrorKind::InvalidData.into()),
            0 if self.ended => Ok(SocketRead::End),
            // 0: records without content. A client of plain HTTP is detected by its bytes, so there are some.
            count => Ok(SocketRead::Bytes(count)),
        }
    }

    /// Passes on ciphertext that was read before the session began.
    pub fn take(&mut self, ciphertext: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        // A record begins with its type; a request with a method.
        if !self.began && ciphertext.first().is_some_and(u8::is_ascii_uppercase) {
            self.began = true;
            self.session = None;
            buffer.extend_from_slice(ciphertext);
            return Ok(());
        }
        self.began |= !ciphertext.is_empty();
        let mut rest = ciphertext;
        loop {
            // 0: the end of the stream, or the client has closed the session; what follows is ignored.
            let count = session.read_tls(&mut rest)?;
            let processed = session.process_new_packets();
            if let Some(certificate) = tls::chosen_certificate() {
                self.certificate = Some(certificate);
            }
            if let Err(error) = processed {
                self.failure = Some(reason(&error));
                return Ok(());
            }
            let mut reader = session.reader();
            loop {
                match reader.fill_buf() {
                    Ok([]) => {
                        self.ended = true;
                        break;
                    }
                    Ok(plaintext) => {
                        buffer.extend_from_slice(plaintext);
                        let count = plaintext.len();
                        reader.consume(count);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // Many clients close the connection without closing the session. HTTP itself marks the end of a
                    // request.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        self.ended = true;
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            if count == 0 {
                self.ended = true;
            }
            if rest.is_empty() || self.ended {
                return Ok(());
            }
        }
    }

    pub fn discard(&self) -> io::Result<usize> {
        stream::discard(self.fd.as_fd())
    }

    pub fn write(&mut self, bytes: &[u8], follows: Follows) -> io::Result<usize> {
        if self.session.is_none() {
            return match follows {
                Follows::Nothing => stream::send(self.fd.as_fd(), bytes),
                Follows::More => stream::send_more(self.fd.as_fd(), bytes),
            };
        }
        self.seal_all(bytes, 0)
    }

    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.session.is_none() {
            return stream::send_vectored(self.fd.as_fd(), slices);
        }
        let mut taken = self.seal(|session| session.writer().write_vectored(slices))?;
        let mut before = 0;
        for slice in slices {
            let rest = slice
                .get(taken.saturating_sub(before)..)
                .unwrap_or_default();
            before += slice.len();
            if !rest.is_empty() {
                taken = self.seal_all(rest, taken)?;
            }
            if taken < before {
                break;
            }
        }
        Ok(taken)
    }

    pub fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        if self.session.is_none() {
            return stream::send_file(self.fd.as_fd(), file, offset, count);
        }
        if self.is_blocked()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        FILE.with_borrow_mut(|bytes| {
            bytes.resize(count.min(16 * 1024), 0);
            let found = stream::read_at(file, bytes, offset)?;
            match bytes.get(..found) {
                Some([]) | None => Ok(0),
                Some(bytes) => self.seal(|session| session.writer().write(bytes)),
            }
        })
    }

    /// Repeats while the socket takes them: writability is reported only after the socket has refused bytes. `taken`:
    /// bytes taken before.
    fn seal_all(&mut self, bytes: &[u8], mut taken: usize) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.seal(|session| session.writer().write(rest)) {
                Ok(count) => {
                    taken += count;
                    rest = rest.get(count..).unwrap_or_default();
                }
                Err(error) if super::would_block(&error) && taken > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Turns plaintext into records, and writes as many as the socket takes. Nothing is taken while earlier ones
    /// wait.
    fn seal(
        &mut self,
        write: impl FnOnce(&mut ServerConnection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.is_blocked()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let Some(session) = &mut self.session else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let count = write(session)?;
        self.flush()?;
        Ok(count)
    }

    fn is_blocked(&mut self) -> io::Result<bool> {
        self.flush()?;
        Ok(self.is_handshaking() || self.is_unsent())
    }

    pub fn is_unsent(&self) -> bool {
        self.session
            .as_ref()
            .is_some_and(|session| session.wants_write())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        while session.wants_write() {
            match session.write_tls(&mut RecordSocket(self.fd.as_fd())) {
                Ok(_) => {}
                Err(error) if super::would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn half_close(&mut self) -> io::Result<()> {
        self.close_session();
        stream::shutdown_write(self.fd.as_fd())
    }

    fn close_session(&mut self) {
        if let Some(session) = &mut self.session {
            session.send_close_notify();
            // If the socket takes no more, the client does not read, and a FIN without `close_notify` has to do.
            drop(self.flush());
        }
    }

    pub fn untaken(&self) -> Option<usize> {
        stream::untaken(self.fd.as_fd()).ok()
    }

    pub fn shut(&mut self) {
        self.close_session();
        stream::shutdown(self.fd.as_fd());
    }

    pub fn reset(&self) {
        stream::reset(self.fd.as_fd());
    }
}

/// Where records go.
struct RecordSocket<'a>(BorrowedFd<'a>);

impl Write for RecordSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        stream::send(self.0, bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        stream::send_vectored(self.0, slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For the log: constant, so that equal ones can be counted.
fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidMessage(_) => "not a TLS handshake",
        Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon) => {
            "no cipher suite in common"
        }
        Error::PeerIncompatible(PeerIncompatible::NoKxGroupsInCommon) => {
            "no key exchange group in common"
        }
        Error::PeerIncompatible(
            PeerIncompatible::NoSignatureSchemesInCommon
            | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
        ) => "no signature scheme in common",
        // Only TLS 1.2 has brought the extension, and every client of it sends it.
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::SignatureAlgorithmsExtensionRequired,
        ) => "client offers only TLS 1.1 or older",
        Error::PeerIncompatible(PeerIncompatible::SupportedVersionsExtensionRequired) => {
            "client does not offer TLS 1.3"
        }
        Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled) => {
            "client offers no TLS version that is allowed"
        }
        Error::PeerIncompatible(PeerIncompatible::NamedGroupsExtensionRequired) => {
            "client names no key exchange group"
        }
        Error::PeerIncompatible(_) => "client lacks a required TLS feature",
        Error::PeerMisbehaved(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => "client violates the TLS protocol",
        Error::NoCertificatesPresented => "client shows no certificate",
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "client certificate has expired",
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "client certificate is from an unknown authority"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "client certificate is not valid yet",
        Error::InvalidCertificate(
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. },
        ) => "client certificate is not for clients (extended key usage)",
        Error::InvalidCertificate(CertificateError::Other(other)) if is_of_version_1(other) => {
            "client certificate is of X.509 version 1: make it with extensions, as version 3"
        }
        Error::InvalidCertificate(_) => "client certificate is not valid",
        Error::NoApplicationProtocol => "no application protocol in common",
        Error::DecryptError => "TLS record cannot be decrypted",
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnknownCA,
        ) => "client does not accept the certificate",
        Error::AlertReceived(_) => "client sent a TLS alert",
        _ => "TLS failed",
    }
}

/// Only webpki knows, and rustls passes its error on as it is.
fn is_of_version_1(error: &OtherError) -> bool {
    let error = error.0.downcast_ref::<webpki::Error>();
    matches!(error, Some(webpki::Error::UnsupportedCertVersion))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_client_certificate_is_refused() {
        let other = |error| CertificateError::Other(OtherError(Arc::new(error)));
        for (error, expected) in [
            (other(webpki::Error::UnsupportedCertVersion), "version 1"),
            (other(webpki::Error::EmptyEkuExtension), "is not valid"),
            (CertificateError::NotValidYet, "not valid yet"),
            (CertificateError::InvalidPurpose, "not for clients"),
        ] {
            let reason = reason(&Error::InvalidCertificate(error));
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
