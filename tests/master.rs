//! Stories of the master with real processes and without Python. The program is its own server: started with
//! `RGUN_TEST_MASTER` set it runs the master, single-threaded as it must be, around a host that is written here.

#[path = "master/host.rs"]
mod host;
#[path = "master/log.rs"]
mod log;
#[path = "master/server.rs"]
mod server;
#[path = "master/stories.rs"]
mod stories;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::var_os("RGUN_TEST_MASTER").is_some() {
        return host::serve();
    }
    let trials = stories::ALL.iter().map(|(name, story)| {
        Trial::test(*name, move || {
            story();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
