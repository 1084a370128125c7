//! The first steps of a forked mold, up to the host that runs Python in it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::child::MoldChild;
use crate::ipc::{Board, MoldChannel, Phase};
use crate::master::certificates::SharedCertificates;
use crate::master::child::settle;
use crate::master::generation::{GenerationConfig, Logs};
use crate::master::host::Host;
use crate::master::names;
use crate::master::worker_init::FAILED_TO_BOOT;
use crate::sys::process::{Parent, die_with_parent};
use crate::sys::signals::{SignalNumber, ignore_by_handler};
use crate::sys::{self, Audience, Identity, ListenerAddress, Pid, Protection};

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
    pub generation: u64,
    pub generation_config: GenerationConfig,
    pub logs: Logs,
    /// Initial state for the hooks of a configuration file.
    pub hooks: String,
    pub identity: Option<Identity>,
    pub channel: MoldChannel,
    pub lifeline: OwnedFd,
    pub board: Board,
    pub loaded_files: Option<OwnedFd>,
    pub certificates: Option<SharedCertificates>,
    /// Of the listeners that come with each order; those of a preview last.
    pub addresses: Vec<(ListenerAddress, Protection, Audience)>,
    pub master: Pid,
}

/// Runs the mold, and each worker that it forks; returns the exit code.
pub fn live(init: MoldInit, host: &dyn Host) -> u8 {
    let MoldInit {
        generation,
        generation_config,
        logs,
        hooks,
        identity,
        channel,
        lifeline,
        board,
        loaded_files,
        certificates,
        addresses,
        master,
    } = init;
    let settings = Arc::clone(&generation_config.settings);
    sys::set_title("rgun: mold", &names::mold(&settings, generation));
    ignore_by_handler(&FOR_THE_MASTER);
    // As gunicorn's master: the file and its hooks run as the user that started the server. The app does not.
    let (early, identity) = match settings.hooks {
        Some(_) => (None, identity),
        None => (identity, None),
    };
    let mold = MoldChild {
        settings,
        hooks,
        generation,
        identity,
        channel,
        lifeline,
        board,
        loaded_files,
        certificates,
        addresses,
        master,
    };
    if let Err(summary) = settle(&generation_config, logs, early.as_ref(), host) {
        mold.failed(Phase::Boot, &summary, "");
        return FAILED_TO_BOOT;
    }
    match die_with_parent(master, SignalNumber::KILL) {
        Ok(Parent::Alive) => host.run_mold(mold),
        Ok(Parent::Gone) => 0,
        Err(error) => {
            mold.failed(Phase::Boot, &error.to_string(), "");
            FAILED_TO_BOOT
        }
    }
}
