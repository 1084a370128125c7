//! Memory of the server: how much is left for new workers, and which process the kernel kills first when none is.

use super::supervisor::{AvailableMemory, Supervisor, WorkerStage};
use super::worker_processes::WorkerProcesses;
use crate::sys::Pid;
use crate::sys::process::{oom_score, proportional, set_oom_score};

/// Number of workers sampled for the size of one: each costs a walk through its memory map.
const LOOKED_AT: usize = 4;
/// The first to be killed, whatever its size.
const FIRST: i32 = 1000;

/// `None`: there is no limit.
pub fn measure(fleet: &WorkerProcesses, supervisor: &Supervisor) -> Option<AvailableMemory> {
    let group = fleet.memory.usage()?;
    let serving = supervisor
        .workers()
        .filter(|view| view.stage == WorkerStage::Serving)
        .filter_map(|view| fleet.workers.get(view.who.incarnation));
    // The smallest is the best estimate for one that has just booted.
    let sizes = serving
        .take(LOOKED_AT)
        .filter_map(|worker| proportional(worker.pid));
    Some(AvailableMemory {
        limit: group.limit,
        free: group.headroom(),
        worker: sizes.min()?,
    })
}

/// The kernel kills booting workers before serving ones.
pub fn give_up_first(supervisor: &Supervisor, pid: Pid) {
    if supervisor.is_up()
        && let Err(error) = set_oom_score(pid, FIRST)
    {
        tracing::debug!(%error, "oom_score_adj of the booting worker not raised");
    }
}

/// The worker serves from now on.
pub fn keep_as_others(pid: Pid) {
    if oom_score(pid) == Some(FIRST)
        && let Err(error) = set_oom_score(pid, oom_score(Pid::this()).unwrap_or(0))
    {
        tracing::warn!(%error, "the kernel still takes this worker first when memory is short");
    }
}
