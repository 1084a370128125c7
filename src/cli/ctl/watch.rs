//! `status --watch`: the table, drawn anew every second. It ends with Ctrl-C, or with the server.

use std::time::Duration;

use super::find::{self, Wanted};
use super::link::Link;
use super::{Failure, Request, report, table};

const PERIOD: Duration = Duration::from_secs(1);
/// To the upper left, and everything below erased: no flicker.
const FROM_THE_TOP: &str = "\x1b[H\x1b[J";

pub fn watch(wanted: &Wanted) -> Result<(), Failure> {
    // Once: a choice is not asked for again.
    let mut link = Link::at(&find::find(wanted)?)?;
    loop {
        let answer = link.ask(&Request::Status)?;
        let Some(status) = answer.status else {
            return Err(Failure::new(answer.message));
        };
        let drawn = table::table(&status, report::colours());
        let clear = if report::is_terminal() {
            FROM_THE_TOP
        } else {
            ""
        };
        if !report::text(&format!("{clear}{drawn}")) {
            return Ok(());
        }
        std::thread::park_timeout(PERIOD);
    }
}
