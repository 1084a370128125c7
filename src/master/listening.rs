//! The addresses at which the server listens.

use std::sync::Arc;

use super::certificates::{CertificateState, SharedCertificates};
use super::generation::GenerationConfig;
use super::listeners::{ListenerSet, ServerListeners};
use super::previews::Previews;
use super::supervisor::Generation;

#[derive(Debug)]
pub struct Listening {
    pub listeners: ServerListeners,
    /// Those of the generation that serves.
    pub shown: ListenerSet,
    pub previews: Previews,
    /// `None`: no TLS.
    pub certificates: Option<CertificateState>,
    /// Of these, as an operator reads them.
    pub addresses: Arc<[String]>,
}

impl Listening {
    /// Nothing is open yet.
    pub fn new(previews: Previews) -> Self {
        Self {
            listeners: ServerListeners::default(),
            shown: ListenerSet::default(),
            previews,
            certificates: None,
            addresses: Arc::new([]),
        }
    }

    /// What a process of that generation needs of them.
    pub fn shared_certificates(&self, config: &GenerationConfig) -> Option<SharedCertificates> {
        let both = config.certificates.as_ref().zip(self.certificates.as_ref());
        both.map(|(certificates, state)| certificates.shared(state))
    }

    /// Addresses where that generation can be inspected before it serves.
    pub fn preview_addresses(&self, generation: Generation) -> Vec<String> {
        let binds = self.previews.of(generation);
        let listeners = binds.map(|binds| binds.listeners.as_slice());
        let listeners = listeners.unwrap_or_default().iter();
        listeners.map(ToString::to_string).collect()
    }

    /// Number of connections in the accept queues of the generation that serves.
    pub fn waiting(&self) -> u64 {
        let queues = self.listeners.queues(&self.shown);
        queues.flatten().map(|(waiting, _)| waiting).sum()
    }
}
