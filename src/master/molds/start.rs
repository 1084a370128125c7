//! The first steps of a forked mold, up to the host that runs Python in it.

use super::child::MoldChild;
use crate::ipc::Phase;
use crate::master::child::settle;
use crate::master::generation::{GenerationConfig, Logs};
use crate::master::host::Host;
use crate::master::names;
use crate::master::worker_init::FAILED_TO_BOOT;
use crate::sys;
use crate::sys::process::{Parent, die_with_parent};
use crate::sys::signals::{SignalNumber, ignore_by_handler};

/// When sent to a whole group they are meant for the master, which ends a mold by closing its channel.
const FOR_THE_MASTER: [SignalNumber; 8] = [
    SignalNumber::HUP,
    SignalNumber::INT,
    SignalNumber::QUIT,
    SignalNumber::TERM,
    SignalNumber::USR1,
    SignalNumber::USR2,
    SignalNumber::TTIN,
    SignalNumber::TTOU,
];

/// What a forked mold takes along from the master's loop.
#[derive(Debug)]
pub struct MoldInit {
    pub mold: MoldChild,
    pub generation_config: GenerationConfig,
    pub logs: Logs,
}

/// Runs the mold, and each worker that it forks; returns the exit code.
pub fn live(init: MoldInit, host: &dyn Host) -> u8 {
    let MoldInit {
        mut mold,
        generation_config,
        logs,
    } = init;
    sys::set_title("rgun: mold", &names::mold(&mold.settings, mold.generation));
    ignore_by_handler(&FOR_THE_MASTER);
    // As gunicorn's master: the file and its hooks run as the user that started the server. The app does not.
    let early = match mold.settings.hooks {
        Some(_) => None,
        None => mold.identity.take(),
    };
    if let Err(summary) = settle(&generation_config, logs, early.as_ref(), host) {
        mold.failed(Phase::Boot, &summary, "");
        return FAILED_TO_BOOT;
    }
    match die_with_parent(mold.master, SignalNumber::KILL) {
        Ok(Parent::Alive) => host.run_mold(mold),
        Ok(Parent::Gone) => 0,
        Err(error) => {
            mold.failed(Phase::Boot, &error.to_string(), "");
            FAILED_TO_BOOT
        }
    }
}
