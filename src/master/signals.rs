//! The signals that the master gets, as events.

use super::shell::Shell;
use super::supervisor::{Event, Signal};
use super::upgrade::attempt::Then;
use super::{Error, children, upgrade};
use crate::sys::signals::{Arrival, SignalNumber as Raw};

pub fn handle(shell: &mut Shell<'_>, Arrival { signal, sender }: Arrival) -> Result<(), Error> {
    let event = match signal {
        Raw::CHLD => return children::reap(shell),
        Raw::HUP => Signal::Hup,
        Raw::TERM => Signal::Term,
        Raw::INT => Signal::Int,
        Raw::QUIT => Signal::Quit,
        Raw::TTIN => Signal::Ttin,
        Raw::TTOU => Signal::Ttou,
        Raw::USR1 => Signal::Usr1,
        Raw::WINCH => Signal::Winch,
        Raw::USR2 => {
            tracing::info!(%signal, sender, "signal received");
            upgrade::begin(shell, None, Then::Reload);
            return Ok(());
        }
        _ => return Ok(()),
    };
    match event {
        Signal::Winch => tracing::debug!(%signal, sender, "signal received"),
        _ => tracing::info!(%signal, sender, "signal received"),
    }
    shell.events.push(Event::Signal(event));
    Ok(())
}
