//! `status --watch`: the table, redrawn every second on the alternate screen, until `q`, Ctrl-C or the server's exit. Requests
//! of its keys run beside it, on a connection of their own.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::dashboard::{Dashboard, Reaction};
use super::failure::CtlFailure;
use super::link::{Limit, Link};
use super::screen::{self, FullScreen, KeyPress};
use super::wanted::ServerSelector;
use super::{find, table};
use crate::cli::report;
use crate::master::control::protocol::{ControlRequest, ControlResponse, Status};

const PERIOD: Duration = Duration::from_secs(1);
/// How soon the answer to a key's request is shown.
const SOON: Duration = Duration::from_millis(100);
/// As long as the verbs wait for an app's boot.
const REQUEST: Duration = Duration::from_secs(600);

type KeyRequestOutcome = Result<ControlResponse, CtlFailure>;

/// `patience`: the time limit of each response.
pub fn watch(wanted: &ServerSelector, patience: Option<Duration>) -> Result<(), CtlFailure> {
    let limit = Limit::of(patience);
    // Once, so that the operator chooses a server only once.
    let path = find::path(wanted, limit)?;
    let mut link = Link::at(&path, limit)?;
    // Dropped, and with it left, before an error is printed.
    let full = FullScreen::enter();
    let mut dashboard = Dashboard::default();
    let mut answers: Option<Receiver<KeyRequestOutcome>> = None;
    loop {
        link.set_limit(Limit::of(patience));
        let response = link.ask(&ControlRequest::Status)?;
        let Some(status) = response.status else {
            return Err(CtlFailure::new(response.message));
        };
        let Some(full) = &full else {
            let columns = screen::size().map(|size| size.columns);
            if !screen::show(&table::table(&status, report::colours(), columns)) {
                return Ok(());
            }
            std::thread::park_timeout(PERIOD);
            continue;
        };
        if !draw(full, &dashboard, &status) {
            return Ok(());
        }
        let period = if answers.is_some() { SOON } else { PERIOD };
        match full.key_within(period) {
            KeyPress::Gone => return Ok(()),
            KeyPress::None => {}
            KeyPress::Key(key) => match dashboard.key(key, &status) {
                Reaction::Leave => return Ok(()),
                Reaction::Redraw => {}
                Reaction::Request(request) => answers = Some(begin(&path, request)),
            },
        }
        if let Some(answer) = answers.as_ref().and_then(|answers| answers.try_recv().ok()) {
            answers = None;
            dashboard.answered(answer);
        }
    }
}

/// `false`: the terminal is gone.
fn draw(full: &FullScreen, dashboard: &Dashboard, status: &Status) -> bool {
    screen::size().is_none_or(|size| full.draw(&dashboard.drawn(status, report::colours(), size)))
}

/// Sends the request from another thread: an answer may take as long as the app's boot.
fn begin(path: &Path, request: ControlRequest) -> Receiver<KeyRequestOutcome> {
    let (sender, receiver) = channel();
    let path = path.to_owned();
    std::thread::spawn(move || {
        let limit = Limit::of(Some(REQUEST));
        let answer = Link::at(&path, limit).and_then(|mut link| link.ask(&request));
        // When the screen was left, there is no receiver any more.
        drop(sender.send(answer));
    });
    receiver
}
