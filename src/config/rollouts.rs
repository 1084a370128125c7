//! How a new version comes to serve, and what is kept of the one before.

/// What is kept of the previous version for a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollbackKeep {
    Workers,
    /// The process that workers are forked from, with the app in it.
    Mold,
}

/// How the new program comes to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeMode {
    /// In the process of the master.
    InPlace,
    /// In a second master beside it.
    Fork,
}
