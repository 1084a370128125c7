//! The loop around the supervisor: what happens becomes events, and actions become syscalls.

use super::loop_control::{End, LoopControl};
use super::shell::Shell;
use super::{Error, act, monitor_helper, turn};

/// Runs until the end of the master, or the start of a child.
pub fn run(shell: &mut Shell<'_>) -> Result<End, Error> {
    let mut actions = shell.supervisor.start(shell.events.now());
    // One of the actions starts the monitor, which may get requests before the first turn.
    monitor_helper::publish(shell);
    loop {
        if let LoopControl::End(end) = act::perform(shell, actions) {
            return Ok(end);
        }
        let event = loop {
            if let Some(event) = shell.events.pop() {
                break event;
            }
            if let Some(code) = shell.events.leaving {
                return Ok(End::Exit(code));
            }
            monitor_helper::publish(shell);
            turn::turn(shell)?;
        };
        tracing::trace!(?event, "event");
        actions = shell.supervisor.handle(shell.events.now(), event);
    }
}
