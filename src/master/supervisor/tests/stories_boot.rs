//! Stories of the first boot.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

#[test]
fn boot_serves_with_the_first_ready_worker() {
    let mut story = Story::new(plan(3));
    assert_eq!(
        story.actions,
        [spawn(1, 0, 1), spawn(2, 1, 1), spawn(3, 2, 1)]
    );
    story.ready(2);
    assert_eq!(story.actions, [go(2)]);
    assert!(!story.supervisor.is_up());
    story.ready(1);
    assert_eq!(story.actions, [go(1)]);
    story.ready(3);
    assert_eq!(story.actions, [go(3), Action::Notify(ServiceState::Ready)]);
    assert!(story.reports.contains(&Report::Up { workers: 3 }));
}

#[test]
fn bad_app_ends_the_first_boot_within_a_second() {
    for (phase, code) in [
        (BootPhase::Import, 3),
        (BootPhase::Load, 4),
        (BootPhase::Boot, 3),
        (BootPhase::Lifespan, 3),
        (BootPhase::ReadyPath, 3),
        (BootPhase::Settings, 1),
    ] {
        let mut story = Story::new(plan(3));
        story.ready(1);
        story.says(2, WorkerMessage::Failed { phase });
        assert!(story.did(&stop_fast(1)), "{:?}", story.actions);
        assert!(story.did(&terminate(3)), "{:?}", story.actions);
        assert!(story.did(&Action::CloseListeners), "{:?}", story.actions);
        story.exits(2, Exit::Code(code));
        // The serving worker takes its time and is not waited for; the booting one handles SIGTERM.
        let late = story.pass(Duration::from_millis(900));
        assert_eq!(
            late,
            [kill(1, KillReason::Overdue), kill(3, KillReason::Overdue)]
        );
        story.exits(1, KILLED);
        story.exits(3, KILLED);
        assert_eq!(
            story.actions.last(),
            Some(&Action::Exit { code }),
            "{phase:?}"
        );
        assert_eq!(story.supervisor.next_timeout(), None);
    }
}

#[test]
fn boot_timeout_at_the_first_boot_exits_with_3() {
    let mut story = Story::new(plan(1));
    let actions = story.seconds(62);
    assert!(
        actions.contains(&kill(1, KillReason::BootTimeout)),
        "{actions:?}"
    );
    story.exits(1, KILLED);
    assert_eq!(story.actions.last(), Some(&Action::Exit { code: 3 }));
}
