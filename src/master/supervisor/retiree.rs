//! Workers that are to be replaced while they serve, one after the other.

use serde::{Deserialize, Serialize};

use super::{Incarnation, Retirement};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Retiree {
    pub(super) incarnation: Incarnation,
    pub(super) why: Retirement,
    /// Its replacement was booted at least once.
    pub(super) begun: RecycleStarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RecycleStarted {
    Yes,
    No,
}
