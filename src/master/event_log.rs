//! Writes the supervisor's reports as log lines, with the pids and texts that belong to them.

mod next_step;
mod rollouts;

use self::next_step::next_step;
use super::configuration::Misconfigured;
use super::event_text::{
    ExitText, boot_words, delay, failures, helper_words, ms, refork_words, requests, retirement,
    retry_words,
};
use super::failed_start::FailedStart;
use super::molds::Molds;
use super::scaling::log_scaling;
use super::supervisor::{
    BootFailure, Evidence, Exit, Generation, ReforkFailure, Report, Retry, Slot, StopMode, Who,
};
use super::workers::{WorkerFailure, Workers};

/// Remembers the last traceback, so that a crash loop does not print the same one repeatedly.
#[derive(Debug, Default)]
pub struct EventLog {
    last: Option<WorkerFailure>,
    /// Why the last read of the configuration failed.
    pub config_error: Misconfigured,
    /// Why the last reload failed, unless a later one succeeded or an operator went back.
    pub last_reload_failure: Option<String>,
    /// Of the canary that was judged last.
    verdict: Option<(Generation, Evidence)>,
    /// The first boot has failed: its reason must be the last line.
    start_failed: bool,
    /// Why the most recent boot has failed, while the server was not up.
    pub start_failure: Option<FailedStart>,
}

impl EventLog {
    /// The last line. A start that failed has the reason as its last line.
    pub fn stopped(&self, exit_code: u8) {
        if !self.start_failed {
            tracing::info!(event = "server_stopped", exit_code, "stopped");
        }
    }

    pub fn write(&mut self, report: &Report, workers: &Workers, molds: &Molds) {
        let pid = |worker: &Who| {
            workers
                .facts(worker.incarnation)
                .pid
                .map(crate::sys::Pid::as_raw)
        };
        self.start_failed |= report.ends_first_boot();
        if self.start_failed
            && matches!(report, Report::Stopping { .. } | Report::WorkerLeft { .. })
        {
            tracing::debug!("the start has failed, stopping what was started");
            return;
        }
        match report {
            // The command's own exit was logged with its name.
            Report::PreparationFailed { step, code } => {
                self.start_failure = Some(preparation_failure(*step, *code));
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
            | Report::MoldAdopted { .. }
            | Report::Reforked { .. }
            | Report::NotReforked { .. }
            | Report::FirstMoldFailed { .. } => self.write_mold(report, molds),
            Report::WorkerReady { worker, after } => tracing::info!(
                event = "worker_ready",
                slot = worker.slot.0,
                generation = worker.generation.0,
                pid = pid(worker),
                after_ms = ms(*after),
                "worker ready"
            ),
            Report::BootFailed { worker, why, retry } => {
                let (reason, traceback) = self.boot_failure(worker, *why, workers, Repeated::Once);
                if *retry == Retry::AtNextChange {
                    self.start_failure = Some(FailedStart::new(&reason, traceback.as_deref()));
                }
                let delay_ms = delay(*retry).map(ms);
                tracing::error!(
                    event = "worker_boot_failed",
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
                tracing::error!(event = "worker_died",
                    slot = worker.slot.0, generation = worker.generation.0, pid = pid(worker), exit = %ExitText(*exit),
                    uptime_ms = ms(*uptime), retry = retry_words(*retry), failures = failures(*retry),
                    delay_ms = delay(*retry).map(ms), requests, "worker died"
                );
            }
            Report::WorkerLeft {
                worker,
                exit,
                after,
            } => tracing::info!(event = "worker_exited",
                slot = worker.slot.0, generation = worker.generation.0, pid = pid(worker), exit = %ExitText(*exit),
                after_ms = ms(*after), "worker exited"
            ),
            // Logged when its stacks are complete (`hang`).
            Report::WorkerHung { .. } => {}
            Report::WorkerLeaves { worker } => tracing::info!(
                event = "worker_leaving",
                slot = worker.slot.0,
                generation = worker.generation.0,
                pid = pid(worker),
                "worker ends without a request of the master (a hook, or a signal of another process: it logs which), replacing it"
            ),
            Report::Up { workers } => {
                self.start_failure = None;
                tracing::info!(event = "server_ready", workers, "all workers ready");
            }
            Report::FirstBootFailed { worker, why, code } => {
                let (reason, traceback) =
                    self.boot_failure(worker, *why, workers, Repeated::Always);
                self.start_failure = Some(FailedStart::new(&reason, traceback.as_deref()));
                tracing::error!(
                    event = "start_failed",
                    slot = worker.slot.0,
                    pid = pid(worker),
                    reason,
                    code,
                    hint = next_step(traceback.as_deref()),
                    traceback,
                    "the server did not come up"
                );
            }
            Report::AllFailing => {
                tracing::error!(event = "workers_failing", "all workers fail; trying again")
            }
            Report::ReloadQueued
            | Report::ReloadBegan { .. }
            | Report::ReloadLimited { .. }
            | Report::Reloaded { .. }
            | Report::ReloadFailed { .. }
            | Report::StageBegan { .. }
            | Report::Staged { .. }
            | Report::CanaryServes { .. }
            | Report::CanaryVerdict { .. }
            | Report::TakingBack { .. }
            | Report::TakenBack { .. }
            | Report::NotTakenBack { .. }
            | Report::KeptForRollback { .. }
            | Report::KeptNoMore { .. }
            | Report::PromotionBegan { .. }
            | Report::Discarded { .. }
            | Report::ReloadRefused { .. } => self.write_rollout(report, workers, molds),
            Report::Scaled { from, to } => tracing::info!(
                event = "workers_scaled",
                from,
                to,
                "number of workers changed"
            ),
            Report::ScaledByLoad(decision) => log_scaling(decision),
            Report::ScaledByCpus {
                cpus,
                from,
                to,
                bounds,
            } => tracing::info!(
                event = "workers_scaled",
                cpus,
                from,
                to,
                least = bounds.map(|bounds| bounds.least),
                most = bounds.map(|bounds| bounds.most),
                "number of workers follows the CPUs"
            ),
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
                    event = "worker_retiring",
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
                    event = "worker_replaced",
                    slot = new.slot.0,
                    old_pid = pid(old),
                    pid = pid(new),
                    "worker replaced"
                );
            }
            Report::Stopping {
                mode: StopMode::Graceful,
            } => tracing::info!(event = "server_stopping", mode = "graceful", "stopping"),
            Report::Stopping {
                mode: StopMode::Fast,
            } => tracing::info!(event = "server_stopping", mode = "fast", "stopping"),
            Report::HelperHung { helper, age } => tracing::error!(
                event = "helper_hung",
                helper = helper_words(*helper),
                silent_ms = ms(*age),
                "helper hung, killing it and starting another one"
            ),
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

    fn write_mold(&mut self, report: &Report, molds: &Molds) {
        match *report {
            Report::MoldReady { generation, after } => tracing::info!(
                event = "mold_ready",
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
                if retry == Retry::AtNextChange {
                    self.start_failure = Some(FailedStart::new(&reason, traceback.as_deref()));
                }
                tracing::error!(
                    event = "mold_boot_failed",
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
                event = "mold_died",
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
            Report::MoldAdopted { worker } => tracing::info!(
                event = "mold_adopted",
                slot = worker.slot.0,
                generation = worker.generation.0,
                "worker has become the mold"
            ),
            Report::Reforked { generation } => tracing::info!(
                event = "reforked",
                generation = generation.0,
                "workers are forked from the new mold, the older ones are replaced"
            ),
            // It has logged the reason itself.
            Report::NotReforked {
                generation,
                why: ReforkFailure::Exited(Exit::Code(0)),
            } => tracing::debug!(
                event = "refork_failed",
                generation = generation.0,
                "the mold stays the one before"
            ),
            Report::NotReforked { generation, why } => tracing::warn!(
                event = "refork_failed",
                generation = generation.0,
                reason = refork_words(why),
                "no worker becomes the mold of this generation: it stays the one before"
            ),
            Report::FirstMoldFailed { why, code } => {
                let (reason, traceback) = mold_failure(Generation(1), why, molds);
                self.start_failure = Some(FailedStart::new(&reason, traceback.as_deref()));
                tracing::error!(
                    event = "start_failed",
                    reason,
                    code,
                    hint = next_step(traceback.as_deref()),
                    traceback,
                    "the server did not come up"
                );
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
        let has_text = matches!(why, BootFailure::Reported(_) | BootFailure::TimedOut);
        match workers.last_words(slot).filter(|_| has_text) {
            None => (boot_words(why), None),
            Some(words) => (
                format!("{}: {}", boot_words(why), words.summary),
                Some(words.traceback.clone()).filter(|text| !text.is_empty()),
            ),
        }
    }
}

/// Of a command whose output went to the log.
fn preparation_failure(step: u32, code: u8) -> FailedStart {
    let number = step + 1;
    let reason = format!("--run-before command {number} failed with exit code {code}");
    FailedStart::new(&reason, None)
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
