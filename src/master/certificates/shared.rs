//! What workers have of the certificates.

use std::sync::Arc;

use crate::ipc;
use crate::sys::Document;

/// Certificate data that the master updates for workers that use TLS.
#[derive(Debug, Clone)]
pub struct SharedCertificates {
    /// `tls::Material`, encoded; replaced when files change.
    pub material: Arc<Document>,
    pub tickets: ipc::TicketKeys,
}
