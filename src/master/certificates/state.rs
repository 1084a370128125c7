//! What the master keeps for the certificates of all generations: ticket keys, the watch on the files, and when the next
//! step is due.

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::shared::SharedCertificates;
use super::watch::CertificateWatch;
use crate::config::TlsSettings;
use crate::ipc::TicketKeys;
use crate::master::Error;
use crate::master::supervisor::{Generation, Incarnation};
use crate::sys::{self, Document, clock};
use crate::tls::{self, CertificateSummary, Material, Problem};

/// The certificates of one generation. Its workers read them from memory that they inherit.
#[derive(Debug, Clone)]
pub struct Certificates {
    pub(super) settings: TlsSettings,
    pub(super) material: Arc<Material>,
    pub(super) summaries: Arc<[CertificateSummary]>,
    pub(super) document: Arc<Document>,
}

impl Certificates {
    /// For a worker.
    pub fn shared(&self, state: &CertificateState) -> SharedCertificates {
        SharedCertificates {
            material: Arc::clone(&self.document),
            tickets: state.keys,
        }
    }
}

/// What a program that goes on in this one's place takes over: the memory of the keys, and of each generation's certificates.
#[derive(Debug, Serialize, Deserialize)]
pub struct CertificatesState {
    pub(super) keys: RawFd,
    pub(super) generations: Vec<(Generation, RawFd)>,
}

impl CertificatesState {
    pub fn has(&self, generation: Generation) -> bool {
        self.generations.iter().any(|(one, _)| *one == generation)
    }
}

/// Certificate state of the master, beside that of each generation.
#[derive(Debug)]
pub struct CertificateState {
    /// Session ticket keys, for workers of all generations.
    pub(super) keys: TicketKeys,
    /// Keeps the memory of the keys for a program that takes over.
    pub(super) keys_memory: OwnedFd,
    /// Names and expiry times, for the monitor.
    pub(super) expiry: Document,
    /// When the next key is generated, monotonic.
    pub(super) rotate_at: Duration,
    pub(super) watch: Option<CertificateWatch>,
    /// When changed files are to be read, monotonic.
    pub(super) settled_at: Option<Duration>,
    /// They could not be used at the first read.
    pub(super) looked: bool,
    /// The last reported problem, so that it is reported once.
    pub(super) reported: Option<Problem>,
    /// Workers that were not yet notified of the newest certificates.
    pub(super) to_notify: BTreeSet<Incarnation>,
    pub(super) notify_at: Duration,
}

impl CertificateState {
    pub(super) fn new() -> Result<Self, Error> {
        let (memory, keys) = TicketKeys::new()?;
        let mut state = Self {
            keys,
            keys_memory: memory,
            expiry: Document::new(c"rgun-expiry")?,
            rotate_at: Duration::ZERO,
            watch: None,
            settled_at: None,
            looked: false,
            reported: None,
            to_notify: BTreeSet::new(),
            notify_at: Duration::ZERO,
        };
        state.rotate();
        Ok(state)
    }

    /// The keys that the program before has used.
    pub(super) fn restore(memory: OwnedFd) -> Result<Self, Error> {
        let keys = TicketKeys::adopt(&memory)?;
        Ok(Self {
            keys,
            keys_memory: memory,
            rotate_at: clock::monotonic() + Duration::from_secs(tls::PERIOD_SECONDS.into()),
            ..Self::new()?
        })
    }

    /// For the monitor.
    pub fn expiry(&self) -> sys::Result<Document> {
        self.expiry.again()
    }

    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(CertificateWatch::as_fd)
    }

    /// When the next step is due, monotonic.
    pub fn due(&self) -> Duration {
        let notify = (!self.to_notify.is_empty()).then_some(self.notify_at);
        let others = self.settled_at.into_iter().chain(notify);
        others.fold(self.rotate_at, Duration::min)
    }

    pub(super) fn rotate(&mut self) {
        let period = Duration::from_secs(tls::PERIOD_SECONDS.into());
        self.rotate_at = clock::monotonic() + period;
        match tls::new_key() {
            Some(key) => self.keys.rotate(key),
            None => {
                tracing::warn!("no random numbers: the keys of session tickets stay as they are")
            }
        }
    }

    /// Reads and checks the configured files.
    pub(super) fn load(
        &self,
        settings: &TlsSettings,
    ) -> Result<(Material, Arc<[CertificateSummary]>), Problem> {
        let material = Material::read(settings)?;
        let loaded = tls::load(settings, &material, self.keys, SystemTime::now())?;
        loaded.warnings.iter().for_each(warn);
        Ok((material, loaded.summaries.into()))
    }

    /// # Errors
    /// The file that cannot be used.
    pub fn certificates(&self, settings: &TlsSettings) -> Result<Certificates, Error> {
        let (material, summaries) = self.load(settings)?;
        let document = Document::new(c"rgun-certificates")?;
        document.replace(&material.encode())?;
        Ok(Certificates {
            settings: settings.clone(),
            material: Arc::new(material),
            summaries,
            document: Arc::new(document),
        })
    }
}

pub(super) fn warn(problem: &Problem) {
    let Problem { file, reason, hint } = problem;
    tracing::warn!(file, reason, hint, "certificate needs attention");
}
