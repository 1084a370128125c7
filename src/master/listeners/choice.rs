//! Which open listeners a configuration keeps, and which of its addresses are opened.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::{Bind, Endpoint};

/// An open `--bind`, numbered in the order of opening. Never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ListenerNumber(pub u32);

/// What a listener was opened for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerSource {
    /// That address, which may be given several times with port 0.
    Bind(Endpoint),
    /// systemd has passed it, and it is used instead of `--bind`.
    InPlaceOfBind,
}

impl ListenerSource {
    /// It was open before this server was started, and cannot be opened again.
    pub fn is_inherited(&self) -> bool {
        match self {
            Self::Bind(Endpoint::Fd { .. } | Endpoint::FdName { .. }) | Self::InPlaceOfBind => true,
            Self::Bind(Endpoint::Tcp { .. } | Endpoint::Unix { .. }) => false,
        }
    }
}

/// The source of one address of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerChoice<'a> {
    /// It is open.
    Kept(ListenerNumber, &'a Bind),
    ToOpen(&'a Bind),
}

/// How the addresses of a configuration are served.
#[derive(Debug, PartialEq, Eq)]
pub struct ListenerChoices<'a> {
    /// In the order of the configuration.
    pub binds: Vec<ListenerChoice<'a>>,
    /// Inherited listeners that the configuration does not name: they are kept, because nothing could open them again.
    pub unnamed: Vec<ListenerNumber>,
}

/// `open`: the listeners of the generation that serves.
pub fn choose<'a>(
    open: &[(ListenerNumber, &ListenerSource)],
    binds: &'a [Bind],
) -> ListenerChoices<'a> {
    let mut left: Vec<_> = open.to_vec();
    let replaced = left
        .iter()
        .any(|(_, source)| **source == ListenerSource::InPlaceOfBind);
    let mut chosen = Vec::new();
    // As at the start: sockets that systemd has passed are used instead.
    for bind in binds.iter().filter(|_| !replaced) {
        let fits = |(_, source): &(ListenerNumber, &ListenerSource)| match source {
            ListenerSource::Bind(endpoint) => is_same(endpoint, &bind.endpoint),
            ListenerSource::InPlaceOfBind => false,
        };
        chosen.push(match left.iter().position(fits) {
            Some(at) => ListenerChoice::Kept(left.remove(at).0, bind),
            None => ListenerChoice::ToOpen(bind),
        });
    }
    let inherited = left.into_iter().filter(|(_, source)| source.is_inherited());
    ListenerChoices {
        binds: chosen,
        unnamed: inherited.map(|(number, _)| number).collect(),
    }
}

/// Two spellings of one address count as one.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    match (one, other) {
        (
            Endpoint::Tcp { host, port },
            Endpoint::Tcp {
                host: other_host,
                port: other_port,
            },
        ) => port == other_port && (host == other_host || is_same_address(host, other_host)),
        _ => one == other,
    }
}

fn is_same_address(one: &str, other: &str) -> bool {
    literal(one).is_some_and(|one| Some(one) == literal(other))
}

/// The address that a host is written as; `None`: a name, which has to be looked up.
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// Where a name server that does not answer would stop this process.
pub fn has_to_be_looked_up(endpoint: &Endpoint) -> bool {
    matches!(endpoint, Endpoint::Tcp { host, .. }
        if !host.is_empty() && literal(host).is_none() && host != "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Bind {
        let host = host.to_owned();
        Endpoint::Tcp { host, port }.into()
    }

    fn sources(binds: &[Bind]) -> Vec<ListenerSource> {
        let endpoints = binds.iter().map(|bind| bind.endpoint.clone());
        endpoints.map(ListenerSource::Bind).collect()
    }

    /// What is chosen: the numbers of those that are kept, `None` for those to open; then those that are not named.
    fn chosen(open: &[ListenerSource], binds: &[Bind]) -> (Vec<Option<u32>>, Vec<u32>) {
        let open: Vec<_> = (1..).map(ListenerNumber).zip(open).collect();
        let ListenerChoices { binds, unnamed } = choose(&open, binds);
        let number = |choice: ListenerChoice<'_>| match choice {
            ListenerChoice::Kept(number, _) => Some(number.0),
            ListenerChoice::ToOpen(_) => None,
        };
        (
            binds.into_iter().map(number).collect(),
            unnamed.into_iter().map(|number| number.0).collect(),
        )
    }

    #[test]
    fn what_is_named_again_stays_and_the_rest_is_opened() {
        let open = sources(&[tcp("127.0.0.1", 80), tcp("127.0.0.1", 81)]);
        let wanted = [tcp("127.0.0.1", 82), tcp("127.0.0.1", 81)];
        assert_eq!(chosen(&open, &wanted), (vec![None, Some(2)], vec![]));
    }

    #[test]
    fn port_zero_means_as_many_ports_as_it_is_named() {
        let any = tcp("127.0.0.1", 0);
        let open = sources(&[any.clone(), any.clone()]);
        let three = [any.clone(), any.clone(), any.clone()];
        assert_eq!(chosen(&open, &three).0, [Some(1), Some(2), None]);
        assert_eq!(chosen(&open, &[any]).0, [Some(1)]);
    }

    #[test]
    fn an_address_has_several_spellings_and_a_name_is_none_of_them() {
        let open = sources(&[tcp("::1", 80), tcp("localhost", 80)]);
        assert_eq!(chosen(&open, &[tcp("[0::1]", 80)]).0, [Some(1)]);
        assert_eq!(chosen(&open, &[tcp("localhost", 80)]).0, [Some(2)]);
        assert_eq!(chosen(&open, &[tcp("127.0.0.1", 80)]).0, [None]);
    }

    #[test]
    fn inherited_ones_stay_whether_they_are_named_or_not() {
        let three: Bind = Endpoint::Fd { fd: 3 }.into();
        let open = sources(&[three.clone(), tcp("127.0.0.1", 80)]);
        assert_eq!(chosen(&open, &[three]), (vec![Some(1)], vec![]));
        assert_eq!(chosen(&open, &[tcp("::1", 80)]), (vec![None], vec![1]));
        let passed = [ListenerSource::InPlaceOfBind];
        assert_eq!(chosen(&passed, &[tcp("::1", 80)]), (vec![], vec![1]));
    }
}
