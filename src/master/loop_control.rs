//! How the master's loop continues, and how it ends.

use super::child::ChildContext;
use super::helper_init::HelperInit;
use super::molds::MoldInit;

/// How the loop continues after an action.
pub enum LoopControl {
    Go,
    End(End),
}

/// The end of the loop.
pub enum End {
    /// The master has ended.
    Exit(u8),
    /// This is the child of a fork. It must leave everything outside of this process that belongs to the master
    /// alone.
    Child(Box<ChildContext>),
    /// This is the child of a fork that becomes the monitor; `None`: it lacks what it needs.
    Monitor(Option<Box<HelperInit<crate::monitor::MonitorInit>>>),
    /// The same for the watcher of files.
    Watcher(Option<Box<HelperInit<crate::watcher::WatcherInit>>>),
    /// This is the child of a fork that becomes a mold.
    Mold(Box<MoldInit>),
    /// This is the child of a fork whose setup failed.
    ChildSetupFailed(u8),
}
