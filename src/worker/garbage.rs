//! Garbage collections of a serving worker: measured for the monitor, and with `--gc idle` the full ones run between requests.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::prelude::*;

use super::collection_schedule::{CollectionFacts, CollectionSchedule, NextCollection};
use super::network::Network;
use super::python::{CollectionTimes, FullCollections};
use crate::config::GarbageCollection;
use crate::sys::clock;

pub struct Garbage {
    net: Arc<Network>,
    times: Option<CollectionTimes>,
    idle: Option<IdleCollections>,
}

struct IdleCollections {
    full: FullCollections,
    schedule: Mutex<CollectionSchedule>,
}

impl Garbage {
    /// From here on; the app has made its own arrangements with the collector.
    pub fn attend(py: Python<'_>, net: &Arc<Network>) -> PyResult<Self> {
        let when_idle = net.settings.garbage_collection == GarbageCollection::Idle;
        // A callback for each collection costs a little: only where its numbers are shown, or asked for.
        let is_measured = when_idle || !net.settings.admin_bind.is_empty();
        let times = is_measured.then(|| CollectionTimes::measure(py, net.page));
        let full = when_idle.then(|| FullCollections::take_over(py));
        Ok(Self {
            net: net.clone(),
            times: times.transpose()?,
            idle: full.transpose()?.map(|full| IdleCollections {
                schedule: Mutex::new(CollectionSchedule::new(full.threshold())),
                full,
            }),
        })
    }

    /// Called between two steps of the app; runs a full collection if one is due and this is the moment. Returns after which
    /// time to call it again at the latest; `None`: after the next step. An error: a signal handler of the app raised.
    pub fn look(&self, py: Python<'_>) -> PyResult<Option<Duration>> {
        let Some(idle) = &self.idle else {
            return Ok(None);
        };
        let facts = CollectionFacts {
            now: clock::monotonic(),
            pending: idle.full.pending(py)?,
            requests: self.net.page.requests(),
            in_flight: self.net.ledger.in_flight(),
        };
        let next = idle.schedule.lock().next(facts);
        match next {
            NextCollection::NotDue => Ok(None),
            NextCollection::LookAgainAfter(time) => Ok(Some(time)),
            NextCollection::Now => {
                idle.full.offer(py)?;
                let pending = idle.full.pending(py)?;
                idle.schedule.lock().offered(pending);
                Ok(None)
            }
        }
    }

    /// The collector is the program's again.
    pub fn leave(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(times) = &self.times {
            times.stop(py)?;
        }
        match &self.idle {
            Some(idle) => idle.full.give_back(py),
            None => Ok(()),
        }
    }
}
