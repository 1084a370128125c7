//! Carries out the supervisor's actions, as syscalls.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::certificates::SharedCertificates;
use super::child::ChildContext;
use super::child_signal::deliver;
use super::daemon;
use super::event_text::kill_reason;
use super::generation::{GenerationConfig, Logs, logs};
use super::hang::Hang;
use super::shell::{End, LoopControl, Shell};
use super::supervisor::{
    Action, Beat, DrainCause, Event, Generation, Incarnation, KillReason, Order, Report, Slot,
    WorkerStage,
};
use super::upgrade::attempt::OtherMaster;
use super::worker_init::{FAILED_TO_BOOT, WorkerInit};
use super::workers::{Killed, WorkerProcess};
use crate::ipc::{
    self, HeldGeneration, Page, ScoreboardState, ToMold, ToWorker, Transfers, WorkerChannel,
};
use crate::observability;
use crate::sys::process::{Fork, fork, resident};
use crate::sys::signals::{SignalNumber, start_as_child};
use crate::sys::{self, MemFile, Pid, clock};

impl Shell<'_> {
    /// In order. Stops at an action that forks a child.
    pub(super) fn perform(&mut self, actions: Vec<Action>) -> LoopControl {
        self.close_unwanted_listeners();
        self.show_held();
        for action in actions {
            tracing::trace!(?action, "action");
            match self.act(action) {
                LoopControl::Go => {}
                LoopControl::End(end) => return LoopControl::End(end),
            }
        }
        LoopControl::Go
    }

    fn act(&mut self, action: Action) -> LoopControl {
        match action {
            Action::Prepare { step } => self.prepare(step),
            Action::SignalPreparation { signal } => self.signal_preparation(signal),
            Action::KillPreparation => self.kill_preparation(),
            Action::Spawn {
                incarnation,
                slot,
                generation,
            } => {
                return match self.spawn(incarnation, slot, generation) {
                    Ok(flow) => flow,
                    Err(error) => {
                        tracing::error!(slot = slot.0, %error, "worker not started");
                        self.events
                            .pending
                            .push_back(Event::SpawnFailed { incarnation });
                        LoopControl::Go
                    }
                };
            }
            Action::StartMold { generation } => return self.start_mold(generation),
            Action::KillMold { generation } => self.kill_mold(generation),
            Action::AdoptMold {
                incarnation,
                generation,
            } => self.adopt_mold(incarnation, generation),
            Action::EndMoldBefore { generation } => self.end_mold_before(generation),
            Action::ReturnToMoldBefore { generation } => self.return_to_mold_before(generation),
            Action::Send { incarnation, order } => self.send(incarnation, order),
            Action::Terminate { incarnation } => {
                self.signal_worker(incarnation, SignalNumber::TERM)
            }
            Action::Kill { incarnation, why } => {
                self.collect_stacks(incarnation);
                if let Some(worker) = self.fleet.workers.get_mut(incarnation) {
                    worker.killed = Killed::ByUs;
                    let (slot, pid) = (worker.slot.0, worker.pid.as_raw());
                    let reason = kill_reason(why);
                    // That it hangs was logged with all details.
                    if why == KillReason::Hung {
                        tracing::debug!(slot, pid, reason, "killing worker");
                    } else {
                        tracing::warn!(slot, pid, reason, "killing worker");
                    }
                }
                self.signal_worker(incarnation, SignalNumber::KILL);
            }
            Action::Abort { incarnation } => {
                self.collect_stacks(incarnation);
                if let Some(worker) = self.fleet.workers.get_mut(incarnation) {
                    worker.killed = Killed::ByUs;
                }
                self.abort(incarnation);
            }
            Action::StartHelper { helper } => return self.start_helper(helper),
            Action::KillHelper { helper } => self.kill_helper(helper),
            Action::Lead { leader } => {
                let leader = leader.map(|incarnation| incarnation.0);
                self.fleet.scoreboard.set_leader(leader);
            }
            Action::StartCompanion {
                companion,
                generation,
            } => self.start_companion(companion, generation),
            Action::EndCompanion { companion } => self.end_companion(companion),
            Action::KillCompanion { companion } => self.kill_companion(companion),
            Action::EndHelpers => self.end_helpers(),
            Action::DumpStacks { incarnation } => self.ask_for_stacks(incarnation),
            Action::MeasureMemory => {
                let memory = self.measure_memory();
                self.events.pending.push_back(Event::Memory(memory));
            }
            Action::SampleLoad => self.sample_load(),
            Action::MeasureScaleRoom => self.measure_scale_room(),
            Action::CompareGenerations { canary, old } => self.compare_generations(canary, old),
            Action::SampleHeartbeats => self.sample_heartbeats(),
            Action::SampleHelpers => self.sample_helpers(),
            Action::CloseListeners => self.listening.listeners.close(),
            Action::ReadConfig { generation } => self.read_config(generation),
            Action::ReopenLogs => self.reopen_logs(),
            Action::Forget { generation } => {
                self.generations.generation_configs.remove(&generation);
                self.molds.dismiss(generation);
                self.follow_certificates();
            }
            Action::Report(report) => {
                match &report {
                    Report::ReloadFailed { generation, .. } | Report::Discarded { generation } => {
                        self.listening.previews.end(*generation);
                    }
                    Report::TakenBack { generation, to, .. } => {
                        self.listening.previews.end(*generation);
                        self.follow_logs(*to);
                        self.show_listeners(*to);
                    }
                    Report::Staged { generation, .. } => self.note_held(*generation),
                    Report::CanaryServes { generation, .. } => self.note_canary(*generation),
                    Report::StageBegan { generation, token } => {
                        self.listening.previews.begin(*generation, *token);
                    }
                    Report::Scaled { from, to } => self.hook_workers_changed(*from, *to),
                    Report::ScaledByLoad(decision) => self.note_scaling(decision),
                    Report::ScaledByCpus { from, to, .. } if from != to => {
                        self.hook_workers_changed(*from, *to);
                    }
                    _ => {}
                }
                if let Report::Companion { companion, what } = report {
                    self.note_companion(companion, what);
                }
                if let Report::Reloaded { generation, .. } = report {
                    self.listening.previews.end(generation);
                    self.follow_logs(generation);
                    self.show_listeners(generation);
                }
                if let Report::Up { .. } = report {
                    // From here on there is little work.
                    crate::sys::trim();
                }
                if let Report::WorkerHung {
                    worker: who,
                    age,
                    extent,
                } = report
                    && let Some(worker) = self.fleet.workers.get_mut(who.incarnation)
                {
                    worker.hang = Some(Hang::new(
                        worker.page.in_flight(),
                        who.generation.0,
                        age,
                        extent,
                    ));
                }
                if let Report::ShutdownDelayed { .. } = report {
                    for (_, worker) in self.fleet.workers.iter() {
                        worker.send(&ToWorker::CloseAfterAnswers);
                    }
                }
                self.reporting.note.take(&report);
                self.reporting.restart_counters.note(&report);
                let (workers, molds) = (&self.fleet.workers, &self.molds);
                let reporting = &mut self.reporting;
                reporting.event_log.write(&report, workers, molds);
                let failure = reporting.event_log.start_failure.as_ref();
                daemon::announce(&mut reporting.announcement, &report, failure);
                // Replaces the log records of the start, including this one.
                if let Report::Up { .. } = report {
                    self.greet();
                }
            }
            Action::Notify(state) => self.notify(state),
            Action::Reply { token, answer } => self.reply(token, &answer),
            Action::Exit { code } => {
                self.events.leaving = Some(code);
            }
        }
        LoopControl::Go
    }

    fn spawn(
        &mut self,
        incarnation: Incarnation,
        slot: Slot,
        generation: Generation,
    ) -> Result<LoopControl, Error> {
        let generation_config = self.generation_config(generation)?;
        if generation_config.settings.uses_mold() {
            self.ask_mold(incarnation, slot, generation)?;
            return Ok(LoopControl::Go);
        }
        let listeners = &mut self.listening.listeners;
        listeners.prepare(slot.0, &generation_config.listeners);
        let (ours, theirs) = ipc::channel()?;
        let stacks = MemFile::new(c"rgun-stacks")?;
        let their_stacks = stacks.again()?;
        let page = self
            .fleet
            .scoreboard
            .acquire(slot.0, u64::from(generation.0))?;
        let master = Pid::this();
        self.host.before_fork();
        match fork() {
            Ok(Fork::Child) => {
                observability::after_fork();
                let started = start_as_child();
                sys::restore_descriptor_limit();
                self.host.after_fork_child();
                if let Err(error) = started {
                    tracing::error!(%error, "worker not started");
                    return Ok(LoopControl::End(End::ChildSetupFailed(FAILED_TO_BOOT)));
                }
                let ends = (theirs, their_stacks);
                let worker_init = self.worker_init(
                    (incarnation, slot),
                    generation,
                    &generation_config,
                    ends,
                    page,
                    master,
                );
                Ok(LoopControl::End(match worker_init {
                    Some(worker_init) => End::Child(Box::new(ChildContext {
                        worker_init,
                        logs: logs(&self.generations.logging, &generation_config.settings),
                        identity: self.fleet.identity.clone(),
                        generation_config,
                    })),
                    None => End::ChildSetupFailed(FAILED_TO_BOOT),
                }))
            }
            Ok(Fork::Parent { child: pid }) => {
                self.host.after_fork_parent();
                page.set_pid(u64::try_from(pid.as_raw()).unwrap_or(0));
                tracing::debug!(
                    slot = slot.0,
                    generation = generation.0,
                    pid = pid.as_raw(),
                    "worker started"
                );
                self.give_up_first(pid);
                let worker = WorkerProcess::new((slot, generation), pid, ours, page, stacks);
                self.fleet.workers.insert(incarnation, worker);
                Ok(LoopControl::Go)
            }
            Err(error) => {
                self.host.after_fork_parent();
                self.fleet.scoreboard.free(page);
                Err(error.into())
            }
        }
    }

    /// The settings of that generation, and what belongs to them.
    pub(super) fn generation_config(
        &self,
        generation: Generation,
    ) -> Result<GenerationConfig, Error> {
        let known = self.generations.generation_configs.get(&generation);
        let missing = || std::io::Error::other(format!("no settings for generation {generation}"));
        let known = known.ok_or_else(|| sys::Error::new("fork", "", missing()))?;
        Ok(known.clone())
    }

    pub(super) fn shared_certificates(
        &self,
        generation_config: &GenerationConfig,
    ) -> Option<SharedCertificates> {
        let (certificates, state) = (
            &generation_config.certificates,
            &self.listening.certificates,
        );
        let both = certificates.as_ref().zip(state.as_ref());
        both.map(|(certificates, state)| certificates.shared(state))
    }

    /// In the child: takes what a worker needs before the rest is dropped.
    fn worker_init(
        &mut self,
        (incarnation, slot): (Incarnation, Slot),
        generation: Generation,
        generation_config: &GenerationConfig,
        (channel, stacks): (WorkerChannel, MemFile),
        page: Page,
        master: Pid,
    ) -> Option<WorkerInit> {
        let mut listeners = (self.listening.listeners).take(slot.0, &generation_config.listeners);
        // The last ones: they are the first to be closed.
        listeners.extend(self.listening.previews.part_of(generation));
        Some(WorkerInit {
            slot: slot.0,
            age: incarnation.0,
            leadership: self.fleet.scoreboard.leadership(incarnation.0)?,
            generation: u64::from(generation.0),
            settings: Arc::clone(&generation_config.settings),
            listeners,
            transfers: generation_config
                .transfers
                .clone()
                .map(|channel| Transfers::new(channel, self.fleet.scoreboard.board(), page)),
            held: generation_config.previews.clone().and_then(|channel| {
                HeldGeneration::new(channel, self.fleet.scoreboard.board(), page)
            }),
            certificates: self.shared_certificates(generation_config),
            channel,
            lifeline: self.fleet.lifeline.read.take()?,
            page,
            stacks,
            loaded_files: self.helpers.watcher.take_loaded_files(),
            mold: None,
            master,
        })
    }

    fn send(&mut self, incarnation: Incarnation, order: Order) {
        let Some(slot) = self
            .fleet
            .workers
            .get(incarnation)
            .map(|worker| worker.slot)
        else {
            return;
        };
        // First the master, then the worker: the last process to close a listener empties its queue.
        let is_last = matches!(order, Order::Drain { .. })
            && !self.has_successor(slot)
            && self.listening.listeners.shares.close(slot.0);
        let Some(worker) = self.fleet.workers.get(incarnation) else {
            return;
        };
        let (listeners, set) = (
            &self.listening.listeners,
            self.listener_set(worker.generation),
        );
        let is_last = is_last || listeners.lacks_one_of(&set);
        let shared = self.upgrade.other != OtherMaster::None;
        let message = match order {
            Order::Go => {
                self.keep_as_others(worker.pid);
                // Not only by the worker: those that it replaces may have exited before it reads the order, and a probe in
                // between would find no worker that takes requests.
                worker.page.set_state(ScoreboardState::Accepting);
                ToWorker::Go
            }
            Order::Drain { reason, graceful } => ToWorker::Drain {
                reason: match reason {
                    DrainCause::Replaced if is_last => ipc::DrainReason::Removed,
                    DrainCause::Replaced => ipc::DrainReason::Replaced,
                    // The other master's workers go on there.
                    DrainCause::Shutdown if shared => ipc::DrainReason::Removed,
                    DrainCause::Shutdown => ipc::DrainReason::Shutdown,
                },
                graceful_ms: milliseconds(graceful),
            },
            Order::BecomeMold { graceful } => ToWorker::BecomeMold {
                graceful_ms: milliseconds(graceful),
            },
            Order::StopFast => ToWorker::StopFast,
            Order::Pause => ToWorker::Pause,
        };
        worker.send(&message);
    }

    /// Whether another worker of that slot accepts, or will.
    fn has_successor(&self, slot: Slot) -> bool {
        self.supervisor.workers_in(slot).any(|view| {
            matches!(
                view.stage,
                WorkerStage::Booting | WorkerStage::Standby | WorkerStage::Serving
            )
        })
    }

    /// The master first: it creates the new files, and errors about them are logged to the new file.
    fn reopen_logs(&mut self) {
        match observability::reopen() {
            Ok(()) => tracing::info!("log files reopened"),
            Err(error) => tracing::error!(%error, "log files not reopened"),
        }
        self.helpers.companions.reopen_logs();
        self.give_logs();
        for (_, worker) in self.fleet.workers.iter() {
            worker.send(&ToWorker::ReopenLogs);
        }
        self.tell_molds(&ToMold::ReopenLogs);
        self.helpers.monitor.renew();
    }

    fn signal_worker(&mut self, incarnation: Incarnation, signal: SignalNumber) {
        if let Some(worker) = self.fleet.workers.get(incarnation) {
            deliver(worker.pid, signal);
        } else {
            self.withdraw(incarnation, signal);
        }
    }

    /// Becoming ready counts as a heartbeat, too: the first one may come later.
    fn sample_heartbeats(&mut self) {
        self.fleet.memory.look();
        self.report_load();
        self.look_at_cpus();
        let supervisor = &self.supervisor;
        self.listening.listeners.shares.close_all_but(|slot| {
            let filled = || supervisor.workers_in(Slot(slot)).next().is_some();
            slot < supervisor.target() || filled()
        });
        let now = clock::monotonic_ms();
        let memory = self.supervisor.looks_at_memory();
        let mut beats = Vec::new();
        for (incarnation, worker) in self.fleet.workers.iter_mut() {
            let Some(ready) = worker.ready_ms else {
                continue;
            };
            let age = |beat: u64| Duration::from_millis(now.saturating_sub(ready.max(beat)));
            let slowest = worker.page.slowest();
            beats.push(Beat {
                incarnation,
                age: age(worker.page.heartbeat()),
                slowest: (slowest != 0).then(|| age(slowest)),
                requests: worker.page.requests(),
                memory: memory.then(|| resident(worker.pid)).flatten(),
            });
            worker.rate.look(now, &worker.page.counters());
        }
        self.events.pending.push_back(Event::Heartbeats(beats));
    }

    pub(super) fn give_logs(&self) {
        if let Some(identity) = &self.fleet.identity {
            observability::give_files(identity);
        }
    }

    /// The workers of that generation have opened their logs in their boot; now the master switches to them, too.
    fn follow_logs(&mut self, generation: Generation) {
        let Some(generation_config) = self.generations.generation_configs.get(&generation) else {
            return;
        };
        if logs(&self.generations.logging, &generation_config.settings) == Logs::Open {
            return;
        }
        match observability::start(&generation_config.settings) {
            Ok(()) => {
                self.generations.logging = Arc::clone(&generation_config.settings);
                observability::lookups::keep(&self.generations.logging.logging);
                self.give_logs();
                self.helpers.monitor.renew();
            }
            Err(error) => tracing::error!(%error, "cannot switch logs, keeping the old ones"),
        }
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
