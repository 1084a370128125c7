//! Whether another program may be started in place of this one, or beside it.

use super::attempt::UpgradeAttempt;
use crate::master::generations::Generations;
use crate::master::supervisor::{NotNow, RolloutRefusal, Supervisor};

/// `Some`: that rollout would have to end before this process becomes the other program.
///
/// # Errors
/// Why it may not.
pub fn check(
    generations: &Generations<'_>,
    supervisor: &Supervisor,
    upgrade: &UpgradeAttempt,
) -> Result<Option<RolloutRefusal>, String> {
    upgrade.is_alone()?;
    if generations.first.reload.is_some() {
        return Err("a server with --reload is not upgraded: start it again".to_owned());
    }
    match supervisor.may_be_handed_over() {
        Ok(()) => Ok(None),
        Err(NotNow::Rollout(refusal)) => Ok(Some(refusal)),
        Err(NotNow::Starting) => Err("the server is starting: try again when it is up".to_owned()),
        Err(NotNow::Stopping) => Err("the server is stopping".to_owned()),
    }
}
