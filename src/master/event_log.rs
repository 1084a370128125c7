//! Writes the supervisor's reports as log lines, with the pids and texts that belong to them.

use super::configuration::Misconfigured;
use super::event_text::{
    ExitText, boot_words, delay, failures, finding, helper_words, mebibytes, ms, requests,
    retirement, retry_words, worse,
};
use super::molds::Molds;
use super::scaling::log_scaling;
use super::supervisor::{BootFailure, Generation, ReloadFailure, Report, Slot, StopMode, Who};
use super::workers::{WorkerFailure, Workers};

/// Remembers the last traceback, so that a crash loop does not print the same one repeatedly.
#[derive(Debug, Default)]
pub struct EventLog {
    last: Option<WorkerFailure>,
    /// Why the last read of the configuration failed.
    pub config_error: Misconfigured,
    /// Why the last reload failed, unless a later one succeeded or an operator went back.
    pub last_reload_failure: Option<String>,
    /// The first boot has failed: its reason must be the last line.
    start_failed: bool,
}

impl EventLog {
    pub fn write(&mut self, report: &Report, workers: &Workers, molds: &Molds) {
        let pid = |worker: &Who| {
            workers
                .facts(worker.incarnation)
                .pid
                .map(crate::sys::Pid::as_raw)
        };
        self.start_failed |= matches!(
            report,
            Report::FirstBootFailed { .. }
                | Report::FirstMoldFailed { .. }
                | Report::PreparationFailed { .. }
        );
        if self.start_failed
            && matches!(report, Report::Stopping { .. } | Report::WorkerLeft { .. })
        {
            tracing::debug!("the start has failed, stopping what was started");
            return;
        }
        match report {
            // The command's own exit was logged with its name.
            Report::PreparationFailed { code, .. } => {
                tracing::error!(code, "aborting startup: --run-before command failed")
            }
            Report::PreparationTimedOut { .. } => {
                tracing::error!(
                    "--run-before command exceeded --run-before-timeout, terminating it"
                )
            }
            Report::MoldReady { .. }
            | Report::MoldFailed { .. }
            | Report::MoldDied { .. }
            | Report::FirstMoldFailed { .. } => self.write_mold(report, molds),
            Report::WorkerReady { worker, after } => tracing::info!(
                slot = worker.slot.0,
                generation = worker.generation.0,
                pid = pid(worker),
                after_ms = ms(*after),
                "worker ready"
            ),
            Report::BootFailed { worker, why, retry } => {
                let (reason, traceback) = self.boot_failure(worker, *why, workers, Repeated::Once);
                let delay_ms = delay(*retry).map(ms);
                tracing::error!(
                    slot = worker.slot.0,
                    generation = worker.generation.0,
                    pid = pid(worker),
                    reason,
                    retry = retry_words(*retry),
                    failures = failures(*retry),
                    delay_ms,
                    traceback,
                    "worker failed to boot"
                );
            }
            Report::WorkerDied {
                worker,
                exit,
                uptime,
                retry,
            } => {
                let requests = requests(workers.facts(worker.incarnation).in_flight);
                tracing::error!(
                    slot = worker.slot.0, generation = worker.generation.0, pid = pid(worker), exit = %ExitText(*exit),
                    uptime_ms = ms(*uptime), retry = retry_words(*retry), failures = failures(*retry),
                    delay_ms = delay(*retry).map(ms), requests, "worker died"
                );
            }
            Report::WorkerLeft {
                worker,
                exit,
                after,
            } => tracing::info!(
                slot = worker.slot.0, generation = worker.generation.0, pid = pid(worker), exit = %ExitText(*exit),
                after_ms = ms(*after), "worker exited"
            ),
            // Logged when its stacks are complete (`hang`).
            Report::WorkerHung { .. } => {}
            Report::WorkerLeaves { worker } => tracing::info!(
                slot = worker.slot.0,
                generation = worker.generation.0,
                pid = pid(worker),
                "worker received SIGTERM from another process, replacing it"
            ),
            Report::Up { workers } => tracing::info!(workers, "all workers ready"),
            Report::FirstBootFailed { worker, why, code } => {
                let (reason, traceback) =
                    self.boot_failure(worker, *why, workers, Repeated::Always);
                tracing::error!(
                    slot = worker.slot.0,
                    pid = pid(worker),
                    reason,
                    code,
                    traceback,
                    "the server did not come up"
                );
            }
            Report::AllFailing => {
                tracing::error!("all workers fail; trying again")
            }
            Report::ReloadQueued => {
                tracing::info!("reload queued until the current operation completes")
            }
            Report::ReloadBegan { generation } => {
                tracing::info!(generation = generation.0, "reload began")
            }
            Report::ReloadLimited {
                generation,
                at_once,
                memory,
            } => tracing::warn!(
                generation = generation.0,
                at_once,
                free = memory.free,
                worker = memory.worker,
                limit = memory.limit,
                "not enough memory for two generations: replacing workers in batches"
            ),
            Report::Reloaded {
                generation,
                workers,
            } => {
                self.last_reload_failure = None;
                tracing::info!(generation = generation.0, workers, "reload succeeded");
            }
            Report::ReloadFailed {
                generation,
                why: ReloadFailure::Overtaken,
                ..
            } => tracing::info!(
                generation = generation.0,
                "reload abandoned: files have changed again"
            ),
            Report::ReloadFailed {
                generation,
                why: ReloadFailure::Abandoned,
                ..
            } => tracing::info!(
                generation = generation.0,
                "reload abandoned: the server is stopping"
            ),
            Report::ReloadFailed {
                generation,
                why,
                replaced,
                of,
            } => {
                let (reason, traceback) = self.reload_failure(why, workers, molds);
                self.last_reload_failure = Some(reason.clone());
                tracing::error!(
                    generation = generation.0,
                    reason,
                    replaced,
                    of,
                    traceback,
                    "reload rolled back: the old workers go on"
                );
            }
            Report::StageBegan { generation, .. } => {
                tracing::info!(generation = generation.0, "staging began");
            }
            Report::Staged {
                generation,
                workers,
            } => tracing::info!(
                generation = generation.0,
                workers,
                "generation staged: ready beside the serving one"
            ),
            Report::CanaryServes {
                generation,
                slots,
                of,
            } => tracing::info!(generation = generation.0, slots, of, "canary serves"),
            Report::CanaryVerdict {
                generation,
                evidence,
            } => tracing::info!(
                generation = generation.0,
                verdict = finding(evidence.finding),
                requests = evidence.new.requests,
                errors = evidence.new.errors,
                exceptions = evidence.new.exceptions,
                p95_ms = ms(evidence.new.p95),
                old_requests = evidence.old.requests,
                old_errors = evidence.old.errors,
                old_exceptions = evidence.old.exceptions,
                old_p95_ms = ms(evidence.old.p95),
                "canary verdict"
            ),
            Report::TakingBack { generation, why } => {
                let (reason, traceback) = self.reload_failure(why, workers, molds);
                tracing::warn!(
                    generation = generation.0,
                    reason,
                    traceback,
                    "taking a generation back"
                );
            }
            Report::TakenBack {
                generation,
                to,
                why,
            } => {
                // An operator who goes back has seen what failed before.
                self.last_reload_failure = (*why != ReloadFailure::Discarded)
                    .then(|| self.reload_failure(why, workers, molds).0);
                tracing::info!(
                    generation = generation.0,
                    to = to.0,
                    "generation taken back: the one before serves"
                );
            }
            Report::KeptForRollback { generation, window } => tracing::info!(
                generation = generation.0,
                window_ms = ms(*window),
                "generation kept for a rollback"
            ),
            Report::KeptNoMore { generation } => {
                tracing::info!(generation = generation.0, "generation kept no more")
            }
            Report::PromotionBegan { generation } => {
                tracing::info!(generation = generation.0, "promotion began");
            }
            Report::Discarded { generation } => {
                tracing::info!(generation = generation.0, "generation discarded");
            }
            Report::ReloadRefused { generation } => tracing::warn!(
                generation = generation.map(|generation| generation.0),
                hint = "rgun ctl promote, or rgun ctl discard",
                "reload refused: a generation is staged"
            ),
            Report::Scaled { from, to } => tracing::info!(from, to, "number of workers changed"),
            Report::ScaledByLoad(decision) => log_scaling(decision),
            Report::NoRoomToScale { workers, memory } => tracing::warn!(
                workers,
                limit = memory.limit,
                free = memory.free,
                of_a_worker = memory.worker,
                hint = "raise the memory limit or --scale-memory, or lower the greatest number of workers",
                "no worker added: it would not fit into the memory"
            ),
            Report::TooManyWorkers { most } => {
                tracing::warn!(
                    most,
                    "SIGTTIN ignored: the maximum number of workers is reached"
                );
            }
            Report::Retiring {
                worker,
                why,
                excess,
            } => {
                tracing::info!(
                    slot = worker.slot.0,
                    generation = worker.generation.0,
                    pid = pid(worker),
                    reason = retirement(*why),
                    value = excess.map(|excess| excess.value),
                    limit = excess.map(|excess| excess.limit),
                    "worker retires when its replacement is ready"
                );
            }
            Report::Replaced { old, new } => {
                tracing::info!(
                    slot = new.slot.0,
                    old_pid = pid(old),
                    pid = pid(new),
                    "worker replaced"
                );
            }
            Report::Stopping {
                mode: StopMode::Graceful,
            } => tracing::info!(mode = "graceful", "stopping"),
            Report::Stopping {
                mode: StopMode::Fast,
            } => tracing::info!(mode = "fast", "stopping"),
            Report::HelperPaced { helper, retry } => tracing::info!(
                helper = helper_words(*helper),
                failures = failures(*retry),
                delay_ms = delay(*retry).map(ms),
                "helper failed, restarting it after a delay"
            ),
            // With its name (`companions::record`).
            Report::Companion { .. } => {}
            Report::HelpersLate { after } => tracing::warn!(
                after_ms = ms(*after),
                "shutdown timed out: the on_exit hook, or the monitor, has not ended"
            ),
            Report::ShutdownDelayed { by } => tracing::info!(
                delay_ms = ms(*by),
                "the drain begins after the shutdown delay"
            ),
            Report::Suspended { late } => tracing::warn!(
                late_ms = ms(*late),
                "the master did not run; its deadlines were moved"
            ),
            Report::SignalIgnored => tracing::debug!("signal ignored"),
        }
    }

    fn write_mold(&self, report: &Report, molds: &Molds) {
        match *report {
            Report::MoldReady { generation, after } => tracing::info!(
                generation = generation.0,
                after_ms = ms(after),
                "mold ready, workers are forked from it"
            ),
            Report::MoldFailed {
                generation,
                why,
                retry,
            } => {
                let (reason, traceback) = mold_failure(generation, why, molds);
                tracing::error!(
                    generation = generation.0,
                    reason,
                    retry = retry_words(retry),
                    failures = failures(retry),
                    delay_ms = delay(retry).map(ms),
                    traceback,
                    "mold failed to boot: workers that end are replaced once there is one"
                );
            }
            Report::MoldDied {
                generation,
                why,
                retry,
            } => tracing::error!(
                generation = generation.0,
                reason = match why {
                    BootFailure::Exited(exit) => ExitText(exit).to_string(),
                    _ => "it did not fork within --boot-timeout".to_owned(),
                },
                retry = retry_words(retry),
                failures = failures(retry),
                delay_ms = delay(retry).map(ms),
                "mold died, starting another one: its workers go on"
            ),
            Report::FirstMoldFailed { why, code } => {
                let (reason, traceback) = mold_failure(Generation(1), why, molds);
                tracing::error!(reason, code, traceback, "the server did not come up");
            }
            _ => {}
        }
    }

    /// The reason as text, with the worker's own if it sent one; and the traceback, unless it was printed already.
    fn boot_failure(
        &mut self,
        worker: &Who,
        why: BootFailure,
        workers: &Workers,
        repeated: Repeated,
    ) -> (String, Option<String>) {
        let reason = boot_words(why);
        let Some(failure) = workers.facts(worker.incarnation).failure else {
            return (reason, None);
        };
        let reason = if failure.summary.is_empty() {
            reason
        } else {
            format!("{reason}: {}", failure.summary)
        };
        let is_new = repeated == Repeated::Always || self.last.as_ref() != Some(failure);
        self.last = Some(failure.clone());
        let traceback =
            (is_new && !failure.traceback.is_empty()).then(|| failure.traceback.clone());
        (reason, traceback)
    }

    /// Why a worker was not restarted.
    pub fn restart_failure(
        &self,
        slot: Slot,
        why: BootFailure,
        workers: &Workers,
    ) -> (String, Option<String>) {
        let has_text = matches!(why, BootFailure::Reported(_));
        match workers.last_words(slot).filter(|_| has_text) {
            None => (boot_words(why), None),
            Some(words) => (
                format!("{}: {}", boot_words(why), words.summary),
                Some(words.traceback.clone()).filter(|text| !text.is_empty()),
            ),
        }
    }

    pub fn reload_failure(
        &mut self,
        why: &ReloadFailure,
        workers: &Workers,
        molds: &Molds,
    ) -> (String, Option<String>) {
        match why {
            ReloadFailure::BadConfig => (
                format!("the configuration is wrong: {}", self.config_error.message),
                self.config_error.traceback.clone(),
            ),
            ReloadFailure::Boot { worker, why } => {
                self.boot_failure(worker, *why, workers, Repeated::Always)
            }
            ReloadFailure::Mold { generation, why } => mold_failure(*generation, *why, molds),
            ReloadFailure::Died { worker, exit } => (
                format!(
                    "the new worker of slot {} died: {}",
                    worker.slot,
                    ExitText(*exit)
                ),
                None,
            ),
            ReloadFailure::Hung { worker } => {
                (format!("the new worker of slot {} hung", worker.slot), None)
            }
            ReloadFailure::NoMemory { memory } => (
                format!(
                    "a new worker takes {}, and {} of the memory limit of {} are free",
                    mebibytes(memory.worker),
                    mebibytes(memory.free),
                    mebibytes(memory.limit)
                ),
                None,
            ),
            ReloadFailure::Overtaken => ("the files have changed again".to_owned(), None),
            ReloadFailure::Discarded => ("discarded by an operator".to_owned(), None),
            ReloadFailure::Worse(evidence) => (worse(evidence), None),
            ReloadFailure::TooFewRequests { requests, wanted } => (
                format!("the canary has answered {requests} requests in its time, not {wanted}"),
                None,
            ),
            ReloadFailure::TimeOver => {
                ("the canary expired without being promoted".to_owned(), None)
            }
            ReloadFailure::Abandoned => ("the server stops".to_owned(), None),
        }
    }
}

/// The reason as text, with the mold's own if it sent one.
fn mold_failure(
    generation: Generation,
    why: BootFailure,
    molds: &Molds,
) -> (String, Option<String>) {
    let reason = boot_words(why);
    match molds.failure(generation) {
        Some(failure) if matches!(why, BootFailure::Reported(_)) => (
            format!("{reason}: {}", failure.summary),
            Some(failure.traceback.clone()).filter(|text| !text.is_empty()),
        ),
        Some(_) | None => (reason, None),
    }
}

/// Whether a text that was the last one printed is printed again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    Always,
    Once,
}
