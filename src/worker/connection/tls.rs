//! TLS of a connection: handshakes within a time budget per turn, the negotiated parameters, and failures.

use std::sync::Arc;

use super::Conn;
use super::state::{CloseKind, ConnectionState};
use crate::worker::tls::measured;

impl Conn {
    /// Reads handshake bytes, or waits for a turn with time for it: key exchange costs a thousand times as much as
    /// the encryption.
    pub(super) fn shake_hands(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let turn = self.net.clock.turns();
        let Some(tls) = self.net.tls.at(self.listener()) else {
            return self.read_once(s);
        };
        if !tls.handshakes().admits(turn) {
            self.wait_for_a_turn(s);
            return false;
        }
        let (progress, us) = measured(|| self.read_once(s));
        tls.handshakes().spend(turn, us);
        if !s.transport.is_handshaking() && s.transport.speaks_http2() {
            self.start_http2(s);
        }
        progress
    }

    /// The PROXY header is complete: the handshake begins, with the bytes that arrived with it.
    pub(super) fn start_tls(self: &Arc<Self>, s: &mut ConnectionState) {
        let Some(tls) = self.net.tls.at(self.listener()) else {
            return;
        };
        let session = tls.session();
        let has_begun =
            session.is_some_and(|session| s.transport.start_tls(session, s.http.input()).is_ok());
        if !has_begun {
            self.begin_close(s, CloseKind::Plain);
        }
    }

    /// With the first request all parameters are known.
    pub(in crate::worker) fn note_tls(&self, s: &ConnectionState) {
        if let Some(facts) = s.transport.tls_facts() {
            self.tls.get_or_init(|| Arc::new(facts));
        }
    }

    pub(in crate::worker) fn report_tls_failure(&self, s: &ConnectionState) {
        if let Some(reason) = s.transport.tls_failure() {
            self.report_tls(reason);
        }
    }

    /// The client sent no request in time, because its handshake is incomplete.
    pub(super) fn report_slow_handshake(&self, s: &ConnectionState) {
        if !s.transport.is_handshaking() {
            return;
        }
        self.report_tls(if s.transport.has_begun_handshake() {
            "TLS handshake took too long"
        } else {
            "client sent no TLS handshake"
        });
    }

    fn report_tls(&self, reason: &'static str) {
        let peer = self.shown_peer();
        if self.net.log_throttle.admits(reason, self.net.now()) {
            tracing::info!(peer, reason, "TLS connection failed");
        } else {
            tracing::debug!(peer, reason, "TLS connection failed");
        }
    }
}
