//! The steps of an upgrade in this process: the new program is asked, rehearsed, and started in this one's place.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsRawFd;

use super::attempt::{Attempt, Stage, Then, UpgradeAttempt};
use super::check::{Check, CheckKind, HandedOver, STATE_VARIABLE};
use super::hand_over::{self, OWN_EXECUTABLE, StateReader};
use super::{answers, permission, second};
use crate::master::control::refused;
use crate::master::generations::Generations;
use crate::master::hang;
use crate::master::launch::Launch;
use crate::master::molds::hooks;
use crate::master::shell::Shell;
use crate::master::supervisor::{Supervisor, Token};
use crate::observability;
use crate::sys::{self, random, replace_program};

/// `caller`: on the control socket; without one it was a signal.
pub fn begin(shell: &mut Shell<'_>, caller: Option<Token>, then: Then) {
    let callers: Vec<Token> = caller.into_iter().collect();
    if second::is_chosen(&shell.generations, shell.supervisor.generation()) {
        return second::start(shell, &callers);
    }
    let begun = if shell.upgrade.attempt.is_some() {
        Err("an upgrade is in progress: try again when it has ended".to_owned())
    } else {
        ask_successor(shell, callers.clone(), then)
    };
    match begun {
        Ok(attempt) => {
            let program = attempt.launch.path.display();
            tracing::info!(event = "upgrade_started", %program, "upgrade: asking the new program");
            shell.upgrade.attempt = Some(attempt);
        }
        Err(why) => answers::failed(&mut shell.clients.control, &callers, &why),
    }
}

fn ask_successor(
    shell: &mut Shell<'_>,
    callers: Vec<Token>,
    then: Then,
) -> Result<Attempt, String> {
    may_upgrade(&shell.generations, &shell.supervisor, &shell.upgrade)?;
    let launch = shell.host.successor();
    let launch = launch.ok_or("it is not known how this program was started")?;
    shell.upgrade.executable = File::open(OWN_EXECUTABLE).ok();
    Ok(Attempt {
        check: try_out(shell, CheckKind::Check, &launch, &callers, then)?,
        callers,
        then,
        launch,
        stage: Stage::Asked,
    })
}

fn try_out(
    shell: &Shell<'_>,
    kind: CheckKind,
    launch: &Launch,
    callers: &[Token],
    then: Then,
) -> Result<Check, String> {
    let secret = format!("{:016x}{:016x}", random(), random());
    let reader = StateReader::Child {
        rehearses: kind == CheckKind::Rehearsal,
        secret: secret.clone(),
    };
    let (state, kept) =
        hand_over::written(shell, callers, then, reader).map_err(|error| error.to_string())?;
    let handed = HandedOver {
        state: &state,
        secret,
        descriptors: match kind {
            CheckKind::Check => &[],
            CheckKind::Rehearsal => kept.numbers(),
        },
    };
    let (start, patience) = (
        &shell.generations.start,
        hand_over::patience(&shell.generations, shell.supervisor.generation()),
    );
    Check::start(kind, launch, start, handed, patience).map_err(|error| error.to_string())
}

fn may_upgrade(
    generations: &Generations<'_>,
    supervisor: &Supervisor,
    upgrade: &UpgradeAttempt,
) -> Result<(), String> {
    match permission::check(generations, supervisor, upgrade)? {
        None => Ok(()),
        Some(refusal) => Err(refused(refusal)),
    }
}

/// Once a turn. What has come is handled before.
pub fn advance(shell: &mut Shell<'_>) {
    let Some(attempt) = &mut shell.upgrade.attempt else {
        return;
    };
    let failed = match &attempt.stage {
        Stage::Asked => return attempt.check.enforce(),
        Stage::Failed(why) => Some(why.clone()),
        Stage::Answered | Stage::Ready => {
            may_upgrade(&shell.generations, &shell.supervisor, &shell.upgrade).err()
        }
    };
    if failed.is_none() && !is_at_rest(shell) {
        return;
    }
    let Some(attempt) = shell.upgrade.attempt.take() else {
        return;
    };
    let callers = attempt.callers.clone();
    let why = match (failed, &attempt.stage) {
        (Some(why), _) => Err(why),
        (None, Stage::Answered) => rehearse(shell, attempt),
        (None, _) => Err(become_successor(shell, &attempt)),
    };
    if let Err(why) = why {
        answers::failed(&mut shell.clients.control, &callers, &why);
    }
}

fn rehearse(shell: &mut Shell<'_>, attempt: Attempt) -> Result<(), String> {
    let Attempt { launch, then, .. } = &attempt;
    let check = try_out(shell, CheckKind::Rehearsal, launch, &attempt.callers, *then)?;
    shell.upgrade.attempt = Some(Attempt {
        check,
        stage: Stage::Asked,
        ..attempt
    });
    Ok(())
}

/// Nothing is on its way that the state does not tell of.
fn is_at_rest(shell: &Shell<'_>) -> bool {
    shell.events.is_empty()
        && shell.clients.stack_requests.is_empty()
        && shell.molds.are_at_rest()
        && !hang::awaits_stacks(&shell.fleet.workers)
}

/// Only comes back with the reason why not.
fn become_successor(shell: &Shell<'_>, attempt: &Attempt) -> String {
    let program = attempt.launch.path.display();
    tracing::info!(event = "upgrade_handed_over", %program, "upgrade: handing over to the new program");
    hooks::exec(
        &shell.generations,
        &shell.molds,
        shell.supervisor.generation(),
    );
    observability::flush_pending();
    let (state, kept) = match hand_over::written(
        shell,
        &attempt.callers,
        attempt.then,
        StateReader::Successor,
    ) {
        Ok(written) => written,
        Err(error) => return error.to_string(),
    };
    // Relative paths, and `current`, are meant as they were at the start.
    let before = std::env::current_dir();
    if let Err(error) = std::env::set_current_dir(&shell.generations.start) {
        return sys::Error::new("chdir", shell.generations.start.display(), error).to_string();
    }
    let mut descriptors = kept.numbers().to_vec();
    descriptors.push(state.as_raw_fd());
    let mut variables = attempt.launch.variables.clone();
    variables.push((STATE_VARIABLE.to_owned(), state.as_raw_fd().to_string()));
    let Launch { path, words, .. } = &attempt.launch;
    let path = OsStr::new(path);
    let failed = replace_program(path, words, &variables, &descriptors);
    // This program goes on where it was.
    let back = before.and_then(std::env::set_current_dir);
    if let Err(error) = back {
        tracing::warn!(%error, "the working directory is that of the start now");
    }
    failed.to_string()
}
