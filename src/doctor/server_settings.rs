//! The settings of a server that other programs have to agree with.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Endpoint, Interface, LogTarget, PortSharing, Settings, TrustedPeers};

#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it is configured.
    pub place: String,
    /// `None`: the app decides it.
    pub is_asgi: Option<bool>,
    pub workers: u32,
    pub threads: u32,
    pub backlog: u32,
    pub graceful_timeout: Duration,
    pub shutdown_delay: Duration,
    pub keep_alive: Duration,
    pub request_timeout: Option<Duration>,
    /// Of a WSGI worker, whose request may take that long.
    pub timeout: Option<Duration>,
    pub ping_interval: Option<Duration>,
    pub has_ready_path: bool,
    pub ready_host: Option<String>,
    /// TCP ports of the app; not those of the monitor.
    pub ports: Vec<u16>,
    pub unix_sockets: Vec<PathBuf>,
    pub trusted_proxies: TrustedProxies,
    /// A TCP address that is not the loopback's.
    pub is_reachable: bool,
    pub has_own_socket_per_worker: bool,
    pub log_files: Vec<PathBuf>,
}

/// Whose forwarding headers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustedProxies {
    ThisMachine,
    Networks,
    /// Every peer, and so every address in a forwarding header.
    Everyone,
}

impl ServerSettings {
    pub fn of(place: &str, settings: &Settings) -> ServerSettings {
        let log_files = [Some(&settings.error_log), settings.access_log.as_ref()];
        let log_files = log_files.into_iter().flatten().filter_map(|log| match log {
            LogTarget::File(path) => Some(path.clone()),
            LogTarget::Stdout | LogTarget::Stderr => None,
        });
        let is_reachable = settings.bind.iter().any(|bind| match &bind.endpoint {
            Endpoint::Tcp { host, .. } => !is_this_machine(host),
            Endpoint::Unix { .. } | Endpoint::Fd { .. } | Endpoint::FdName { .. } => false,
        });
        let endpoints = || settings.bind.iter().map(|bind| &bind.endpoint);
        let ports = endpoints().filter_map(|endpoint| match endpoint {
            Endpoint::Tcp { port, .. } => Some(*port),
            _ => None,
        });
        let unix_sockets = endpoints().filter_map(|endpoint| match endpoint {
            Endpoint::Unix { path } => Some(path.clone()),
            _ => None,
        });
        ServerSettings {
            place: place.to_owned(),
            is_asgi: match settings.interface {
                Interface::Auto => None,
                Interface::Asgi => Some(true),
                Interface::Wsgi => Some(false),
            },
            workers: settings.most_workers(),
            threads: settings.threads,
            backlog: settings.backlog,
            graceful_timeout: settings.graceful_timeout,
            shutdown_delay: settings.shutdown_delay,
            keep_alive: settings.client.keep_alive,
            request_timeout: settings.request_timeout,
            timeout: settings.timeout,
            ping_interval: settings.websocket.ping_interval,
            has_ready_path: settings.ready_path.is_some(),
            ready_host: settings.ready_host.clone(),
            ports: ports.collect(),
            unix_sockets: unix_sockets.collect(),
            trusted_proxies: TrustedProxies::of(&settings.forwarded_allow_ips),
            is_reachable,
            has_own_socket_per_worker: settings.port_sharing == PortSharing::BySlot,
            log_files: log_files.collect(),
        }
    }
}

impl TrustedProxies {
    fn of(peers: &TrustedPeers) -> TrustedProxies {
        match peers {
            TrustedPeers::All => TrustedProxies::Everyone,
            TrustedPeers::Networks(networks)
                if networks.iter().all(|(address, _)| address.is_loopback()) =>
            {
                TrustedProxies::ThisMachine
            }
            // `0.0.0.0/0`
            TrustedPeers::Networks(networks) if networks.iter().any(|(_, length)| *length == 0) => {
                TrustedProxies::Everyone
            }
            TrustedPeers::Networks(_) => TrustedProxies::Networks,
        }
    }
}

fn is_this_machine(host: &str) -> bool {
    let literal = host.trim_matches(['[', ']']);
    let address = literal.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
