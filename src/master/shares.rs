//! `--reuse-port`: a listening socket of its own for each slot. The master keeps it while the slot is wanted, so that
//! connections in its queue outlive the worker and are served by its successor. Only a slot's first worker calls
//! listen, when it may accept.

use std::collections::BTreeMap;
use std::fs;

use super::descriptors::{KeptDescriptors, KeptListener};
use crate::config::PortSharing;
use crate::sys::{self, Listener, ListenerAddress, share_port};

/// Empty without `--reuse-port`: all workers have the same listeners. Slot 0 has those that were opened first.
#[derive(Debug, Default)]
pub struct Shares {
    sharing: PortSharing,
    /// Of each slot except the first one, in the order of the listeners; `None`: shared by all.
    of: BTreeMap<u32, Vec<Option<Listener>>>,
}

/// Those of each slot, for a program that goes on in this one's place.
pub type KeptShares = BTreeMap<u32, Vec<Option<KeptListener>>>;

impl Shares {
    pub fn new(sharing: PortSharing) -> Self {
        if sharing == PortSharing::BySlot {
            warn_of_resets();
        }
        Self {
            sharing,
            of: BTreeMap::new(),
        }
    }

    pub fn state(&self, kept: &mut KeptDescriptors) -> KeptShares {
        let mut keep = |own: &Option<Listener>| own.as_ref().map(|it| KeptListener::of(it, kept));
        let slots = self.of.iter();
        slots
            .map(|(slot, own)| (*slot, own.iter().map(&mut keep).collect()))
            .collect()
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: KeptShares, sharing: PortSharing) -> sys::Result<Self> {
        let mut of = BTreeMap::new();
        for (slot, own) in state {
            let own = own
                .into_iter()
                .map(|it| it.map(KeptListener::take).transpose());
            of.insert(slot, own.collect::<sys::Result<_>>()?);
        }
        Ok(Self { sharing, of })
    }

    /// Called before a worker of that slot is forked. `listeners`: the first slot's.
    pub fn prepare(&mut self, slot: u32, listeners: &[Listener]) {
        if self.sharing == PortSharing::None || slot == 0 || self.of.contains_key(&slot) {
            return;
        }
        let open = |listener: &Listener| match &listener.address {
            ListenerAddress::Tcp(address) if listener.shares_port() => {
                share_port(listener, *address)
                    .inspect_err(|error| {
                        tracing::warn!(slot, %error, "the slot shares the first one's socket");
                    })
                    .ok()
            }
            // A unix socket, or one that was passed in and has a single holder.
            ListenerAddress::Tcp(_) | ListenerAddress::Unix(_) => None,
        };
        let own = listeners.iter().map(open).collect();
        self.of.insert(slot, own);
    }

    /// In the child: the listeners of a worker of that slot.
    pub fn take(&mut self, slot: u32, listeners: Vec<Listener>) -> Vec<Listener> {
        match self.of.remove(&slot) {
            None => listeners,
            Some(own) => own
                .into_iter()
                .zip(listeners)
                .map(|(own, common)| own.unwrap_or(common))
                .collect(),
        }
    }

    /// The slot's own listener of that number, if it has one.
    pub fn own(&self, slot: u32, number: usize) -> Option<&Listener> {
        self.of.get(&slot)?.get(number)?.as_ref()
    }

    /// Closes the sockets of a slot whose last worker has no successor; that worker empties its queues. False:
    /// another worker will, or all share them.
    pub fn close(&mut self, slot: u32) -> bool {
        self.of.remove(&slot).is_some()
    }

    /// Closes the sockets of slots that are neither wanted nor filled: their last worker has died.
    pub fn close_all_but(&mut self, keep: impl Fn(u32) -> bool) {
        self.of.retain(|slot, _| keep(*slot));
    }

    pub fn close_all(&mut self) {
        self.of.clear();
    }

    /// The other slots' sockets for the listener of that number.
    pub fn beside(&self, number: usize) -> impl Iterator<Item = &Listener> {
        self.of
            .values()
            .filter_map(move |own| own.get(number)?.as_ref())
    }
}

/// The kernel can migrate connections in the queue of a closed socket to another one of its group; by default it
/// resets them.
fn warn_of_resets() {
    match fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req") {
        Ok(value) if value.trim() == "1" => {}
        Ok(value) => tracing::warn!(
            value = value.trim(),
            hint = "sysctl -w net.ipv4.tcp_migrate_req=1",
            "--reuse-port without net.ipv4.tcp_migrate_req: a slot that is given up may reset connections that wait there"
        ),
        // An old kernel, or a unit with ProcSubset=pid.
        Err(error) => tracing::info!(
            %error,
            "--reuse-port, and whether net.ipv4.tcp_migrate_req is set cannot be seen here: without it a slot that is given \
             up may reset connections that wait there"
        ),
    }
}
