//! Why a rollout is refused, in words.

use crate::master::supervisor::RolloutRefusal;

/// The refusal, with what to do about it.
pub fn refused(refusal: RolloutRefusal) -> String {
    match refusal {
        RolloutRefusal::Reloading { generation: None } => {
            "a reload is queued: try again when it has ended".to_owned()
        }
        RolloutRefusal::Reloading {
            generation: Some(generation),
        } => format!(
            "the server is reloading to generation {generation}: try again when that has ended"
        ),
        RolloutRefusal::Staging { generation: None } => {
            "another generation is queued to be staged: try again when it is".to_owned()
        }
        RolloutRefusal::Staging {
            generation: Some(generation),
        } => format!(
            "generation {generation} is being staged: wait until it is ready, or `rgun ctl discard`"
        ),
        RolloutRefusal::Staged { generation } => format!(
            "generation {generation} is staged: `rgun ctl promote` or `rgun ctl discard` first"
        ),
        RolloutRefusal::Canary { generation } => format!(
            "generation {generation} is a canary: `rgun ctl promote` or `rgun ctl discard` first"
        ),
        RolloutRefusal::TakingBack { generation } => {
            format!("generation {generation} is being taken back: try again when that has ended")
        }
        RolloutRefusal::NothingKept => "no generation is kept for a rollback".to_owned(),
        RolloutRefusal::NotMore { slots } => {
            format!("the canary has {slots} slots already: name more, promote or discard it")
        }
        RolloutRefusal::AllSlots { of } => format!(
            "the server has {of} slots, and a canary leaves at least one of them to the version that serves: name fewer, or `rgun ctl stage` and `promote`"
        ),
        RolloutRefusal::NothingStaged => "nothing is staged: `rgun ctl stage` first".to_owned(),
    }
}
