//! The whole state of the master: the supervisor, and the parts of the system around it.

use std::sync::Arc;

use super::Error;
use super::capacity::Capacity;
use super::configuration::Configuration;
use super::control::ControlClients;
use super::event_queue::EventQueue;
use super::generation::{GenerationConfig, plan};
use super::generations::Generations;
use super::helper_processes::HelperProcesses;
use super::host::Host;
use super::listening::Listening;
use super::molds::Molds;
use super::previews::Previews;
use super::reporting::Reporting;
use super::supervisor::Supervisor;
use super::upgrade::attempt::UpgradeAttempt;
use super::worker_processes::WorkerProcesses;
use crate::config::{Settings, start_directory};
use crate::sys::random;
use crate::sys::signals::SignalQueue;

/// Dropping it closes descriptors and does nothing else: children drop it too.
pub struct Shell<'a> {
    pub supervisor: Supervisor,
    pub capacity: Capacity,
    pub host: &'a dyn Host,
    pub events: EventQueue,
    pub generations: Generations<'a>,
    pub listening: Listening,
    pub fleet: WorkerProcesses,
    pub helpers: HelperProcesses,
    pub molds: Molds,
    pub clients: ControlClients,
    pub reporting: Reporting,
    pub upgrade: UpgradeAttempt,
}

impl<'a> Shell<'a> {
    pub fn new(
        settings: Arc<Settings>,
        signals: SignalQueue,
        configuration: &'a dyn Configuration,
        host: &'a dyn Host,
    ) -> Result<Self, Error> {
        let capacity = Capacity::of_this_process(&settings)?;
        capacity.check(settings.most_workers())?;
        let start = start_directory();
        let identity = super::identity(&settings)?;
        let mut previews = Previews::default();
        let supervisor = Supervisor::new(plan(&settings, capacity), random());
        let mut config = GenerationConfig::new(settings, &start);
        config.previews = previews.channels_for(&config.settings);
        Ok(Self {
            supervisor,
            capacity,
            host,
            events: EventQueue::new(signals),
            generations: Generations::new(config, start, configuration),
            listening: Listening::new(previews),
            fleet: WorkerProcesses::new(capacity.pages(), identity)?,
            helpers: HelperProcesses::default(),
            molds: Molds::default(),
            clients: ControlClients::default(),
            reporting: Reporting::of_this_process(),
            upgrade: UpgradeAttempt::default(),
        })
    }
}
