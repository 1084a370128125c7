//! Stories of the master with real processes and without Python. The program is its own server: started with
//! `RGUN_TEST_MASTER` set it runs the master, single-threaded as it must be, around a host that is written here.

// The other side of the master is a program of its own: it watches the clock, looks again, and may crash on demand.
#![allow(clippy::disallowed_methods, clippy::print_stderr)]

#[path = "master/host.rs"]
mod host;
#[path = "master/log.rs"]
mod log;
#[path = "master/server.rs"]
mod server;

/// The stories of a topic, named after an operator's observation.
macro_rules! stories {
    [$($story:ident),* $(,)?] => {
        pub const ALL: &[(&str, fn())] = &[$((stringify!($story), $story)),*];
    };
}
use stories;

#[path = "master/stories/addresses.rs"]
mod addresses;
#[path = "master/stories/control.rs"]
mod control;
#[path = "master/stories/reload.rs"]
mod reload;
#[path = "master/stories/stop.rs"]
mod stop;
#[path = "master/stories/workers.rs"]
mod workers;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    if std::env::var_os("RGUN_TEST_MASTER").is_some() {
        return host::serve();
    }
    let stories = [
        workers::ALL,
        reload::ALL,
        stop::ALL,
        addresses::ALL,
        control::ALL,
    ];
    let trials = stories.concat().into_iter().map(|(name, story)| {
        Trial::test(name, move || {
            story();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
