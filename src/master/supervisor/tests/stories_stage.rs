//! Stories of a generation that is staged, inspected, and promoted or discarded.

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

const SECOND: Generation = Generation(2);

fn staged(plan: Plan) -> Story {
    let mut story = Story::serving(plan.clone());
    let first = u64::from(plan.workers) + 1;
    story.control(7, Command::Stage).config(2, plan.clone());
    for n in first..first + u64::from(plan.workers) {
        story.ready(n);
    }
    story
}

#[test]
fn stage_boots_a_generation_whole_and_lets_none_of_it_serve() {
    let mut story = Story::serving(plan(2));
    story.control(7, Command::Stage);
    assert_eq!(
        story.reports,
        [Report::StageBegan {
            generation: SECOND,
            token: Token(7)
        }]
    );
    story.config(2, plan(2));
    assert_eq!(story.actions, [spawn(3, 0, 2), spawn(4, 1, 2)]);
    assert_eq!(story.ready(3).actions, []);
    story.ready(4);
    let (token, generation) = (Token(7), SECOND);
    let answer = Answer::Staged {
        generation,
        workers: 2,
    };
    assert_eq!(
        story.actions,
        [
            Action::Reply { token, answer },
            Action::Notify(ServiceState::Ready)
        ]
    );
    assert!(story.seconds(3600).is_empty(), "{:?}", story.actions);
    assert_eq!(story.supervisor.generation(), Generation(1));
    assert_eq!(story.supervisor.service(), ServerState::Serving);
}

#[test]
fn stage_is_promoted_as_a_reload_ends() {
    let mut story = staged(plan(2));
    story.control(8, Command::Promote);
    assert_eq!(
        story.actions,
        [
            Action::Notify(ServiceState::Reloading),
            drain(1, Replaced, 30),
            drain(2, Replaced, 30)
        ]
    );
    story
        .says(1, WorkerMessage::StoppedAccepting)
        .says(2, WorkerMessage::StoppedAccepting);
    let (token, generation) = (Token(8), SECOND);
    let answer = Answer::Reloaded { generation };
    assert_eq!(
        story.actions,
        [
            go(3),
            go(4),
            Action::Reply { token, answer },
            Action::Notify(ServiceState::Ready)
        ]
    );
    assert_eq!(story.supervisor.generation(), SECOND);
}

#[test]
fn stage_is_discarded_and_the_old_workers_never_notice() {
    let mut story = staged(plan(2));
    story.control(8, Command::Discard);
    let (token, generation) = (Token(8), SECOND);
    let answer = Answer::Discarded { generation };
    assert_eq!(
        story.actions,
        [
            stop_fast(3),
            stop_fast(4),
            Action::Notify(ServiceState::Ready),
            Action::Reply { token, answer }
        ]
    );
    assert_eq!(story.reports, [Report::Discarded { generation }]);
    story.exits(3, Exit::Code(0)).exits(4, Exit::Code(0));
    assert_eq!(story.actions, [Action::Forget { generation }]);
    story.control(9, Command::Promote);
    assert_eq!(
        answered(&story, 9),
        Some(Answer::Refused(RolloutRefusal::NothingStaged))
    );
}

#[test]
fn stage_is_discarded_while_it_boots() {
    let mut story = Story::serving(plan(1));
    story.control(7, Command::Stage);
    story.control(8, Command::Discard);
    let (generation, why) = (SECOND, ReloadFailure::Discarded);
    assert_eq!(
        answered(&story, 7),
        Some(Answer::StageFailed { generation, why })
    );
    assert_eq!(answered(&story, 8), Some(Answer::Discarded { generation }));
    assert_eq!(story.config(2, plan(1)).actions, [], "read in vain");
    story.control(9, Command::Stage).config(3, plan(1));
    story.control(10, Command::Discard);
    assert!(story.did(&terminate(2)), "{:?}", story.actions);
}

#[test]
fn stage_that_fails_leaves_everything_as_it_was() {
    let mut story = Story::serving(plan(2));
    story.control(7, Command::Stage).config(2, plan(2)).ready(3);
    let phase = BootPhase::Import;
    story.says(4, WorkerMessage::Failed { phase });
    assert!(
        matches!(answered(&story, 7), Some(Answer::StageFailed { .. })),
        "{:?}",
        story.actions
    );
    assert!(story.did(&stop_fast(3)), "{:?}", story.actions);
}

#[test]
fn stage_is_lost_when_one_of_its_workers_ends() {
    for exit in [KILLED, Exit::Code(0), Exit::OutOfMemory] {
        let mut story = staged(plan(2));
        story.exits(3, exit);
        assert!(story.did(&stop_fast(4)), "{:?}", story.actions);
        let kind = RolloutKind::Stage;
        let lost = |report: &Report| matches!(report, Report::ReloadFailed { kind: of, .. } if *of == kind);
        assert!(story.reports.iter().any(lost), "{:?}", story.reports);
        assert_eq!(story.spawned(), [0; 0], "what served serves on");
    }
}

#[test]
fn stage_hangs_and_is_lost() {
    let mut story = staged(plan(1));
    story.now = story.now + std::time::Duration::from_secs(1);
    story.pass(std::time::Duration::from_secs(30));
    story.beat(2, std::time::Duration::from_secs(31));
    let kind = RolloutKind::Stage;
    let lost =
        |report: &Report| matches!(report, Report::ReloadFailed { kind: of, .. } if *of == kind);
    assert!(story.reports.iter().any(lost), "{:?}", story.reports);
}

#[test]
fn stage_keeps_every_other_rollout_out() {
    let mut story = staged(plan(1));
    let generation = SECOND;
    for command in [Command::Reload, Command::Stage] {
        story.control(8, command);
        let refusal = RolloutRefusal::Staged { generation };
        assert_eq!(answered(&story, 8), Some(Answer::Refused(refusal)));
    }
    story.signal(Signal::Hup);
    let generation = Some(generation);
    assert_eq!(story.reports, [Report::ReloadRefused { generation }]);
    assert_eq!(story.actions, []);
}

#[test]
fn stage_waits_for_no_reload_and_is_not_promoted_before_it_is_whole() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Hup);
    for command in [Command::Stage, Command::Promote, Command::Discard] {
        story.control(8, command);
        let generation = Some(SECOND);
        let refusal = RolloutRefusal::Reloading { generation };
        assert_eq!(answered(&story, 8), Some(Answer::Refused(refusal)));
    }
    story
        .config(2, plan(1))
        .ready(2)
        .says(1, WorkerMessage::StoppedAccepting)
        .exits(1, Exit::Code(0));
    story.control(9, Command::Stage).config(3, plan(1));
    story.control(10, Command::Promote);
    let generation = Some(Generation(3));
    let refusal = RolloutRefusal::Staging { generation };
    assert_eq!(answered(&story, 10), Some(Answer::Refused(refusal)));
}

#[test]
fn stage_during_the_first_boot_waits_for_its_end() {
    let mut story = Story::new(plan(1));
    story.control(7, Command::Stage);
    assert_eq!(story.reports, [Report::ReloadQueued]);
    let read = Action::ReadConfig { generation: SECOND };
    assert!(story.ready(1).did(&read), "{:?}", story.actions);
}

#[test]
fn stage_ignores_a_surge() {
    let one = Plan {
        surge: Some(1),
        ..plan(2)
    };
    let mut story = Story::serving(one.clone());
    story.control(7, Command::Stage).config(2, one);
    assert_eq!(story.spawned(), [3, 4]);
}

#[test]
fn stage_needs_memory_for_all_of_it() {
    let mut story = Story::serving(plan(2));
    story.memory = Some(AvailableMemory {
        limit: 1000,
        free: 150,
        worker: 100,
    });
    story.control(7, Command::Stage).config(2, plan(2));
    assert!(
        matches!(
            answered(&story, 7),
            Some(Answer::StageFailed {
                why: ReloadFailure::NoMemory { .. },
                ..
            })
        ),
        "{:?}",
        story.actions
    );
}

#[test]
fn workers_are_retired_and_replaced_beside_a_stage() {
    let mut story = staged(plan(1));
    story.done_enough(1);
    assert_eq!(story.spawned(), [3]);
    assert_eq!(story.ready(3).actions, [drain(1, Replaced, 30), go(3)]);
    story.exits(1, Exit::Code(0)).exits(3, KILLED);
    assert_eq!(story.actions, [spawn(4, 0, 1)]);
}

#[test]
fn a_scaled_server_has_a_scaled_stage() {
    let mut story = staged(plan(1));
    story.control(8, Command::Scale(2));
    assert_eq!(story.spawned(), [3, 4]);
    story.ready(3).ready(4).control(9, Command::Promote);
    story.seconds(1);
    assert_eq!(story.supervisor.generation(), SECOND);
    assert_eq!(story.supervisor.target(), 2);
}

#[test]
fn a_stage_ends_with_the_server() {
    let mut story = staged(plan(1));
    story.signal(Signal::Term);
    assert!(story.did(&stop_fast(2)), "{:?}", story.actions);
    story.control(8, Command::Promote);
    assert_eq!(answered(&story, 8), Some(Answer::ServerStopping));
}
