//! `status --watch`: the table, drawn anew every second. It ends with Ctrl-C, or with the server.

use std::time::Duration;

use super::find::{self, Wanted};
use super::link::{Limit, Link};
use super::screen::{self, Text};
use super::{Failure, Request, report, table};

const PERIOD: Duration = Duration::from_secs(1);
/// To the upper left, and everything below erased: no flicker.
const FROM_THE_TOP: &str = "\x1b[H\x1b[J";

/// `patience`: for each answer.
pub fn watch(wanted: &Wanted, patience: Option<Duration>) -> Result<(), Failure> {
    // Once: a choice is not asked for again.
    let limit = Limit::of(patience);
    let mut link = Link::at(&find::find(wanted, limit)?, limit)?;
    loop {
        link.set_limit(Limit::of(patience));
        let answer = link.ask(&Request::Status)?;
        let Some(status) = answer.status else {
            return Err(Failure::new(answer.message));
        };
        let mut drawn = Text::default();
        if report::is_terminal() {
            drawn.style(FROM_THE_TOP);
        }
        drawn.add(&table::table(&status, report::colours()));
        if !screen::show(&drawn) {
            return Ok(());
        }
        std::thread::park_timeout(PERIOD);
    }
}
