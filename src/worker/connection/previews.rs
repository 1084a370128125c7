//! A request with `--preview-header` belongs to the generation that is held: its connection is passed on to a worker of that one.

use super::conn::Conn;
use super::state::ConnectionState;
use super::{canary, transfer};
use crate::config::PreviewHeader;
use crate::http::RequestHead;
use crate::proxy;

/// Only called where there is `--preview-header` or `--canary-cookie`. True: the request in progress, of which the head alone was read, was passed on, and the connection is closed here.
#[cold]
pub(super) fn passes_on(conn: &Conn, s: &mut ConnectionState, head: &RequestHead) -> bool {
    let Some(held) = &conn.net.held else {
        return false;
    };
    let Some(header) = &conn.net.settings.preview_header else {
        return canary::passes_on(conn, s, head);
    };
    // In this order: usually none is held, and of the requests meanwhile few have the field. The pages are looked at last.
    if !held.is_held() {
        return false;
    }
    if is_asked_for(header, head) && may_preview(conn, header, head) {
        return held.is_another()
            && transfer::to_generation(conn, s, head, held, "--preview-header");
    }
    canary::passes_on(conn, s, head)
}

/// Of the client that trusted proxies report, if they report one.
fn may_preview(conn: &Conn, header: &PreviewHeader, head: &RequestHead) -> bool {
    let forwarded = conn.forwarded_request(head).ok().flatten();
    let forwarded = forwarded.and_then(|forwarded| forwarded.client);
    let client = match forwarded {
        Some(client) => Some(client.address.to_canonical()),
        None => conn.logged_client(),
    };
    client.is_none_or(|client| proxy::trusts(&header.clients, client))
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
