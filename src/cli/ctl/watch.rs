//! `status --watch`: the table, redrawn every second on the alternate screen, until `q`, Ctrl-C or the server's exit.

use std::time::Duration;

use super::failure::CtlFailure;
use super::link::Limit;
use super::screen::{self, FullScreen, Text};
use super::wanted::ServerSelector;
use super::{find, table};
use crate::cli::report;
use crate::master::control::protocol::ControlRequest;

const PERIOD: Duration = Duration::from_secs(1);

/// `patience`: the time limit of each response.
pub fn watch(wanted: &ServerSelector, patience: Option<Duration>) -> Result<(), CtlFailure> {
    let limit = Limit::of(patience);
    // Once, so that the operator chooses a server only once.
    let mut link = find::open(wanted, limit)?;
    // Dropped, and with it left, before an error is printed.
    let mut full = FullScreen::enter();
    loop {
        link.set_limit(Limit::of(patience));
        let answer = link.ask(&ControlRequest::Status)?;
        let Some(status) = answer.status else {
            return Err(CtlFailure::new(answer.message));
        };
        let size = screen::size();
        let mut drawn: Text = table::table(&status, report::colours(), size.map(|it| it.columns));
        let is_read = match (&full, size) {
            (Some(full), Some(size)) => {
                drawn.keep_lines(size.lines);
                full.draw(&drawn)
            }
            _ => screen::show(&drawn),
        };
        let is_left = match &mut full {
            Some(full) => full.is_left_within(PERIOD),
            None => {
                std::thread::park_timeout(PERIOD);
                false
            }
        };
        if is_left || !is_read {
            return Ok(());
        }
    }
}
