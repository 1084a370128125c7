//! A request with `--preview-header` belongs to the generation that is held: its connection is passed on to a worker of that one.

use std::sync::Arc;

use super::Conn;
use super::state::ConnectionState;
use crate::config::PreviewHeader;
use crate::http::RequestHead;
use crate::ipc::{HeldGeneration, MOST_RECEIVED};
use crate::proxy;

impl Conn {
    /// Only called where there is `--preview-header` or `--canary-cookie`. True: the request in progress, of which the head alone was read, was passed on, and the connection is closed here.
    #[cold]
    pub(super) fn passes_to_held(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        head: &RequestHead,
    ) -> bool {
        let Some(held) = &self.net.held else {
            return false;
        };
        let Some(header) = &self.net.settings.preview_header else {
            return self.passes_to_own_version(s, head);
        };
        // In this order: usually none is held, and of the requests meanwhile few have the field. The pages are looked at last.
        if !held.is_held() {
            return false;
        }
        if is_asked_for(header, head) && self.may_preview(header, head) {
            return held.is_another() && self.pass_to_generation(s, head, held, "--preview-header");
        }
        self.passes_to_own_version(s, head)
    }

    /// To the other one, of the held generation and the serving one; `setting` is the reason.
    pub(super) fn pass_to_generation(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        head: &RequestHead,
        held: &HeldGeneration,
        setting: &'static str,
    ) -> bool {
        let passed = self.leave_to(s, head.received(), |fd, connection| {
            connection.received.len() <= MOST_RECEIVED
                && held.give(fd, &connection).unwrap_or_else(|error| {
                    tracing::debug!(%error, "connection not passed on to another generation");
                    false
                })
        });
        if !passed && self.net.log_throttle.admits(setting, self.net.now()) {
            tracing::warn!(
                setting,
                "request for the other version is served by this generation: its connection cannot be passed on (TLS, HTTP/2, PROXY header, much in transit)"
            );
        }
        passed
    }

    /// Of the client that trusted proxies report, if they report one.
    fn may_preview(&self, header: &PreviewHeader, head: &RequestHead) -> bool {
        let forwarded = self.forwarded_request(head).ok().flatten();
        let forwarded = forwarded.and_then(|forwarded| forwarded.client);
        let client = match forwarded {
            Some(client) => Some(client.address.to_canonical()),
            None => self.logged_client(),
        };
        client.is_none_or(|client| proxy::trusts(&header.clients, client))
    }
}

fn is_asked_for(header: &PreviewHeader, head: &RequestHead) -> bool {
    let is_value = |value: &[u8]| match &header.value {
        Some(wanted) => value == wanted.as_bytes(),
        None => true,
    };
    head.headers().any(|field| {
        field.name.eq_ignore_ascii_case(header.name.as_bytes()) && is_value(field.value)
    })
}
