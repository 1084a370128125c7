//! Carries out the supervisor's actions, as syscalls.

use super::loop_control::LoopControl;
use super::shell::Shell;
use super::supervisor::{Action, Event};
use super::{
    certificates, companions, comparison, condition, configuration_reading, control, hang,
    heartbeats, helpers, listeners, logs, memory, molds, orders, prepare, preview, reports,
    sampling, worker_start,
};

/// In order. Stops at an action that forks a child.
pub fn perform(shell: &mut Shell<'_>, actions: Vec<Action>) -> LoopControl {
    listeners::close_unwanted(&shell.generations, &mut shell.listening, &shell.supervisor);
    preview::show_held(shell);
    for action in actions {
        tracing::trace!(?action, "action");
        match act(shell, action) {
            LoopControl::Go => {}
            LoopControl::End(end) => return LoopControl::End(end),
        }
    }
    LoopControl::Go
}

fn act(shell: &mut Shell<'_>, action: Action) -> LoopControl {
    match action {
        Action::Prepare { step } => prepare::start(shell, step),
        Action::SignalPreparation { signal } => {
            if let Some(command) = &shell.helpers.command {
                command.signal(signal);
            }
        }
        Action::KillPreparation => {
            if let Some(command) = &shell.helpers.command {
                command.kill();
            }
        }
        Action::Spawn {
            incarnation,
            slot,
            generation,
        } => {
            return match worker_start::start(shell, incarnation, slot, generation) {
                Ok(flow) => flow,
                Err(error) => {
                    tracing::error!(slot = slot.0, %error, "worker not started");
                    shell.events.push(Event::SpawnFailed { incarnation });
                    LoopControl::Go
                }
            };
        }
        Action::StartMold { generation } => return molds::start(shell, generation),
        Action::KillMold { generation } => shell.molds.kill(generation),
        Action::AdoptMold {
            incarnation,
            generation,
        } => molds::adopt(
            &mut shell.events,
            &mut shell.fleet,
            &mut shell.molds,
            incarnation,
            generation,
        ),
        Action::EndMoldBefore { generation } => shell.molds.end_before(generation),
        Action::ReturnToMoldBefore { generation } => molds::return_to_before(
            &mut shell.events,
            &shell.fleet.scoreboard,
            &mut shell.molds,
            generation,
        ),
        Action::Send { incarnation, order } => orders::send(shell, incarnation, order),
        Action::Terminate { incarnation } => orders::terminate(shell, incarnation),
        Action::Kill { incarnation, why } => orders::kill(shell, incarnation, why),
        Action::Abort { incarnation } => orders::abort(shell, incarnation),
        Action::StartHelper { helper } => return helpers::start(shell, helper),
        Action::KillHelper { helper } => helpers::kill(&mut shell.helpers.monitor, helper),
        Action::Lead { leader } => {
            let leader = leader.map(|incarnation| incarnation.0);
            shell.fleet.scoreboard.set_leader(leader);
        }
        Action::StartCompanion {
            companion,
            generation,
        } => companions::start(shell, companion, generation),
        Action::EndCompanion { companion } => shell.helpers.companions.terminate(companion),
        Action::KillCompanion { companion } => shell.helpers.companions.kill(companion),
        Action::EndHelpers => helpers::end(shell),
        Action::DumpStacks { incarnation } => {
            hang::ask_for_stacks(&mut shell.fleet.workers, incarnation)
        }
        Action::MeasureMemory => {
            let memory = memory::measure(&shell.fleet, &shell.supervisor);
            shell.events.push(Event::Memory(memory));
        }
        Action::SampleLoad => sampling::sample_load(
            &mut shell.events,
            &mut shell.fleet,
            &shell.listening,
            &shell.supervisor,
        ),
        Action::MeasureScaleRoom => {
            let room = sampling::scale_room(&shell.fleet, &shell.generations, &shell.supervisor);
            shell.events.push(Event::ScaleRoom(room));
        }
        Action::CompareGenerations { canary, old } => {
            comparison::compare(&mut shell.events, &mut shell.fleet, canary, old)
        }
        Action::SampleHeartbeats => heartbeats::sample(shell),
        Action::SampleHelpers => {
            helpers::sample(&mut shell.events, &shell.fleet, &shell.helpers.monitor)
        }
        Action::CloseListeners => shell.listening.listeners.close(),
        Action::ReadConfig { generation } => configuration_reading::begin(shell, generation),
        Action::ReopenLogs => logs::reopen(&shell.fleet, &mut shell.helpers, &shell.molds),
        Action::Forget { generation } => {
            shell.generations.remove(generation);
            shell.molds.dismiss(generation);
            certificates::follow(
                &shell.generations,
                &mut shell.listening,
                shell.supervisor.generation(),
            );
        }
        Action::Report(report) => reports::take(shell, report),
        Action::Notify(state) => condition::notify(shell, state),
        Action::Reply { token, answer } => control::reply(shell, token, &answer),
        Action::Exit { code } => {
            shell.events.leaving = Some(code);
        }
    }
    LoopControl::Go
}
