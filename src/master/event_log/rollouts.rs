//! The lines of reloads, stages, canaries and rollbacks.

use super::{EventLog, Repeated, mold_failure};
use crate::master::event_text::{
    ExitText, comparison, finding, kept as kept_words, mebibytes, ms, worse,
};
use crate::master::molds::Molds;
use crate::master::supervisor::{Generation, ReloadFailure, Report, RolloutKind};
use crate::master::workers::Workers;

impl EventLog {
    pub(super) fn write_rollout(&mut self, report: &Report, workers: &Workers, molds: &Molds) {
        match report {
            Report::ReloadQueued => {
                tracing::info!(
                    event = "rollout_queued",
                    "reload queued until the current operation completes"
                )
            }
            Report::ReloadBegan { generation } => {
                tracing::info!(
                    event = "rollout_started",
                    generation = generation.0,
                    "reload began"
                )
            }
            Report::ReloadLimited {
                generation,
                at_once,
                memory,
            } => tracing::warn!(
                event = "rollout_limited",
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
                tracing::info!(
                    event = "rollout_promoted",
                    generation = generation.0,
                    workers,
                    "reload succeeded"
                );
            }
            Report::ReloadFailed {
                generation,
                kind,
                why: ReloadFailure::Overtaken,
                ..
            } => tracing::info!(
                event = "rollout_abandoned",
                generation = generation.0,
                "{} abandoned: files have changed again",
                kind_words(*kind)
            ),
            Report::ReloadFailed {
                generation,
                kind,
                why: ReloadFailure::Abandoned,
                ..
            } => tracing::info!(
                event = "rollout_abandoned",
                generation = generation.0,
                "{} abandoned: the server is stopping",
                kind_words(*kind)
            ),
            Report::ReloadFailed {
                generation,
                kind,
                why,
                replaced,
                of,
            } => {
                let (reason, traceback) = self.reload_failure(why, workers, molds);
                self.last_reload_failure = Some(reason.clone());
                tracing::error!(
                    event = "rollout_failed",
                    generation = generation.0,
                    reason,
                    replaced,
                    of,
                    traceback,
                    "{} rolled back: the old workers go on",
                    kind_words(*kind)
                );
            }
            Report::StageBegan { generation, .. } => {
                tracing::info!(
                    event = "stage_started",
                    generation = generation.0,
                    "staging began"
                );
            }
            Report::Staged {
                generation,
                workers,
            } => tracing::info!(
                event = "generation_staged",
                generation = generation.0,
                workers,
                "generation staged: ready beside the serving one"
            ),
            Report::CanaryServes {
                generation,
                slots,
                of,
            } => tracing::info!(
                event = "canary_started",
                generation = generation.0,
                slots,
                of,
                "canary serves"
            ),
            Report::CanaryVerdict {
                generation,
                evidence,
            } => {
                self.verdict = Some((*generation, *evidence));
                tracing::info!(
                    event = "canary_verdict",
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
                );
            }
            Report::TakingBack { generation, why } => {
                let (reason, traceback) = self.reload_failure(why, workers, molds);
                tracing::warn!(
                    event = "rollback_started",
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
                    event = "rollback_finished",
                    generation = generation.0,
                    to = to.0,
                    "generation taken back: the one before serves"
                );
            }
            Report::NotTakenBack {
                generation,
                why: ReloadFailure::Abandoned,
                ..
            } => tracing::info!(
                event = "rollback_abandoned",
                generation = generation.0,
                "rollback abandoned: the server is stopping"
            ),
            Report::NotTakenBack {
                generation,
                to,
                why,
            } => {
                let (reason, traceback) = self.reload_failure(why, workers, molds);
                tracing::error!(
                    event = "rollback_failed",
                    generation = generation.0,
                    to = to.0,
                    reason,
                    traceback,
                    "rollback failed, the generation serves on"
                );
                self.last_reload_failure = Some(reason);
            }
            Report::KeptForRollback {
                generation,
                kept,
                window,
            } => tracing::info!(
                event = "generation_kept",
                generation = generation.0,
                kept = kept_words(*kept),
                window_ms = ms(*window),
                "generation kept for a rollback"
            ),
            Report::KeptNoMore { generation } => {
                tracing::info!(
                    event = "generation_released",
                    generation = generation.0,
                    "generation kept no more"
                )
            }
            Report::PromotionBegan { generation } => {
                tracing::info!(
                    event = "promotion_started",
                    generation = generation.0,
                    "promotion began"
                );
            }
            Report::Discarded { generation } => {
                tracing::info!(
                    event = "generation_discarded",
                    generation = generation.0,
                    "generation discarded"
                );
            }
            Report::ReloadRefused { generation } => tracing::warn!(
                event = "rollout_refused",
                generation = generation.map(|generation| generation.0),
                hint = "rgun ctl promote, or rgun ctl discard",
                "reload refused: a generation is staged"
            ),
            _ => {}
        }
    }

    /// The numbers by which that generation was promoted, as the end of a sentence; empty: it was not a canary that was judged.
    pub fn verdict_of(&self, generation: Generation) -> String {
        match &self.verdict {
            Some((judged, evidence)) if *judged == generation => {
                format!("; the canary was not worse: {}", comparison(evidence))
            }
            _ => String::new(),
        }
    }

    /// Why a rollout failed, and the app's traceback.
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
            ReloadFailure::Discarded => ("requested by an operator".to_owned(), None),
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

fn kind_words(kind: RolloutKind) -> &'static str {
    match kind {
        RolloutKind::Reload => "reload",
        RolloutKind::Stage => "stage",
        RolloutKind::Canary => "canary",
    }
}
