//! The server's listeners: opened before the first fork, or by a reload before its generation boots, and closed by the
//! master when no generation accepts there any more.

mod choice;
mod generation;
mod kept;
mod set;
mod shares;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use self::choice::{ListenerChoice, ListenerChoices, ListenerSource, choose};
pub use self::choice::{ListenerNumber, has_to_be_looked_up};
pub use self::generation::{close_unwanted, gives_up, open_for, show};
pub use self::kept::{BindsOfVersion1, ListenersState};
use self::set::ListenerMember;
pub use self::set::ListenerSet;
pub use self::shares::Shares;
use super::Error;
use super::binds::{Binds, copy_of};
use crate::config::{Bind, Endpoint, PortSharing, Settings};
use crate::sys::{
    Audience, Identity, Listener, ListenerAddress, Others, Passed, Pid, Protection, WhenLocked,
    accept_queue, passed_descriptors,
};

/// All that are open.
#[derive(Debug, Default)]
pub struct ServerListeners {
    open: BTreeMap<ListenerNumber, OpenListener>,
    last: ListenerNumber,
    /// Those of the other slots, if they have their own.
    pub shares: Shares,
}

/// Whether another master goes on listening at the same sockets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum SocketUse {
    #[default]
    Alone,
    /// What would be done to a socket or its path, and not to our descriptor, must not be done.
    WithOtherMaster,
}

/// What was opened for one `--bind`.
#[derive(Debug)]
struct OpenListener {
    source: ListenerSource,
    binds: Binds,
    sockets: SocketUse,
}

impl OpenListener {
    /// Our descriptors; for another master the sockets and their paths stay as they are.
    fn close(&mut self) {
        match self.sockets {
            SocketUse::Alone => self.binds.close(),
            SocketUse::WithOtherMaster => self.binds = Binds::default(),
        }
    }
}

impl ServerListeners {
    /// Opens everything that `--bind` names, or nothing.
    ///
    /// Sockets passed by systemd replace `--bind`, as with gunicorn, unless a `--bind fd://` selects among them.
    ///
    /// `caller`: the process that they were passed to, if it is not this one.
    ///
    /// # Errors
    /// The address that cannot be listened at.
    pub fn open(settings: &Settings, caller: Option<Pid>) -> Result<(Self, ListenerSet), Error> {
        let mut listeners = Self {
            shares: Shares::new(settings.port_sharing),
            ..Self::default()
        };
        let opened = listeners.open_all(
            settings,
            &passed_descriptors(caller.unwrap_or_else(Pid::this)),
        );
        if opened.is_err() {
            listeners.close();
        }
        Ok((listeners, opened?))
    }

    fn open_all(&mut self, settings: &Settings, passed: &[Passed]) -> Result<ListenerSet, Error> {
        let named = settings
            .bind
            .iter()
            .any(|bind| matches!(bind.endpoint, Endpoint::Fd { .. } | Endpoint::FdName { .. }));
        if !passed.is_empty() && !named {
            tracing::info!(
                sockets = passed.len(),
                "using the sockets passed by systemd instead of --bind"
            );
            let mut members = Vec::new();
            for one in passed {
                let number = self.add(ListenerSource::InPlaceOfBind, Binds::inherited(one.fd)?);
                members.push(ListenerMember::new(number, None));
            }
            return Ok(ListenerSet::new(members, settings));
        }
        // A descriptor that is named twice is still one listener, and must not get two owners.
        let mut taken = BTreeSet::new();
        let mut members = Vec::new();
        for bind in &settings.bind {
            let descriptors = match &bind.endpoint {
                Endpoint::Tcp { .. } | Endpoint::Unix { .. } => {
                    let when = WhenLocked::Wait;
                    let binds = open_own(&bind.endpoint, settings, settings, when)?;
                    let number = self.add(ListenerSource::Bind(bind.endpoint.clone()), binds);
                    members.push(ListenerMember::of(number, bind));
                    continue;
                }
                Endpoint::Fd { fd } => vec![*fd],
                Endpoint::FdName { name } => with_name(name, passed)?,
            };
            for fd in descriptors.into_iter().filter(|fd| taken.insert(*fd)) {
                let source = ListenerSource::Bind(bind.endpoint.clone());
                let number = self.add(source, Binds::inherited(fd)?);
                members.push(ListenerMember::of(number, bind));
            }
        }
        Ok(ListenerSet::new(members, settings))
    }

    fn add(&mut self, source: ListenerSource, binds: Binds) -> ListenerNumber {
        self.last = ListenerNumber(self.last.0 + 1);
        self.open.insert(
            self.last,
            OpenListener {
                source,
                binds,
                sockets: SocketUse::Alone,
            },
        );
        self.last
    }

    /// Those of a new generation: what its settings name again stays, what they name anew is opened, all of it or nothing.
    /// `start`: the settings of the start, for what a reload does not change.
    ///
    /// # Errors
    /// The address that cannot be listened at.
    pub fn follow(&mut self, settings: &Settings, start: &Settings) -> Result<ListenerSet, Error> {
        let open = self.open.iter();
        let open: Vec<_> = open.map(|(number, it)| (*number, &it.source)).collect();
        let ListenerChoices { binds, unnamed } = choose(&open, &settings.bind);
        let mut members: Vec<_> = unnamed
            .into_iter()
            .map(|number| ListenerMember::new(number, None))
            .collect();
        let tls = |bind: &&Bind| bind.protection == Some(Protection::Tls);
        if settings.tls.is_none()
            && let Some(bind) = settings.bind.iter().find(tls)
        {
            return Err(Error::TlsAtReload(bind.endpoint.to_string()));
        }
        let mut opened = Vec::new();
        for choice in binds {
            match choice {
                ListenerChoice::Kept(number, bind) => {
                    members.push(ListenerMember::of(number, bind))
                }
                ListenerChoice::ToOpen(bind) => {
                    let binds = self.open_anew(&bind.endpoint, settings, start);
                    match binds {
                        Ok(binds) => {
                            let source = ListenerSource::Bind(bind.endpoint.clone());
                            let number = self.add(source, binds);
                            opened.push(number);
                            members.push(ListenerMember::of(number, bind));
                        }
                        Err(error) => {
                            opened.into_iter().for_each(|number| self.close_one(number));
                            return Err(error);
                        }
                    }
                }
            }
        }
        Ok(ListenerSet::new(members, settings))
    }

    fn open_anew(
        &self,
        endpoint: &Endpoint,
        settings: &Settings,
        start: &Settings,
    ) -> Result<Binds, Error> {
        match endpoint {
            // The numbers of this process's own descriptors mean nothing to an operator.
            Endpoint::Fd { .. } | Endpoint::FdName { .. } => {
                Err(Error::PassedAtStart(endpoint.to_string()))
            }
            endpoint if has_to_be_looked_up(endpoint) => {
                Err(Error::NameAtReload(endpoint.to_string()))
            }
            Endpoint::Tcp { port, .. } => open_own(endpoint, settings, start, WhenLocked::GoOn).map_err(|error| {
                match (error, self.at_port(*port)) {
                    (Error::System(error), Some(own))
                        if error.kind() == io::ErrorKind::AddrInUse =>
                    {
                        Error::System(error.with_hint(format!(
                            "this server listens at {own}: a reload closes that only after it has opened the others"
                        )))
                    }
                    (error, _) => error,
                }
            }),
            Endpoint::Unix { .. } => open_own(endpoint, settings, start, WhenLocked::GoOn),
        }
    }

    fn at_port(&self, port: u16) -> Option<&ListenerAddress> {
        let all = self.open.values().flat_map(|open| &open.binds.listeners);
        all.map(|listener| &listener.address).find(
            |address| matches!(address, ListenerAddress::Tcp(address) if address.port() == port),
        )
    }

    /// Inherited listeners that the settings do not name are served all the same.
    pub fn unnamed(&self, settings: &Settings) -> Vec<String> {
        let open = self.open.iter();
        let open: Vec<_> = open.map(|(number, it)| (*number, &it.source)).collect();
        let unnamed = choose(&open, &settings.bind).unnamed.into_iter();
        let unnamed = unnamed.filter_map(|number| self.open.get(&number));
        unnamed
            .flat_map(|open| open.binds.listeners.iter().map(ToString::to_string))
            .collect()
    }

    /// Each socket of that set, with its protection.
    fn of_set<'a>(
        &'a self,
        set: &'a ListenerSet,
    ) -> impl Iterator<Item = (shares::SocketNumber, &'a Listener, Protection)> {
        set.members().flat_map(move |member| {
            let open = self.open.get(&member.number).into_iter();
            let listeners = open.flat_map(|open| open.binds.listeners.iter().enumerate());
            listeners.map(move |(at, listener)| {
                let protection = set.protection(member, &listener.address);
                ((member.number, at), listener, protection)
            })
        })
    }

    /// Whether some listener of that set is closed by now.
    pub fn lacks_one_of(&self, set: &ListenerSet) -> bool {
        let mut members = set.members();
        members.any(|member| !self.open.contains_key(&member.number))
    }

    /// As an operator reads them.
    pub fn addresses(&self, set: &ListenerSet) -> Vec<String> {
        self.facts(set)
            .into_iter()
            .map(|(address, protection, _)| protection.shown(&address))
            .collect()
    }

    /// Those of that set which have one of these numbers.
    pub fn addresses_of(&self, set: &ListenerSet, numbers: &[ListenerNumber]) -> Vec<String> {
        self.of_set(set)
            .filter(|((number, _), ..)| numbers.contains(number))
            .map(|(_, listener, protection)| protection.shown(&listener.address))
            .collect()
    }

    /// Whether that set has all that are open, and nothing else is.
    pub fn are(&self, set: &ListenerSet) -> bool {
        self.open.len() == set.members().count() && !self.lacks_one_of(set)
    }

    pub fn facts(&self, set: &ListenerSet) -> Vec<(ListenerAddress, Protection, Audience)> {
        self.of_set(set)
            .map(|(_, listener, protection)| {
                (listener.address.clone(), protection, listener.audience)
            })
            .collect()
    }

    /// Called before a worker of that slot is forked.
    pub fn prepare(&mut self, slot: u32, set: &ListenerSet) {
        for member in set.members() {
            let open = self.open.get(&member.number).into_iter();
            for (at, listener) in open.flat_map(|open| open.binds.listeners.iter().enumerate()) {
                self.shares.prepare(slot, (member.number, at), listener);
            }
        }
    }

    /// The listeners of a worker in that slot, in its process.
    pub fn take(&mut self, slot: u32, set: &ListenerSet) -> Vec<Listener> {
        let mut taken = Vec::new();
        for member in set.members() {
            let open = self.open.get_mut(&member.number).into_iter();
            let listeners = open.flat_map(|open| std::mem::take(&mut open.binds.listeners));
            taken.extend(listeners.enumerate().map(|(at, common)| {
                let own = self.shares.take(slot, (member.number, at));
                let listener = own.unwrap_or(common);
                Listener {
                    protection: set.protection(member, &listener.address),
                    ..listener
                }
            }));
        }
        taken
    }

    /// Duplicates of the listeners of a worker in that slot, to be sent to a mold.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn copies_for(&self, slot: u32, set: &ListenerSet) -> Result<Vec<OwnedFd>, Error> {
        self.of_set(set)
            .map(|(number, common, _)| copy_of(self.shares.own(slot, number).unwrap_or(common)))
            .collect()
    }

    /// The accept queue of each socket of that set: its length, and its limit; `None`: it is not known.
    pub fn queues<'a>(
        &'a self,
        set: &'a ListenerSet,
    ) -> impl Iterator<Item = Option<(u64, u64)>> + use<'a> {
        self.of_set(set).map(|(number, common, _)| {
            let all = std::iter::once(common).chain(self.shares.beside(number));
            all.filter_map(accept_queue)
                .map(|(waiting, most)| (u64::from(waiting), u64::from(most)))
                .reduce(|sum, one| (sum.0 + one.0, sum.1 + one.1))
        })
    }

    /// Closes those that are not wanted; the addresses, as in one of the sets that had them.
    pub fn keep_only(
        &mut self,
        wanted: impl Fn(ListenerNumber) -> bool,
        sets: &[&ListenerSet],
    ) -> Vec<String> {
        let numbers = self.open.keys().copied();
        let unwanted: Vec<_> = numbers.filter(|number| !wanted(*number)).collect();
        let mut closed = Vec::new();
        for number in unwanted {
            let open = self.open.get(&number).into_iter();
            let listeners = open.flat_map(|open| &open.binds.listeners);
            let member = sets.iter().copied().find_map(|set| {
                let member = set.members().find(|member| member.number == number)?;
                Some((set, member))
            });
            closed.extend(listeners.map(|Listener { address, .. }| {
                let protection = member.map(|(set, member)| set.protection(member, address));
                protection.map_or_else(|| address.to_string(), |it| it.shown(address))
            }));
            self.close_one(number);
        }
        closed
    }

    /// Another master has those that are open now.
    pub fn share(&mut self) {
        let open = self.open.values_mut();
        open.for_each(|open| open.sockets = SocketUse::WithOtherMaster);
    }

    /// The other master has ended.
    pub fn keep_alone(&mut self) {
        let open = self.open.values_mut();
        open.for_each(|open| open.sockets = SocketUse::Alone);
    }

    fn close_one(&mut self, number: ListenerNumber) {
        if let Some(mut open) = self.open.remove(&number) {
            open.close();
        }
        self.shares.remove(number);
    }

    /// Closes the master's copies; the workers have theirs, and empty the queues.
    pub fn close(&mut self) {
        self.open.values_mut().for_each(OpenListener::close);
        self.open.clear();
        self.shares.close_all();
    }

    /// As gunicorn: a socket file belongs to the user of the workers.
    pub fn give(&self, numbers: &[ListenerNumber], identity: &Identity) {
        for open in numbers.iter().filter_map(|number| self.open.get(number)) {
            open.binds.give(identity);
        }
    }
}

/// What the user and the operator of this server chose at its start holds for later sockets, too.
fn open_own(
    endpoint: &Endpoint,
    settings: &Settings,
    start: &Settings,
    when_locked: WhenLocked,
) -> Result<Binds, Error> {
    let others = match start.port_sharing {
        PortSharing::BySlot => Others::Allowed,
        PortSharing::None => Others::Refused,
    };
    let all: Vec<Endpoint> = settings
        .bind
        .iter()
        .map(|bind| bind.endpoint.clone())
        .collect();
    let mut binds = Binds::default();
    binds.open_one(endpoint, &all, start, others, when_locked)?;
    Ok(binds)
}

/// The descriptors of that name.
fn with_name(name: &str, passed: &[Passed]) -> Result<Vec<i32>, Error> {
    let named = passed.iter().filter(|one| one.name == name);
    let named: Vec<i32> = named.map(|one| one.fd).collect();
    if named.is_empty() {
        return Err(Error::NotPassed {
            name: name.to_owned(),
            passed: passed.iter().map(|one| one.name.clone()).collect(),
        });
    }
    Ok(named)
}
