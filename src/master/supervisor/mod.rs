//! The supervisor: a pure state machine that decides which workers live.
//!
//! Invariants (checked by `tests/`):
//! - No action of ours lowers the number of serving workers below the target: a successor is ready first.
//! - New connections meet one generation: the new workers go when the old ones reported that they stopped accepting (or a
//!   second has passed). A surge (`Plan::surge`) and a replacement of a dead worker are the exceptions.
//! - A generation that does not become ready as a whole is removed, and the previous one keeps serving.
//! - Once the server was up it exits only when ordered to; before that, the first failed boot ends it.
//! - A worker that was ordered to end is killed when it does not; a killed worker was ordered before, or hung, or timed out in its boot.
//!
//! Every call does the same: handle the event, enforce passed deadlines, then reconcile the actual state with the
//! wanted one.

mod action;
mod canary;
mod chance;
mod change;
mod clock;
mod command;
mod companion;
mod deadline;
mod event;
mod evidence;
mod exit;
mod fleet;
mod helper;
mod hung;
mod leader;
mod limits;
mod load;
mod memory;
mod message;
mod mold;
mod mutation;
mod names;
mod pacing;
mod plan;
mod preparation;
mod reconcile;
mod recycle;
mod refork;
mod refork_state;
mod reload;
mod reload_state;
mod report;
mod rollback;
mod rollout;
mod scaling;
mod shutdown;
mod slot;
mod stage;
mod state;
mod steps;
mod switch;
#[cfg(test)]
mod tests;
mod view;
mod worker;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

pub use action::{Action, Answer, DrainCause, KillReason, Order, RolloutRefusal, ServiceState};
pub use companion::{CompanionStage, CompanionView};
pub use event::{
    AvailableMemory, Beat, BootFailure, BootPhase, Command, CompanionEnd, ConfigResult, CoreDump,
    Event, Exit, MoldMessage, Portion, Signal, StopMode, Trial, WorkerMessage,
};
pub use evidence::{BUCKETS, Evidence, EvidenceSummary, Figures, Regression};
pub use limits::{Excess, Retirement, WorkerLimits};
pub use load::{Load, ScaleDecision, ScaleReason, WAITS};
pub use names::{CompanionId, Generation, Helper, HelperEnd, Incarnation, Moment, Slot, Token};
pub use plan::{
    Abort, Bounds, CompanionPlan, ForkedFrom, KeptProcesses, Plan, ScaleRules, SourceWatching,
    Winch,
};
pub use report::{
    CompanionReport, Extent, ReforkFailure, ReloadFailure, Report, Retry, RolloutKind, Who,
};
pub use scaling::ScalingView;
pub use state::{NotNow, StateError};
pub use view::{PreviousView, RolloutStage, RolloutView, ServerState, WorkerStage, WorkerView};

use chance::Chance;
use clock::Clock;
use companion::KeptCompanions;
use fleet::Fleet;
use helper::{Beside, Helpers};
use mold::Mold;
use preparation::Preparation;
use recycle::Retiree;
use reload_state::{QueuedRollout, Reload};
use rollback::Previous;
use scaling::Scaling;
use slot::SlotState;

/// Feed it events, carry out the returned actions in order, call it again at `next_timeout()`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Supervisor {
    plan: Plan,
    /// Number of slots of the serving generation: the plan's number, changed by scaling.
    target: u32,
    scaling: Scaling,
    /// The newest generation that took over as a whole.
    generation: Generation,
    /// The last number assigned.
    last_generation: Generation,
    last_incarnation: Incarnation,
    phase: MasterPhase,
    places: BTreeMap<Slot, SlotState>,
    workers: Fleet,
    /// As announced by the last `Action::Lead`.
    leader: Option<Incarnation>,
    helpers: Helpers,
    companions: KeptCompanions,
    /// Of the generations that have one.
    molds: BTreeMap<Generation, Mold>,
    reload: Reload,
    /// A requested rollout that has not begun.
    queued: Option<QueuedRollout>,
    /// KeptProcesses for a rollback.
    previous: Option<Previous>,
    retirees: VecDeque<Retiree>,
    /// Generations whose settings the shell must keep.
    known: BTreeSet<Generation>,
    pulse_at: Moment,
    /// Slots that may have to be filled: their worker has exited, or they wait for their pacing. The others are
    /// skipped.
    vacant: BTreeSet<Slot>,
    spawning: Spawning,
    /// The last measurement.
    memory: Option<AvailableMemory>,
    all_failing: AllFailing,
    listeners: Listeners,
    clock: Clock,
    chance: Chance,
    /// Of the call in progress: none between two of them.
    #[serde(skip)]
    actions: Vec<Action>,
    #[cfg(test)]
    #[serde(skip)]
    mutation: Option<mutation::Mutation>,
}

/// Phase of the master's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum MasterPhase {
    /// A command runs that must succeed before any worker boots.
    Preparing(Preparation),
    /// Not every slot has had a ready worker yet.
    FirstBoot,
    Running,
    /// `--shutdown-delay`: still accepting, no longer replacing workers.
    Delayed {
        until: Moment,
    },
    /// `by`: when `--graceful-timeout` is over.
    Stopping {
        mode: StopMode,
        code: u8,
        by: Moment,
    },
    /// Workers have exited; the last hook runs, and the helpers end.
    Closing {
        since: Moment,
        until: Moment,
        code: u8,
    },
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AllFailing {
    Reported,
    No,
}

/// Whether every slot that could be filled was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Spawning {
    Done,
    /// Continued in the next call, so that pending events are handled first.
    MoreToDo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Listeners {
    Open,
    Closed,
}

impl Supervisor {
    /// `seed`: for the random jitter of workers' limits.
    #[must_use]
    pub fn new(plan: Plan, seed: u64) -> Self {
        let molds = match plan.forked_from {
            ForkedFrom::Master => BTreeMap::new(),
            ForkedFrom::Mold => BTreeMap::from([(Generation(1), Mold::new())]),
        };
        Self {
            target: plan.wanted(),
            phase: Self::first_phase(plan.preparations),
            helpers: plan
                .helpers
                .iter()
                .map(|helper| (*helper, Beside::default()))
                .collect(),
            leader: None,
            companions: KeptCompanions::default(),
            molds,
            scaling: Scaling::new(&plan),
            plan,
            generation: Generation(1),
            last_generation: Generation(1),
            last_incarnation: Incarnation(0),
            places: BTreeMap::new(),
            workers: Fleet::default(),
            reload: Reload::Idle,
            queued: None,
            previous: None,
            retirees: VecDeque::new(),
            known: BTreeSet::from([Generation(1)]),
            pulse_at: Moment::default(),
            vacant: BTreeSet::new(),
            spawning: Spawning::Done,
            memory: None,
            all_failing: AllFailing::No,
            listeners: Listeners::Open,
            clock: Clock::default(),
            chance: Chance::new(seed),
            actions: Vec::new(),
            #[cfg(test)]
            mutation: None,
        }
    }

    /// Called once, before any event: spawns generation 1.
    pub fn start(&mut self, now: Moment) -> Vec<Action> {
        self.handle(now, Event::Timeout)
    }

    /// Handles one event. Events about workers that are gone are harmless.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        if self.phase == MasterPhase::Gone {
            return Vec::new();
        }
        if mutation::fault!(self, SuspendCounts) {
            self.clock.expect(None);
        }
        if let Some(late) = self.clock.advance(now) {
            self.report(Report::Suspended { late });
        }
        self.take(event);
        self.enforce();
        self.advance_refork();
        self.start_helpers();
        self.start_molds();
        self.reconcile();
        self.choose_leader();
        self.keep_companions();
        self.leave_when_done();
        self.forget_generations();
        let wake = self.next_deadline();
        self.clock.expect(wake);
        std::mem::take(&mut self.actions)
    }

    /// When `Event::Timeout` is due at the latest, in the caller's time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Moment> {
        let own = if mutation::fault!(self, StaleTimeout) {
            Some(self.now())
        } else {
            self.next_deadline()
        };
        own.map(|own| self.clock.for_caller(own))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Signal(signal) => self.take_signal(signal),
            Event::Worker {
                incarnation,
                message,
            } => self.take_message(incarnation, message),
            Event::Forked { incarnation } => self.take_forked(incarnation),
            Event::Mold {
                generation,
                message,
            } => self.take_mold_message(generation, message),
            Event::MoldEnded { generation, why } => self.take_mold_end(generation, why),
            Event::Exited { incarnation, exit } => self.take_exit(incarnation, exit),
            Event::SpawnFailed { incarnation } => self.take_spawn_failure(incarnation),
            Event::Heartbeats(beats) => beats.into_iter().for_each(|beat| self.take_beat(beat)),
            Event::StacksDumped { incarnation } => self.take_stacks(incarnation),
            Event::ConfigRead { generation, result } => self.take_config(generation, result),
            Event::AbortInVain { incarnation } => self.take_abort_in_vain(incarnation),
            Event::HelperEnded { helper, end } => self.take_helper_end(helper, end),
            Event::HelperBeat { helper, age } => self.take_helper_beat(helper, age),
            Event::CompanionStarted { companion } => self.take_companion_start(companion),
            Event::CompanionEnded { companion, end } => self.take_companion_end(companion, end),
            Event::HelpersEnded => self.take_helpers_end(),
            Event::Compared { canary, old, new } => self.take_comparison(canary, &old, &new),
            Event::Memory(memory) => self.take_memory(memory),
            Event::Load(load) => self.take_load(*load),
            Event::ScaleRoom(memory) => self.take_scale_room(memory),
            Event::Cpus {
                cpus,
                workers,
                most,
            } => self.take_cpus(cpus, workers, most),
            Event::Prepared { step, code } => self.take_prepared(step, code),
            Event::Changed => self.take_change(),
            Event::Control { token, command } => self.take_command(token, command),
            Event::Timeout => {}
        }
    }

    fn now(&self) -> Moment {
        self.clock.now()
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn report(&mut self, report: Report) {
        self.actions.push(Action::Report(report));
    }

    fn reply(&mut self, token: Token, answer: Answer) {
        self.actions.push(Action::Reply { token, answer });
    }

    /// The first boot or normal service: workers that end are replaced.
    fn keeps_up(&self) -> bool {
        match self.phase {
            MasterPhase::Preparing(Preparation { course, .. }) => course.goes_on(),
            MasterPhase::FirstBoot | MasterPhase::Running => true,
            MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => false,
        }
    }
}
