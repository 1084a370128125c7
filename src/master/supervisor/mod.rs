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
//!
//! `server.rs` has the facts. Each topic is a file of functions on them, and uses only topics below it: the orders to workers, then
//! what a reload, a rollout and a mold consist of, then stages, canaries and rollbacks, then exits and deadlines, then what is decided
//! once in each call. What depends on few facts (companions, helpers) is a type of its own.

mod action;
mod batch;
mod canary;
mod chance;
mod change;
mod clock;
mod closing;
mod command;
mod companion;
mod deadline;
mod effects;
mod event;
mod evidence;
mod exit;
mod fleet;
mod helper;
mod hung;
mod leader;
mod limits;
mod load;
mod message;
mod mold;
mod mold_state;
mod mutation;
mod names;
mod orders;
mod overdue;
mod pacing;
mod phase;
mod places;
mod plan;
mod preparation;
mod reconcile;
mod recycle;
mod refork;
mod refork_state;
mod reload;
mod reload_state;
mod report;
mod resize;
mod retiree;
mod retirement;
mod rollback;
mod rollout;
mod rollout_steps;
mod room;
mod scaling;
mod scaling_state;
mod server;
mod shutdown;
mod slot;
mod stage;
mod state;
mod switch;
#[cfg(test)]
mod tests;
mod view;
mod worker;

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
pub use scaling_state::ScalingView;
pub use state::{NotNow, StateError};
pub use view::{PreviousView, RolloutStage, RolloutView, ServerState, WorkerStage, WorkerView};

use mutation::fault;
use phase::MasterPhase;
use server::Server;

/// Feed it events, carry out the returned actions in order, call it again at `next_timeout()`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Supervisor {
    server: Server,
}

impl Supervisor {
    /// `seed`: for the random jitter of workers' limits.
    #[must_use]
    pub fn new(plan: Plan, seed: u64) -> Self {
        Self {
            server: Server::new(plan, seed),
        }
    }

    /// Called once, before any event: spawns generation 1.
    pub fn start(&mut self, now: Moment) -> Vec<Action> {
        self.handle(now, Event::Timeout)
    }

    /// Handles one event. Events about workers that are gone are harmless.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let server = &mut self.server;
        if server.phase == MasterPhase::Gone {
            return Vec::new();
        }
        if fault!(server.effects, SuspendCounts) {
            server.effects.clock.expect(None);
        }
        if let Some(late) = server.effects.clock.advance(now) {
            server.report(Report::Suspended { late });
        }
        take(server, event);
        deadline::enforce(server);
        refork::advance(server);
        if server.phase.keeps_helpers() {
            server.helpers.start_due(&mut server.effects);
        }
        mold::start_due(server);
        reconcile::reconcile(server);
        leader::choose(server);
        server.keep_companions();
        shutdown::leave_when_done(server);
        reconcile::forget_generations(server);
        let wake = deadline::next(server);
        server.effects.clock.expect(wake);
        std::mem::take(&mut server.effects.actions)
    }

    /// When `Event::Timeout` is due at the latest, in the caller's time.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Moment> {
        let server = &self.server;
        let own = if fault!(server.effects, StaleTimeout) {
            Some(server.now())
        } else {
            deadline::next(server)
        };
        own.map(|own| server.effects.clock.for_caller(own))
    }
}

fn take(server: &mut Server, event: Event) {
    match event {
        Event::Signal(signal) => command::take_signal(server, signal),
        Event::Worker {
            incarnation,
            message,
        } => message::take(server, incarnation, message),
        Event::Forked { incarnation } => message::take_forked(server, incarnation),
        Event::Mold {
            generation,
            message,
        } => mold::take_message(server, generation, message),
        Event::MoldEnded { generation, why } => mold::take_end(server, generation, why),
        Event::Exited { incarnation, exit } => exit::take(server, incarnation, exit),
        Event::SpawnFailed { incarnation } => exit::take_spawn_failure(server, incarnation),
        Event::Heartbeats(beats) => {
            for beat in beats {
                hung::take_beat(server, beat);
            }
        }
        Event::StacksDumped { incarnation } => overdue::take_stacks(server, incarnation),
        Event::ConfigRead { generation, result } => {
            rollout::take_config(server, generation, result)
        }
        Event::AbortInVain { incarnation } => overdue::take_abort_in_vain(server, incarnation),
        Event::HelperEnded { helper, end } => {
            if server.phase.keeps_helpers() {
                server.helpers.take_end(helper, end, &mut server.effects);
            }
        }
        Event::HelperBeat { helper, age } => {
            if server.phase.keeps_helpers() {
                server.helpers.take_beat(helper, age, &mut server.effects);
            }
        }
        Event::CompanionStarted { companion } => {
            server.companions.take_start(companion, &mut server.effects);
        }
        Event::CompanionEnded { companion, end } => {
            let restarts = server.phase == MasterPhase::Running;
            let effects = &mut server.effects;
            server
                .companions
                .take_end(companion, end, restarts, effects);
        }
        Event::HelpersEnded => closing::take_helpers_end(server),
        Event::Compared { canary, old, new } => canary::take_comparison(server, canary, &old, &new),
        Event::Memory(memory) => batch::take_memory(server, memory),
        Event::Load(load) => scaling::take_load(server, *load),
        Event::ScaleRoom(memory) => scaling::take_scale_room(server, memory),
        Event::Cpus {
            cpus,
            workers,
            most,
        } => scaling::take_cpus(server, cpus, workers, most),
        Event::Prepared { step, code } => preparation::take_end(server, step, code),
        Event::Changed => change::take(server),
        Event::Control { token, command } => command::take_command(server, token, command),
        Event::Timeout => {}
    }
}
