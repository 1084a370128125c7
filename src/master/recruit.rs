//! What a child that is no worker needs to begin, and its whole life: the monitor, the watcher of files. It does not start one.

use crate::sys::process::{Parent, die_with_parent};
use crate::sys::signals::Signal;
use crate::sys::{Identity, Pid, exit_now, set_title};

#[derive(Debug)]
pub struct Recruit<Post> {
    pub post: Post,
    pub identity: Option<Identity>,
    pub master: Pid,
    pub title: String,
}

impl<Post> Recruit<Post> {
    /// It never runs Python, nor returns to where Python would go on: there is nothing to finalise. `name`: in `ps`, as short
    /// as the kernel has it.
    pub fn serve(self, name: &'static str, run: impl FnOnce(Post) -> u8) -> ! {
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

/// Signals stay blocked, as the master has them: what a terminal or a service manager sends to everybody is the master's to
/// obey.
fn begin(identity: Option<&Identity>, master: Pid) -> crate::sys::Result<Parent> {
    if let Some(identity) = identity {
        identity.assume()?;
    }
    // After the change of user, which would take it away.
    die_with_parent(master, Signal::KILL)
}
