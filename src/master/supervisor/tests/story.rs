//! A manually driven supervisor for the stories: each test plays the shell and the workers. Nothing happens by
//! itself.

use std::time::Duration;

use crate::master::supervisor::*;

pub fn plan(workers: u32) -> Plan {
    Plan {
        workers,
        scaling: None,
        most_workers: 1024,
        parallel_boots: 64,
        surge: None,
        boot_timeout: Duration::from_secs(60),
        graceful_timeout: Duration::from_secs(30),
        timeout: Some(Duration::from_secs(30)),
        rollback_window: Duration::ZERO,
        rollback_keep: KeptProcesses::Workers,
        shutdown_delay: Duration::ZERO,
        winch: Winch::Ignored,
        sources: SourceWatching::Fixed,
        abort: Abort::Never,
        forked_from: ForkedFrom::Master,
        limits: WorkerLimits {
            requests: Some(1000),
            ..WorkerLimits::default()
        },
        refork_after: None,
        helpers: vec![],
        companions: vec![],
        preparations: 0,
        preparation_timeout: None,
    }
}

pub struct Story {
    pub supervisor: Supervisor,
    pub now: Moment,
    /// The actions of the last event, without reports.
    pub actions: Vec<Action>,
    pub reports: Vec<Report>,
    /// As it was said last.
    pub leader: Option<Incarnation>,
    /// The answer to a memory measurement; otherwise it is not visible here.
    pub memory: Option<AvailableMemory>,
    pub last_hook: LastHook,
}

/// Whether the helpers end at once when the server does; otherwise their end is visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastHook {
    Ends,
    Runs,
}

impl Story {
    pub fn new(plan: Plan) -> Self {
        let mut supervisor = Supervisor::new(plan, 1);
        let actions = supervisor.start(Moment::default());
        let mut story = Self {
            supervisor,
            now: Moment::default(),
            actions: vec![],
            reports: vec![],
            leader: None,
            memory: None,
            last_hook: LastHook::Ends,
        };
        story.keep(actions);
        story
    }

    /// Booted, all workers serving. Incarnation n + 1 is in slot n.
    pub fn serving(plan: Plan) -> Self {
        let workers = plan.workers;
        let mut story = Self::new(plan);
        for n in 1..=u64::from(workers) {
            story.ready(n);
        }
        assert!(story.supervisor.is_up(), "{:?}", story.reports);
        story
    }

    fn keep(&mut self, actions: Vec<Action>) {
        self.actions.clear();
        self.reports.clear();
        for action in actions {
            match action {
                Action::Report(report) => self.reports.push(report),
                Action::Lead { leader } => self.leader = leader,
                other => self.actions.push(other),
            }
        }
    }

    pub fn event(&mut self, event: Event) -> &mut Self {
        let mut actions = self.supervisor.handle(self.now, event);
        let answer = |action: &Action| match action {
            Action::MeasureMemory => Some(Event::Memory(self.memory)),
            Action::EndHelpers if self.last_hook == LastHook::Ends => Some(Event::HelpersEnded),
            _ => None,
        };
        while let Some((at, event)) = actions
            .iter()
            .enumerate()
            .find_map(|(at, action)| Some((at, answer(action)?)))
        {
            actions.remove(at);
            actions.extend(self.supervisor.handle(self.now, event));
        }
        self.keep(actions);
        self
    }

    /// Lets time pass, calling the supervisor whenever it asks to be. Returns every action of that time, without
    /// samples.
    pub fn pass(&mut self, span: Duration) -> Vec<Action> {
        let (mut all, mut reports) = (vec![], vec![]);
        let end = self.now + span;
        while let Some(at) = self.supervisor.next_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.event(Event::Timeout);
            all.extend(self.actions.drain(..).filter(|a| {
                !matches!(
                    a,
                    Action::SampleHeartbeats
                        | Action::SampleHelpers
                        | Action::CompareGenerations { .. }
                )
            }));
            reports.append(&mut self.reports);
        }
        self.now = end;
        (self.actions, self.reports) = (all.clone(), reports);
        all
    }

    pub fn seconds(&mut self, seconds: u64) -> Vec<Action> {
        self.pass(Duration::from_secs(seconds))
    }

    pub fn signal(&mut self, signal: Signal) -> &mut Self {
        self.event(Event::Signal(signal))
    }

    pub fn says(&mut self, n: u64, message: WorkerMessage) -> &mut Self {
        self.event(Event::Worker {
            incarnation: Incarnation(n),
            message,
        })
    }

    pub fn ready(&mut self, n: u64) -> &mut Self {
        self.says(n, WorkerMessage::Ready)
    }

    /// A heartbeat of one worker with that age.
    pub fn beat(&mut self, n: u64, age: Duration) -> &mut Self {
        self.event(Event::Heartbeats(vec![Beat {
            incarnation: Incarnation(n),
            age,
            slowest: None,
            requests: 0,
            memory: None,
        }]))
    }

    /// It has begun as many requests as it may.
    pub fn done_enough(&mut self, n: u64) -> &mut Self {
        self.event(Event::Heartbeats(vec![Beat {
            incarnation: Incarnation(n),
            age: Duration::ZERO,
            slowest: None,
            requests: 1000,
            memory: None,
        }]))
    }

    pub fn exits(&mut self, n: u64, exit: Exit) -> &mut Self {
        self.event(Event::Exited {
            incarnation: Incarnation(n),
            exit,
        })
    }

    pub fn config(&mut self, generation: u32, plan: Plan) -> &mut Self {
        self.event(Event::ConfigRead {
            generation: Generation(generation),
            result: ConfigResult::Good(Box::new(plan)),
        })
    }

    pub fn control(&mut self, token: u64, command: Command) -> &mut Self {
        self.event(Event::Control {
            token: Token(token),
            command,
        })
    }

    /// Incarnations spawned by the last event.
    pub fn spawned(&self) -> Vec<u64> {
        self.actions
            .iter()
            .filter_map(|a| match a {
                Action::Spawn { incarnation, .. } => Some(incarnation.0),
                _ => None,
            })
            .collect()
    }

    pub fn did(&self, action: &Action) -> bool {
        self.actions.contains(action)
    }
}

pub const KILLED: Exit = Exit::Signal {
    signal: 9,
    core: CoreDump::No,
};

pub fn spawn(n: u64, slot: u32, generation: u32) -> Action {
    Action::Spawn {
        incarnation: Incarnation(n),
        slot: Slot(slot),
        generation: Generation(generation),
    }
}

pub fn go(n: u64) -> Action {
    Action::Send {
        incarnation: Incarnation(n),
        order: Order::Go,
    }
}

pub fn drain(n: u64, reason: DrainCause, seconds: u64) -> Action {
    let graceful = Duration::from_secs(seconds);
    Action::Send {
        incarnation: Incarnation(n),
        order: Order::Drain { reason, graceful },
    }
}

pub fn pause(n: u64) -> Action {
    Action::Send {
        incarnation: Incarnation(n),
        order: Order::Pause,
    }
}

/// The answer of the last event to the client with that token.
pub fn answered(story: &Story, token: u64) -> Option<Answer> {
    story.actions.iter().find_map(|action| match action {
        Action::Reply { token: to, answer } if *to == Token(token) => Some(*answer),
        _ => None,
    })
}

pub fn stop_fast(n: u64) -> Action {
    Action::Send {
        incarnation: Incarnation(n),
        order: Order::StopFast,
    }
}

pub fn terminate(n: u64) -> Action {
    Action::Terminate {
        incarnation: Incarnation(n),
    }
}

pub fn kill(n: u64, why: KillReason) -> Action {
    Action::Kill {
        incarnation: Incarnation(n),
        why,
    }
}
