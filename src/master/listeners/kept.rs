//! The server's listeners, for a program that goes on in this one's place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::choice::{ListenerNumber, ListenerSource, literal};
use super::set::{ListenerMember, ListenerSet};
use super::shares::{KeptShare, Shares};
use super::{OpenListener, ServerListeners, SocketUse};
use crate::config::{Endpoint, PortSharing, Settings};
use crate::master::Error;
use crate::master::binds::{Binds, BindsState};
use crate::master::descriptors::{KeptDescriptors, KeptListener};
use crate::master::supervisor::Generation;
use crate::sys::{Listener, ListenerAddress};

/// All that are open, and which generation has which.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListenersState {
    open: Vec<(ListenerNumber, ListenerSource, BindsState)>,
    last: ListenerNumber,
    shares: Vec<KeptShare>,
    pub sets: Vec<(Generation, ListenerSet)>,
}

/// As states of version 1 have them: all generations have the same ones.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindsOfVersion1 {
    #[serde(flatten)]
    binds: BindsState,
    /// By slot, as text: JSON has no other keys.
    shares: BTreeMap<String, Vec<Option<KeptListener>>>,
}

impl ServerListeners {
    pub fn state(
        &self,
        sets: Vec<(Generation, ListenerSet)>,
        kept: &mut KeptDescriptors,
    ) -> ListenersState {
        let open = self.open.iter();
        ListenersState {
            open: open
                .map(|(number, it)| (*number, it.source.clone(), it.binds.state(kept)))
                .collect(),
            last: self.last,
            shares: self.shares.state(kept),
            sets,
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: ListenersState, sharing: PortSharing) -> Result<Self, Error> {
        let mut open = BTreeMap::new();
        for (number, source, binds) in state.open {
            let binds = Binds::restore(binds)?;
            open.insert(
                number,
                OpenListener {
                    source,
                    binds,
                    sockets: SocketUse::Alone,
                },
            );
        }
        Ok(Self {
            open,
            last: state.last,
            shares: Shares::restore(state.shares, sharing)?,
        })
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore_version_1(
        state: BindsOfVersion1,
        settings: &Settings,
    ) -> Result<(Self, ListenerSet), Error> {
        let mut listeners = Self::default();
        let mut members = Vec::new();
        for binds in Binds::restore(state.binds)?.each() {
            let Some(listener) = binds.listeners.first() else {
                continue;
            };
            let (protection, source) = (listener.protection, source(listener, &binds, settings));
            let number = listeners.add(source, binds);
            members.push(ListenerMember::new(number, Some(protection)));
        }
        let mut shares = Vec::new();
        for (slot, own) in state.shares {
            let own = members.iter().zip(own);
            for (of, own) in own.filter_map(|(member, own)| Some(((member.number, 0), own?))) {
                let slot = slot.parse().unwrap_or_default();
                shares.push(KeptShare { slot, of, own });
            }
        }
        listeners.shares = Shares::restore(shares, settings.port_sharing)?;
        Ok((listeners, ListenerSet::new(members, settings)))
    }
}

/// Which `--bind` it was probably opened for: version 1 does not say.
fn source(listener: &Listener, binds: &Binds, settings: &Settings) -> ListenerSource {
    let fits = |endpoint: &Endpoint| match (endpoint, &listener.address) {
        (Endpoint::Tcp { host, port }, ListenerAddress::Tcp(address)) => {
            [0, address.port()].contains(port)
                && literal(host).is_none_or(|host| host == address.ip())
        }
        (Endpoint::Unix { path }, ListenerAddress::Unix(own)) => path == own,
        _ => false,
    };
    if !binds.is_own() {
        return ListenerSource::InPlaceOfBind;
    }
    let mut endpoints = settings.bind.iter().map(|bind| &bind.endpoint);
    let named = endpoints.find(|endpoint| fits(endpoint));
    ListenerSource::Bind(named.cloned().unwrap_or_else(|| match &listener.address {
        ListenerAddress::Tcp(address) => Endpoint::Tcp {
            host: address.ip().to_string(),
            port: address.port(),
        },
        ListenerAddress::Unix(path) => Endpoint::Unix { path: path.clone() },
    }))
}
