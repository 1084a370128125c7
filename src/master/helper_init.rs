//! Initial data and main function of a child that is no worker: the monitor, the watcher of files.

use crate::sys::process::{Parent, die_with_parent};
use crate::sys::signals::SignalNumber;
use crate::sys::{Identity, Pid, exit_now, set_title};

#[derive(Debug)]
pub struct HelperInit<Init> {
    pub post: Init,
    pub identity: Option<Identity>,
    pub master: Pid,
    pub title: String,
}

impl<Init> HelperInit<Init> {
    /// It neither runs Python nor returns to Python code: there is nothing to finalise. `name`: in `ps`, limited by
    /// the kernel.
    pub fn serve(self, name: &'static str, run: impl FnOnce(Init) -> u8) -> ! {
        set_title(name, &self.title);
        let code = match begin(self.identity.as_ref(), self.master) {
            Ok(Parent::Alive) => run(self.post),
            Ok(Parent::Gone) => 0,
            Err(error) => {
                tracing::error!(%error, "{name} could not start");
                1
            }
        };
        exit_now(code.into())
    }
}

/// Signals stay blocked, as in the master: those sent to the whole process group by a terminal or a service manager
/// are handled by the master.
fn begin(identity: Option<&Identity>, master: Pid) -> crate::sys::Result<Parent> {
    if let Some(identity) = identity {
        identity.assume()?;
    }
    // After the change of user, which would reset it.
    die_with_parent(master, SignalNumber::KILL)
}
