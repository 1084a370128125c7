//! The first of two masters, as the second one finds it at its start (`second.rs`).

use std::env;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

use super::state::text_behind;
use crate::config::Settings;
use crate::master::Error;
use crate::master::listeners::{ListenerSet, ListenersState, ServerListeners};
use crate::sys::process::remove_variable;
use crate::sys::{Pid, close_inherited};

/// Names the descriptor of what the first master passes on.
pub(super) const VARIABLE: &str = "__RGUN_FIRST_MASTER";

/// The first master, as the second one sees it.
#[derive(Debug)]
pub struct FirstMaster {
    pub pid: Pid,
    state: SharedListeners,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SharedListeners {
    pub(super) pid: i32,
    pub(super) listeners: ListenersState,
    pub(super) descriptors: Vec<RawFd>,
}

impl FirstMaster {
    /// Looked for once, before anything else: what names it is taken out of the environment.
    pub fn of_this_process() -> Option<Self> {
        let memory: RawFd = env::var(VARIABLE).ok()?.parse().ok()?;
        remove_variable(VARIABLE);
        let text = text_behind(memory).ok()?;
        let state: SharedListeners = serde_json::from_str(&text).ok()?;
        close_inherited(&[memory]);
        Some(Self {
            pid: Pid::new(state.pid)?,
            state,
        })
    }

    /// Those of these settings: the first master's where it has them, others are opened.
    ///
    /// # Errors
    /// The address that cannot be listened at; nothing has changed for the first master.
    pub fn listeners(self, settings: &Settings) -> Result<(ServerListeners, ListenerSet), Error> {
        let SharedListeners {
            listeners,
            descriptors,
            ..
        } = self.state;
        let mut listeners = ServerListeners::restore(listeners, settings.port_sharing)?;
        // All of them were copied.
        close_inherited(&descriptors);
        listeners.share();
        let set = listeners.follow(settings, settings)?;
        listeners.keep_only(|number| set.has(number), &[]);
        Ok((listeners, set))
    }
}
