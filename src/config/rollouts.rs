//! How a new version comes to serve, and what is kept of the one before.

use super::TrustedPeers;

/// What is kept of the previous version for a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackKeep {
    Workers,
    /// The process that workers are forked from, with the app in it.
    Mold,
}

/// `--preview-header`: of requests that a generation which is held serves, at the public addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewHeader {
    /// Lower-cased.
    pub name: Box<str>,
    /// `None`: any.
    pub value: Option<Box<str>>,
    /// The clients that may ask for it.
    pub clients: TrustedPeers,
}

/// How the new program comes to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeMode {
    /// In the process of the master.
    InPlace,
    /// In a second master beside it.
    Fork,
}
