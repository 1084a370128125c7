//! The end of the master: clients are answered, listeners closed; when no worker is left, the last hook is called, the helpers end, and it exits.

use std::time::Duration;

use super::mutation::fault;
use super::phase::MasterPhase;
use super::server::{Listeners, Server};
use super::{Action, Answer, Moment, Report, ServiceState, reload};

/// Time limit for the last hook, and for the exit of every helper; less where less is left of `--graceful-timeout`.
const CLOSING: Duration = Duration::from_secs(5);
/// Where nothing is left of it: what a hook that does not wait for anything needs.
const SHORTEST_CLOSING: Duration = Duration::from_millis(500);

/// Notifies clients that wait for something that will not happen any more.
pub(super) fn abandon(server: &mut Server) {
    server.act(Action::Notify(ServiceState::Stopping));
    reload::abandon(server);
    server.retirees.clear();
    server.previous = None;
    server.companions.abandon(&mut server.effects);
    let waiting: Vec<_> = server
        .places
        .values_mut()
        .flat_map(|place| std::mem::take(&mut place.waiting))
        .collect();
    for token in waiting {
        server.reply(token, Answer::ServerStopping);
    }
}

pub(super) fn close_listeners(server: &mut Server) {
    if server.listeners == Listeners::Open {
        server.listeners = Listeners::Closed;
        if !fault!(server.effects, ListenersLeftOpen) {
            server.act(Action::CloseListeners);
        }
    }
}

/// No worker is left: the last hook is called, and the helpers end.
pub(super) fn begin(server: &mut Server, code: u8, by: Moment) {
    let since = server.now();
    let mut left = by.since(since).clamp(SHORTEST_CLOSING, CLOSING);
    if fault!(server.effects, ClosingOutlivesGrace) {
        left = CLOSING;
    }
    let until = since + left;
    server.phase = MasterPhase::Closing { since, until, code };
    server.act(Action::EndHelpers);
    if fault!(server.effects, ExitBeforeHelpers) {
        exit(server, code);
    }
}

pub(super) fn take_helpers_end(server: &mut Server) {
    if let MasterPhase::Closing { code, .. } = server.phase {
        exit(server, code);
    }
}

pub(super) fn enforce(server: &mut Server) {
    if let MasterPhase::Closing { since, until, code } = server.phase
        && until <= server.now()
        && !fault!(server.effects, NoEndOfClosing)
    {
        let after = server.now().since(since);
        server.report(Report::HelpersLate { after });
        exit(server, code);
    }
}

pub(super) fn exit(server: &mut Server, code: u8) {
    server.phase = MasterPhase::Gone;
    server.act(Action::Exit { code });
}
