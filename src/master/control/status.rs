//! The status of the server for `rgun ctl status`, from the supervisor, the scoreboard and the system.

use std::time::Duration;

use super::companions;
use super::protocol::{
    InFlightRequest, PreviousGeneration, Reloads, RolloutStatus, ScaleChange, ScalingStatus,
    Status, WorkerStatus,
};
use crate::config::{DjangoFiles, StaticFiles};
use crate::master::event_text::kept;
use crate::master::reporting::Reporting;
use crate::master::scaling::reason;
use crate::master::shell::Shell;
use crate::master::supervisor::{RolloutStage, ScalingView, ServerState, WorkerStage, WorkerView};
use crate::master::workers::Workers;
use crate::sys::clock;
use crate::sys::process::resident;

pub fn of(shell: &Shell<'_>) -> Status {
    let now = clock::monotonic_ms();
    let mut workers: Vec<WorkerStatus> = shell
        .supervisor
        .workers()
        .filter_map(|view| worker_status(&shell.fleet.workers, &shell.reporting, &view, now))
        .collect();
    workers.sort_by_key(|worker| (worker.slot, worker.generation, worker.pid));
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        name: shell.generations.first.process_name.clone(),
        app: shell.generations.first.app.to_string(),
        state: service(shell.supervisor.service()).to_owned(),
        generation: shell.supervisor.generation().0,
        uptime_ms: u64::try_from(shell.events.now().0.as_millis()).unwrap_or(u64::MAX),
        listeners: shell.listening.addresses.to_vec(),
        static_files: shell
            .generations
            .get(shell.supervisor.generation())
            .map(|generation_config| {
                let reported = &shell.reporting.static_files;
                mounts(&generation_config.settings.files, reported)
            })
            .unwrap_or_default(),
        rollout: shell.supervisor.rollout().map(|rollout| RolloutStatus {
            generation: rollout.generation.0,
            state: rollout_stage(rollout.stage).to_owned(),
            slots: rollout.slots,
            left_ms: rollout.left.map(ms),
            preview: shell.listening.preview_addresses(rollout.generation),
        }),
        previous: shell
            .supervisor
            .previous()
            .map(|previous| PreviousGeneration {
                generation: previous.generation.0,
                left_ms: ms(previous.left),
                kept: kept(previous.kept).to_owned(),
            }),
        workers_wanted: shell.supervisor.target(),
        scaling: shell.supervisor.scaling().map(scaling_status),
        reloads: Reloads {
            succeeded: shell.reporting.restart_counters.reloads,
            failed: shell.reporting.restart_counters.reloads_failed,
            last_failure: shell.reporting.event_log.last_reload_failure.clone(),
        },
        workers,
        companions: companions::status(&shell.helpers.companions, &shell.supervisor, now),
    }
}

fn worker_status(
    workers: &Workers,
    reporting: &Reporting,
    view: &WorkerView,
    now: u64,
) -> Option<WorkerStatus> {
    let worker = workers.get(view.who.incarnation)?;
    let counters = worker.page.counters();
    let since = |moment: u64| now.saturating_sub(moment);
    Some(WorkerStatus {
        slot: view.who.slot.0,
        generation: view.who.generation.0,
        pid: worker.pid.as_raw(),
        state: stage(view.stage).to_owned(),
        age_ms: since(worker.born_ms),
        silent_ms: since(worker.page.heartbeat().max(worker.born_ms)),
        restarts: reporting.restart_counters.restarts_of(view.who.slot),
        requests: counters.requests,
        requests_per_second: worker.rate.requests_per_second(),
        busy: worker.rate.busy(worker.page.threads()),
        connections: worker.page.connections(),
        in_flight: counters.in_flight(),
        memory: resident(worker.pid),
        oldest: worker
            .page
            .in_flight()
            .into_iter()
            .map(|request| InFlightRequest {
                method: request.method,
                path: request.path,
                age_ms: since(request.started_ms),
                id: request.id,
                running: request.runs,
            })
            .collect(),
    })
}

fn scaling_status(view: ScalingView) -> ScalingStatus {
    ScalingStatus {
        least: view.bounds.least,
        most: view.bounds.most,
        last: view.last.map(|(decision, ago)| ScaleChange {
            from: decision.from,
            to: decision.to,
            reason: reason(decision.why).to_owned(),
            ago_ms: ms(ago),
            busy_percent: decision.busy / 10,
            wait_p95_ms: ms(decision.wait),
            waiting: decision.waiting,
            in_flight: decision.in_flight,
        }),
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// `reported`: of a worker, which knows Django's settings.
fn mounts(files: &StaticFiles, reported: &str) -> Vec<String> {
    if !files.of_django.is_empty() && !reported.is_empty() {
        return reported.lines().map(str::to_owned).collect();
    }
    let named = files.mounts.iter().map(ToString::to_string);
    let of_django = files.of_django.iter().map(|files| match files {
        DjangoFiles::Static => "STATIC_URL -> STATIC_ROOT of Django's settings".to_owned(),
        DjangoFiles::Media => "MEDIA_URL -> MEDIA_ROOT of Django's settings".to_owned(),
    });
    named.chain(of_django).collect()
}

fn service(service: ServerState) -> &'static str {
    match service {
        ServerState::Booting => "booting",
        ServerState::Serving => "serving",
        ServerState::Reloading => "reloading",
        ServerState::Stopping => "stopping",
    }
}

fn rollout_stage(stage: RolloutStage) -> &'static str {
    match stage {
        RolloutStage::Reloading => "reloading",
        RolloutStage::Staging => "staging",
        RolloutStage::Staged => "staged",
        RolloutStage::CanaryBooting => "canary-booting",
        RolloutStage::Canary => "canary",
        RolloutStage::TakingBack => "taking-back",
    }
}

fn stage(stage: WorkerStage) -> &'static str {
    match stage {
        WorkerStage::Booting => "booting",
        WorkerStage::Standby => "standby",
        WorkerStage::Serving => "serving",
        WorkerStage::Paused => "paused",
        WorkerStage::Hung => "hung",
        WorkerStage::Draining => "draining",
        WorkerStage::Stopping => "stopping",
    }
}
