//! Process ids as a type of their own.

use std::fmt;

/// A process id, always positive: never a group, never "any child".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// `None` for zero and for negative numbers, which mean groups to `kill(2)`.
    pub fn new(raw: i32) -> Option<Self> {
        (raw > 0).then_some(Self(raw))
    }

    /// This process.
    pub fn this() -> Self {
        Self(nix::unistd::Pid::this().as_raw())
    }

    /// The parent of this process; `None` when it is outside of our PID namespace.
    pub fn parent() -> Option<Self> {
        Self::new(nix::unistd::Pid::parent().as_raw())
    }

    pub fn as_raw(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
