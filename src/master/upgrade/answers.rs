//! Messages about an upgrade, to the clients of the control socket and the log.

use crate::master::control::Control;
use crate::master::control::protocol::ControlResponse;
use crate::master::supervisor::Token;

pub fn failed(control: &mut Control, callers: &[Token], why: &str) {
    tracing::error!(
        event = "upgrade_failed",
        error = why,
        "upgrade failed, the running program goes on"
    );
    let response = ControlResponse::failed(format!("not upgraded, the server is as it was: {why}"));
    for caller in callers {
        control.answer(*caller, &response);
    }
}
