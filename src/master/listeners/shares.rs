//! `--reuse-port`: a listening socket of its own for each slot. The master keeps it while the slot is wanted, so that
//! connections in its queue outlive the worker and are served by its successor. Only a slot's first worker calls
//! listen, when it may accept.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};

use super::choice::ListenerNumber;
use crate::config::PortSharing;
use crate::master::descriptors::{KeptDescriptors, KeptListener};
use crate::sys::{self, Listener, ListenerAddress, share_port};

/// One socket of the server: which listener, and which of its addresses.
pub type SocketNumber = (ListenerNumber, usize);

/// Empty without `--reuse-port`: all workers have the same listeners. Slot 0 has those that were opened first.
#[derive(Debug, Default)]
pub struct Shares {
    sharing: PortSharing,
    /// Of each slot except the first one; `None`: shared by all.
    of: BTreeMap<u32, BTreeMap<SocketNumber, Option<Listener>>>,
}

/// One slot's own socket, for a program that goes on in this one's place.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeptShare {
    pub slot: u32,
    pub of: SocketNumber,
    pub own: KeptListener,
}

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

    pub fn state(&self, kept: &mut KeptDescriptors) -> Vec<KeptShare> {
        let all = self.of.iter();
        let all = all.flat_map(|(slot, own)| own.iter().map(|(of, own)| (*slot, *of, own)));
        all.filter_map(|(slot, of, own)| {
            let own = KeptListener::of(own.as_ref()?, kept);
            Some(KeptShare { slot, of, own })
        })
        .collect()
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: Vec<KeptShare>, sharing: PortSharing) -> sys::Result<Self> {
        let mut of = BTreeMap::<_, BTreeMap<_, _>>::new();
        for share in state {
            let own = Some(share.own.take()?);
            of.entry(share.slot).or_default().insert(share.of, own);
        }
        Ok(Self { sharing, of })
    }

    /// Called before a worker of that slot is forked. `listener`: the first slot's.
    pub fn prepare(&mut self, slot: u32, of: SocketNumber, listener: &Listener) {
        if self.sharing == PortSharing::None || slot == 0 {
            return;
        }
        let own = self.of.entry(slot).or_default();
        own.entry(of).or_insert_with(|| match &listener.address {
            ListenerAddress::Tcp(address) if listener.shares_port() => {
                share_port(listener, *address)
                    .inspect_err(|error| {
                        tracing::warn!(slot, %error, "the slot shares the first one's socket");
                    })
                    .ok()
            }
            // A unix socket, or one that was passed in and has a single holder.
            ListenerAddress::Tcp(_) | ListenerAddress::Unix(_) => None,
        });
    }

    /// In the child: the slot's own listener, if it has one.
    pub fn take(&mut self, slot: u32, of: SocketNumber) -> Option<Listener> {
        self.of.get_mut(&slot)?.remove(&of)?
    }

    /// The slot's own listener, if it has one.
    pub fn own(&self, slot: u32, of: SocketNumber) -> Option<&Listener> {
        self.of.get(&slot)?.get(&of)?.as_ref()
    }

    /// The server no longer listens there.
    pub fn remove(&mut self, number: ListenerNumber) {
        for own in self.of.values_mut() {
            own.retain(|(of, _), _| *of != number);
        }
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

    /// The other slots' sockets for that one.
    pub fn beside(&self, of: SocketNumber) -> impl Iterator<Item = &Listener> {
        self.of
            .values()
            .filter_map(move |own| own.get(&of)?.as_ref())
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
