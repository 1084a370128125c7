//! The servers of metrics and of syslog that are named by a host: looked up once for all processes, before the first worker.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::config::{self, Logging};
use crate::sys::{self, Lookup, LookupEvent, clock};

/// How long a start waits for the name servers; then it continues, and data is sent once they have answered.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lookups of the current settings, or of those about to be applied.
static LOOKUPS: Mutex<Vec<Arc<Lookup>>> = Mutex::new(Vec::new());

/// Starts lookups for the hosts in these settings. Earlier lookups continue until `keep`.
///
/// # Errors
/// When there is no memory or descriptor for an answer.
pub fn begin(logging: &Logging) -> sys::Result<()> {
    let mut lookups = LOOKUPS.lock();
    for (host, port) in hosts(logging) {
        lookups.push(Arc::new(Lookup::start(host, port)?));
    }
    Ok(())
}

/// At the start: waits a moment, so that the first records are sent.
pub(super) fn wait() {
    let until = clock::monotonic() + PATIENCE;
    for lookup in &*LOOKUPS.lock() {
        lookup.wait(until.saturating_sub(clock::monotonic()));
    }
}

/// The newest one for this host.
///
/// # Errors
/// As `begin`, where no lookup was started yet.
pub(super) fn find(host: &str, port: u16) -> sys::Result<Arc<Lookup>> {
    let mut lookups = LOOKUPS.lock();
    if let Some(known) = lookups.iter().rev().find(|one| one.is_for(host, port)) {
        return Ok(Arc::clone(known));
    }
    let lookup = Arc::new(Lookup::start(host, port)?);
    lookups.push(Arc::clone(&lookup));
    Ok(lookup)
}

/// Ends those that these settings do not need, and all but the newest for each host.
pub fn keep(logging: &Logging) {
    let mut lookups = LOOKUPS.lock();
    let mut kept: Vec<Arc<Lookup>> = Vec::new();
    for lookup in lookups.drain(..).rev() {
        let is_needed = hosts(logging).any(|(host, port)| lookup.is_for(host, port))
            && !kept.iter().any(|newer| newer.is_same(&lookup));
        if is_needed {
            kept.push(lookup);
        } else {
            lookup.stop();
        }
    }
    *lookups = kept;
}

/// Logs new results of the lookups. Only the process that started them does.
pub fn report() {
    let news: Vec<_> = LOOKUPS
        .lock()
        .iter()
        .filter(|lookup| lookup.is_ours())
        .filter_map(|lookup| Some((lookup.host().to_owned(), lookup.take_event()?)))
        .collect();
    for (host, news) in news {
        match news {
            LookupEvent::Failed(error) => {
                tracing::warn!(
                    host,
                    error,
                    "host of a log or metrics server does not resolve, trying again"
                );
            }
            LookupEvent::Found(address) => {
                tracing::info!(host, %address, "host of a log or metrics server resolved");
            }
        }
    }
}

fn hosts(logging: &Logging) -> impl Iterator<Item = (&str, u16)> {
    let syslog = logging.syslog.as_ref().map(|syslog| &syslog.address);
    let statsd = logging.statsd.as_ref().map(|statsd| &statsd.address);
    syslog
        .into_iter()
        .chain(statsd)
        .filter_map(|address| match address {
            config::RemoteAddress::Udp { host, port }
            | config::RemoteAddress::Tcp { host, port } => Some((host.as_str(), *port)),
            config::RemoteAddress::Datagrams(_)
            | config::RemoteAddress::Stream(_)
            | config::RemoteAddress::Unix(_) => None,
        })
}
