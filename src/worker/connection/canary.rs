//! `--canary-cookie`: during a canary, each visitor stays with the version that it has met first. A cookie names it, and a request whose
//! cookie names the other one is passed on to a worker of that.

use super::conn::Conn;
use super::state::ConnectionState;
use super::transfer;
use crate::http::{KnownName, RequestHead};
use crate::ipc::HeldGeneration;
use crate::proxy::{ForwardedRequest, Scheme};

/// The canary and the name of the cookie, while there is one and visitors stay.
fn sticky(conn: &Conn) -> Option<(&HeldGeneration, &str)> {
    let held = conn.net.held.as_ref().filter(|held| held.is_sticky())?;
    Some((held, conn.net.settings.canary_cookie.as_deref()?))
}

/// True: the request in progress belongs to the other version and was passed on, and the connection is closed here.
pub(super) fn passes_on(conn: &Conn, s: &mut ConnectionState, head: &RequestHead) -> bool {
    let Some((held, name)) = sticky(conn) else {
        return false;
    };
    cookie(head, name).is_some_and(|value| held.is_of_another(value))
        && transfer::to_generation(conn, s, head, held, "--canary-cookie")
}

/// A visitor without the cookie, or with one of a version that is gone, gets that of this one.
#[cold]
pub(super) fn mark_visitor(
    conn: &Conn,
    s: &mut ConnectionState,
    head: &RequestHead,
    forwarded: Option<&ForwardedRequest>,
) {
    let Some((held, name)) = sticky(conn) else {
        return;
    };
    let own = held.own_cookie();
    // That of the other version stays although its request could not be passed on.
    if cookie(head, name).is_some_and(|value| value == own.as_bytes() || held.is_of_another(value))
    {
        return;
    }
    let is_https = conn.scheme() == Scheme::Https
        || forwarded.is_some_and(|forwarded| forwarded.scheme == Some(Scheme::Https));
    let secure = if is_https { "; Secure" } else { "" };
    let value = format!("{name}={own}; Path=/; HttpOnly; SameSite=Lax{secure}");
    s.http.add_to_response("set-cookie", value.as_bytes());
}

/// The value of the first one with that name.
fn cookie<'h>(head: &'h RequestHead, name: &str) -> Option<&'h [u8]> {
    let fields = head
        .headers()
        .filter(|field| field.known == Some(KnownName::Cookie));
    let mut pairs = fields.flat_map(|field| field.value.split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}
