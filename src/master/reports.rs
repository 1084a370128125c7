//! The supervisor's reports: what follows from them in the parts of the master, and the log.

use super::hang::Hang;
use super::molds::hooks;
use super::shell::Shell;
use super::supervisor::{Generation, Report};
use super::{banner, companions, listeners, logs, preview};
use crate::ipc::ToWorker;
use crate::sys;

pub fn take(shell: &mut Shell<'_>, report: Report) {
    follow(shell, &report);
    shell
        .reporting
        .take(&report, &shell.fleet.workers, &shell.molds);
    // Replaces the log records of the start, including this one.
    if let Report::Up { .. } = report {
        banner::show(&shell.generations, &shell.listening, &shell.reporting);
    }
}

fn follow(shell: &mut Shell<'_>, report: &Report) {
    match report {
        Report::ReloadFailed { generation, .. } | Report::Discarded { generation } => {
            shell.listening.previews.end(*generation);
        }
        Report::TakenBack { generation, to, .. } => {
            shell.listening.previews.end(*generation);
            serve(shell, *to);
        }
        Report::Reloaded { generation, .. } => {
            shell.listening.previews.end(*generation);
            serve(shell, *generation);
        }
        Report::Staged { generation, .. } => {
            preview::note_held(
                &shell.generations,
                shell.supervisor.generation(),
                *generation,
            );
        }
        Report::CanaryServes { generation, .. } => preview::note_canary(
            &shell.generations,
            &shell.listening.previews,
            &shell.supervisor,
            *generation,
        ),
        Report::StageBegan { generation, token } => {
            shell.listening.previews.begin(*generation, *token);
        }
        Report::Scaled { from, to } => workers_changed(shell, *from, *to),
        Report::ScaledByLoad(decision) => {
            shell.fleet.load.count(decision);
            workers_changed(shell, decision.from, decision.to);
        }
        Report::ScaledByCpus { from, to, .. } if from != to => workers_changed(shell, *from, *to),
        Report::Companion { companion, what } => companions::note(
            &mut shell.helpers.companions,
            &shell.supervisor,
            *companion,
            *what,
        ),
        // From here on there is little work.
        Report::Up { .. } => sys::trim(),
        Report::WorkerHung {
            worker: who,
            age,
            extent,
        } => {
            if let Some(worker) = shell.fleet.workers.get_mut(who.incarnation) {
                let in_flight = worker.page.in_flight();
                worker.hang = Some(Hang::new(in_flight, who.generation.0, *age, *extent));
            }
        }
        Report::ShutdownDelayed { .. } => shell.fleet.tell_all(&ToWorker::CloseAfterAnswers),
        _ => {}
    }
}

/// That generation serves now.
fn serve(shell: &mut Shell<'_>, generation: Generation) {
    let monitor = &mut shell.helpers.monitor;
    logs::follow(&shell.fleet, &mut shell.generations, monitor, generation);
    listeners::show(
        &shell.generations,
        monitor,
        &mut shell.listening,
        generation,
    );
}

fn workers_changed(shell: &Shell<'_>, old: u32, new: u32) {
    hooks::workers_changed(
        &shell.generations,
        &shell.molds,
        shell.supervisor.generation(),
        old,
        new,
    );
}
