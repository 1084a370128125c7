//! Commands of operators, by signal or by the control socket.

use super::phase::MasterPhase;
use super::server::Server;
use super::{
    Action, Answer, Command, ReloadFailure, Report, Signal, StopMode, Token, Winch, canary,
    preparation, reload, resize, retirement, rollback, shutdown, stage,
};

pub(super) fn take_signal(server: &mut Server, signal: Signal) {
    match signal {
        Signal::Hup if server.keeps_up() => reload::ask(server, None),
        Signal::Hup => {}
        Signal::Term => shutdown::take_term(server),
        Signal::Int | Signal::Quit if matches!(server.phase, MasterPhase::Preparing(_)) => {
            preparation::stop(server, StopMode::Fast, signal);
        }
        Signal::Int | Signal::Quit => shutdown::stop(server, StopMode::Fast),
        Signal::Ttin => resize::scale_by(server, 1),
        Signal::Ttou => resize::scale_by(server, -1),
        Signal::Usr1 => server.act(Action::ReopenLogs),
        Signal::Winch
            if server.plan.winch == Winch::RetiresWorkers
                && server.phase == MasterPhase::Running =>
        {
            // A generation that never became ready must not count as reloaded.
            reload::end_badly(server, ReloadFailure::Abandoned);
            resize::resize(server, 0, 0);
        }
        Signal::Winch => server.report(Report::SignalIgnored),
    }
}

pub(super) fn take_command(server: &mut Server, token: Token, command: Command) {
    match command {
        Command::Stop(mode) => {
            server.reply(token, Answer::Stopping);
            shutdown::stop(server, mode);
        }
        _ if !server.keeps_up() => server.reply(token, Answer::ServerStopping),
        Command::Reload => reload::ask(server, Some(token)),
        Command::Scale(workers) => resize::scale_to(server, token, workers),
        Command::ScaleBetween(bounds) => resize::scale_between(server, token, bounds),
        Command::RestartWorker(slot) => retirement::restart_slot(server, token, slot),
        Command::RestartCompanion(companion) => {
            server
                .companions
                .restart(token, companion, &mut server.effects)
        }
        Command::Stage => stage::ask(server, token),
        Command::Promote => stage::promote(server, token),
        Command::Discard => stage::discard(server, token),
        Command::Canary(trial) => canary::ask(server, token, trial),
        Command::Rollback => rollback::ask(server, token),
    }
}
