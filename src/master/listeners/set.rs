//! The listeners of one generation.

use serde::{Deserialize, Serialize};

use super::choice::ListenerNumber;
use crate::config::{Bind, Settings};
use crate::master::binds::protection_at;
use crate::sys::{ListenerAddress, Protection};

/// Which of the server's listeners a generation's workers accept at, in order, and which of these use TLS: a socket may
/// be shared by a generation that does and one that does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListenerSet {
    members: Vec<ListenerMember>,
    /// TCP listeners use it, where the configuration does not say otherwise.
    has_certificate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerMember {
    pub number: ListenerNumber,
    /// `,tls` or `,plain`.
    tls: Option<bool>,
}

impl ListenerMember {
    pub fn new(number: ListenerNumber, given: Option<Protection>) -> Self {
        Self {
            number,
            tls: given.map(|protection| protection == Protection::Tls),
        }
    }

    pub fn of(number: ListenerNumber, bind: &Bind) -> Self {
        Self::new(number, bind.protection)
    }
}

impl ListenerSet {
    pub fn new(members: Vec<ListenerMember>, settings: &Settings) -> Self {
        Self {
            members,
            has_certificate: settings.tls.is_some(),
        }
    }

    pub fn members(&self) -> impl Iterator<Item = ListenerMember> {
        self.members.iter().copied()
    }

    pub fn numbers(&self) -> Vec<ListenerNumber> {
        self.members().map(|member| member.number).collect()
    }

    pub fn has(&self, number: ListenerNumber) -> bool {
        self.members().any(|member| member.number == number)
    }

    pub fn protection(&self, member: ListenerMember, address: &ListenerAddress) -> Protection {
        let given = member.tls.map(|tls| {
            if tls {
                Protection::Tls
            } else {
                Protection::None
            }
        });
        protection_at(address, given, self.has_certificate)
    }
}
