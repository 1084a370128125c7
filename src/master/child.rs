//! The first steps of a forked worker, before its host takes over.

use super::commands::PRIVATE;
use super::generation::{GenerationConfig, Logs};
use super::host::Host;
use super::names;
use super::worker_init::{FAILED_TO_BOOT, WorkerInit};
use crate::config::Prints;
use crate::ipc::{FromWorker, Phase, ScoreboardState};
use crate::observability;
use crate::sys::process::{Parent, die_with_parent, remove_variable, set_variable};
use crate::sys::signals::SignalNumber;
use crate::sys::{self, Identity, Pid, clock};

/// What a forked child takes along from the loop.
pub struct ChildContext {
    pub worker_init: WorkerInit,
    pub generation_config: GenerationConfig,
    pub logs: Logs,
    pub identity: Option<Identity>,
}

/// Runs the worker; returns its exit code.
///
/// Called in the child, after signals and the interpreter are set up and everything that belongs to the master is
/// closed.
pub fn live(child: ChildContext, host: &dyn Host) -> u8 {
    let ChildContext {
        worker_init,
        generation_config,
        logs,
        identity,
    } = child;
    worker_init
        .page
        .set_pid(u64::try_from(Pid::this().as_raw()).unwrap_or(0));
    sys::set_title(
        &format!("rgun: worker {}", worker_init.slot),
        &names::worker(
            &worker_init.settings,
            worker_init.slot,
            worker_init.generation,
        ),
    );
    worker_init.page.set_state(ScoreboardState::Booting);
    worker_init.page.beat(clock::monotonic_ms());
    if let Err(summary) = settle(&generation_config, logs, identity.as_ref(), host) {
        return fail(&worker_init, summary);
    }
    // After the change of user, which would reset it.
    match die_with_parent(worker_init.master, SignalNumber::TERM) {
        Ok(Parent::Alive) => {}
        // The master is gone, and nothing was begun.
        Ok(Parent::Gone) => return 0,
        Err(error) => return fail(&worker_init, error.to_string()),
    }
    host.run_worker(worker_init)
}

/// Sets up the environment of its generation: variables, directory, logs, user.
///
/// # Errors
/// What the process cannot have, as text.
pub fn settle(
    generation_config: &GenerationConfig,
    logs: Logs,
    identity: Option<&Identity>,
    host: &dyn Host,
) -> Result<(), String> {
    let settings = &generation_config.settings;
    PRIVATE.iter().for_each(|name| remove_variable(name));
    // A Python configuration file with hooks runs before the environment is set, as with gunicorn.
    if settings.hooks.is_none() {
        let given = settings.env.iter();
        given.for_each(|(name, value)| set_variable(name, value));
    }
    generation_config.enter()?;
    // A file that cannot be opened makes this boot fail, and with it the reload that configured it.
    if logs == Logs::ToOpen {
        observability::start(settings).map_err(|e| e.to_string())?;
    }
    if settings.logging.prints == Prints::ToErrorLog {
        observability::capture_prints().map_err(|e| e.to_string())?;
    }
    if let Some(identity) = identity {
        host.before_identity();
        identity.assume().map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn fail(worker_init: &WorkerInit, summary: String) -> u8 {
    let failed = FromWorker::Failed {
        phase: Phase::Boot,
        summary,
        traceback: String::new(),
    };
    // If the master is gone, there is no process that could handle it.
    drop(worker_init.channel.send(&failed));
    FAILED_TO_BOOT
}
