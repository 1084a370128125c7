//! What is known of a mold with `--refork-after`. The decisions are in `refork.rs`.

use serde::{Deserialize, Serialize};

use super::Incarnation;

/// How far a mold is on its way to be replaced by a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refork {
    /// It has imported the app itself.
    #[default]
    Untried,
    /// That worker was ordered to become the mold.
    Ordered(Incarnation),
    /// It can, and waits until the mold before has forked what it was asked for.
    Waiting(Incarnation),
    /// The mold was a worker, and no worker of its own is ready yet: the one before is kept. Workers up to `last` are older.
    Settling { last: Incarnation },
    /// A worker of its own was ready. Workers up to `last` are older: they are replaced.
    Settled { last: Incarnation },
    /// A worker could not become the mold: it is not tried again.
    Refused,
}
