//! A request whose head has arrived: refused, passed on, answered here, or given to the app.

use std::sync::Arc;

use super::conn::Conn;
use super::state::{ConnectionMode, ConnectionState};
use super::{app_waits, canary, plain_http, previews, refusals, tls};
use crate::http::{Refusal, RequestHead};
use crate::proxy::Disagreement;
use crate::worker::websocket;

pub(super) fn begin(conn: &Arc<Conn>, s: &mut ConnectionState, mut head: RequestHead) {
    app_waits::notify_all(conn, s);
    if s.clock.fresh {
        tls::note(conn, s);
    }
    if conn.net.drain.closes_after_response() {
        s.close_after_answer();
    }
    let now = conn.net.now();
    s.mode = ConnectionMode::Exchange;
    s.clock.fresh = false;
    s.clock.head_since = None;
    s.clock.released = false;
    s.stream = s.stream.next(head.has_body(), now);
    if conn.net.held.is_some() && previews::passes_on(conn, s, &head) {
        return;
    }
    let ledger = &conn.net.ledger;
    ledger.identify(&mut head, &mut s.http);
    let entry = ledger.begin(&head, now);
    let mark = entry.mark();
    s.stream.entry = Some(entry);
    if (conn.net.settings.limit_concurrency).is_some_and(|limit| ledger.in_flight() > limit) {
        refusals::answer(conn, s, Refusal::Overloaded);
        return;
    }
    if s.transport.lacks_tls() {
        refusals::answer(conn, s, Refusal::PlainHttp);
        return;
    }
    let forwarded = match conn.forwarded_request(&head) {
        Ok(forwarded) => forwarded,
        Err(Disagreement) => {
            refusals::answer(conn, s, Refusal::SchemesDisagree);
            return;
        }
    };
    if conn.net.held.is_some() {
        canary::mark_visitor(conn, s, &head, forwarded.as_deref());
    }
    if plain_http::answers(conn, s, &head, forwarded.as_deref()) {
        return;
    }
    if let Some(entry) = &mut s.stream.entry {
        let client = forwarded.as_ref().and_then(|forwarded| forwarded.client);
        entry.client = client.map(|client| client.address);
        if let Some(tls) = conn.tls.get() {
            entry.note_tls(tls);
        }
    }
    s.ws = None;
    if conn.net.is_handshake(&head) {
        match websocket::handshake::open(&conn.net, &head) {
            Ok(ws) => s.ws = Some(ws),
            Err(refusal) => {
                refusals::answer(conn, s, refusal);
                return;
            }
        }
    }
    conn.requests.begin(conn, s, head, mark, forwarded);
}
