//! TLS state that all connections of a worker share: the newest certificates, and the handshakes' time budget per
//! turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection};

use crate::config::{CipherSuite, Settings, TlsSettings};
use crate::master::SharedCertificates;
use crate::sys::{self, Listener, Protection};
use crate::tls::{self, Certificate, Material};

/// Time for handshakes in one turn of the reactor, in microseconds. At least one is done; others wait for the next
/// turn, behind the requests of open connections.
const HANDSHAKES_A_TURN: u64 = 1_000;

/// Which of the worker's listeners use TLS, and its configuration.
#[derive(Default)]
pub struct TlsListeners {
    /// `None`: none does.
    server: Option<TlsServer>,
    /// In the order of the listeners.
    protections: Box<[Protection]>,
    /// Of the first one.
    port: Option<u16>,
}

impl TlsListeners {
    pub fn new(server: Option<TlsServer>, listeners: &[Listener]) -> Self {
        Self {
            server,
            protections: listeners
                .iter()
                .map(|listener| listener.protection)
                .collect(),
            port: listeners
                .iter()
                .filter(|listener| listener.protection == Protection::Tls)
                .find_map(|listener| listener.address.server().1),
        }
    }

    /// `None`: plain HTTP.
    pub fn at(&self, listener: Option<usize>) -> Option<&TlsServer> {
        match listener.and_then(|listener| self.protections.get(listener)) {
            Some(Protection::Tls) => self.server.as_ref(),
            Some(Protection::None) | None => None,
        }
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The master has sent new certificates.
    pub fn reload(&self) {
        self.server.iter().for_each(TlsServer::reload);
    }
}

/// TLS configuration for new connections.
pub struct TlsServer {
    settings: TlsSettings,
    shared: SharedCertificates,
    config: Mutex<Arc<ServerConfig>>,
    handshakes: HandshakeBudget,
}

impl TlsServer {
    /// `None`: this server does not use TLS.
    ///
    /// # Errors
    /// The master has checked the files; only memory can be at fault now.
    pub fn open(
        settings: &Settings,
        shared: Option<SharedCertificates>,
    ) -> Result<Option<Self>, String> {
        let (Some(settings), Some(shared)) = (&settings.tls, shared) else {
            return Ok(None);
        };
        Ok(Some(Self {
            config: Mutex::new(load(settings, &shared)?),
            settings: settings.clone(),
            shared,
            handshakes: HandshakeBudget::default(),
        }))
    }

    /// The master has sent new certificates. Open connections keep theirs.
    pub fn reload(&self) {
        match load(&self.settings, &self.shared) {
            Ok(config) => *self.config.lock() = config,
            Err(error) => {
                tracing::error!(error, "new certificates not loaded, keeping the old ones");
            }
        }
    }

    /// For a new connection.
    pub fn session(&self) -> Option<ServerConnection> {
        let config = self.config.lock().clone();
        ServerConnection::new(config)
            .inspect_err(|error| tracing::error!(%error, "TLS session not started"))
            .ok()
    }

    pub fn handshakes(&self) -> &HandshakeBudget {
        &self.handshakes
    }
}

fn load(settings: &TlsSettings, shared: &SharedCertificates) -> Result<Arc<ServerConfig>, String> {
    let bytes = shared.material.read().map_err(|error| error.to_string())?;
    let material =
        Material::decode(&bytes).ok_or("the master's certificates are not understood")?;
    tls::load(settings, &material, shared.tickets, SystemTime::now())
        .map(|loaded| loaded.server)
        .map_err(|problem| problem.to_string())
}

/// Time spent on the handshakes of a turn.
#[derive(Debug, Default)]
pub struct HandshakeBudget {
    turn: AtomicU64,
    spent_us: AtomicU64,
}

impl HandshakeBudget {
    /// Whether one more handshake may continue in that turn.
    pub fn admits(&self, turn: u64) -> bool {
        self.turn.load(Relaxed) != turn || self.spent_us.load(Relaxed) < HANDSHAKES_A_TURN
    }

    pub fn spend(&self, turn: u64, us: u64) {
        if self.turn.swap(turn, Relaxed) == turn {
            self.spent_us.fetch_add(us, Relaxed);
        } else {
            self.spent_us.store(us, Relaxed);
        }
    }
}

/// The negotiated parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol number: 0x0303 is TLS 1.2.
    pub version: u16,
    pub cipher_suite: u16,
    /// The name that the client has requested (SNI).
    pub server_name: Option<String>,
    /// In DER.
    pub server_certificate: Option<Vec<u8>>,
    /// In DER; empty: it has sent none.
    pub client_chain: Vec<Vec<u8>>,
    pub is_resumed: bool,
}

impl TlsFacts {
    /// `TLSv1.3`.
    pub fn protocol(&self) -> &'static str {
        match self.version {
            0x0303 => "TLSv1.2",
            _ => "TLSv1.3",
        }
    }

    /// In OpenSSL's spelling.
    pub fn cipher(&self) -> &'static str {
        let suite = rustls::CipherSuite::from(self.cipher_suite);
        let name = suite.as_str().unwrap_or_default();
        CipherSuite::ALL
            .into_iter()
            .find(|known| {
                let known = known.standard_name();
                name == known || name.strip_prefix("TLS13_") == known.strip_prefix("TLS_")
            })
            .map_or(name, CipherSuite::openssl_name)
    }

    /// The subject of the client's certificate (RFC 4514).
    pub fn client_name(&self) -> Option<String> {
        let der = self.client_chain.first()?;
        Certificate::parse(der).map(|certificate| certificate.subject())
    }
}

/// Monotonic microseconds that `work` takes.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = sys::clock::monotonic_us();
    let result = work();
    (result, sys::clock::monotonic_us().saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_so_much_time_for_handshakes_and_always_some() {
        let budget = HandshakeBudget::default();
        assert!(budget.admits(1));
        budget.spend(1, 700);
        assert!(budget.admits(1));
        budget.spend(1, 700);
        assert!(!budget.admits(1));
        assert!(budget.admits(3));
        budget.spend(3, 5_000);
        assert!(!budget.admits(3));
        assert!(budget.admits(5));
    }

    #[test]
    fn names_of_what_was_agreed_on() {
        let facts = |version, cipher_suite| TlsFacts {
            version,
            cipher_suite,
            server_name: None,
            server_certificate: None,
            client_chain: Vec::new(),
            is_resumed: false,
        };
        let newer = facts(0x0304, 0x1301);
        assert_eq!(
            (newer.protocol(), newer.cipher()),
            ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
        );
        let older = facts(0x0303, 0xc02f);
        assert_eq!(
            (older.protocol(), older.cipher()),
            ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
        );
        assert_eq!(newer.client_name(), None);
    }
}
