//! Workers: their boot, what they get, their deaths.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use rgun::sys::process::kill;
use rgun::sys::signals::SignalNumber;

use crate::server::{Server, ask, eventually, field, path_in, pid_in};

crate::stories![
    boot_and_graceful_stop,
    worker_killed_is_replaced,
    worker_killed_names_its_requests,
    worker_killed_while_code_is_broken,
    first_boot_that_fails_says_why_once,
    first_boot_that_crashes,
    hung_worker_is_replaced,
    worker_that_talks_nonsense_is_killed,
    descriptors_and_memory_stay_flat_over_a_thousand_deaths,
    workers_hold_nothing_of_each_other,
    orphans_are_reaped,
    directory_and_environment_of_a_worker,
    start_directory_is_followed_as_it_was_named,
];

fn boot_and_graceful_stop() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "3"]);
    assert!(
        server
            .line("starting")
            .contains(&format!("rgun {} starting", env!("CARGO_PKG_VERSION")))
    );
    let port = server.port();
    assert_ne!(port, 0);
    server.up();
    assert_eq!(server.count("worker ready"), 3);
    assert_eq!(server.workers().len(), 3);
    let about = ask(port).expect("it serves");
    assert_eq!(
        (about["version"].as_str(), about["generation"].as_str()),
        ("v1", "1")
    );
    server.signal(SignalNumber::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.count("worker exited"), 3);
    TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
}

fn worker_killed_is_replaced() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2"]);
    let port = server.port();
    server.up();
    let before = server.workers();
    kill(before[0], SignalNumber::KILL).expect("it lives");
    let died = server.line("worker died");
    assert_eq!(
        (pid_in(&died), field(&died, "exit")),
        (before[0], "SIGKILL".to_owned())
    );
    let ready = server.line("worker ready");
    assert_eq!(field(&ready, "slot"), field(&died, "slot"));
    assert_eq!(server.workers().len(), 2);
    assert!(server.workers().contains(&before[1]));
    ask(port).expect("it serves");
}

fn worker_killed_names_its_requests() {
    let mut server = Server::start("never finishes", &["-b", "127.0.0.1:0", "-w", "1"]);
    let port = server.port();
    server.up();
    ask(port).expect("it serves");
    kill(server.workers()[0], SignalNumber::KILL).expect("it lives");
    let died = server.line("worker died");
    assert!(died.contains("requests=GET /who ("), "{died}");
}

fn worker_killed_while_code_is_broken() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2"]);
    let port = server.port();
    server.up();
    server.write_app("raise");
    let before = server.workers();
    kill(before[0], SignalNumber::KILL).expect("it lives");
    assert!(
        server
            .line("worker failed to boot")
            .contains("ImportError: no module named nothing")
    );
    assert_eq!(ask(port).expect("the other one serves")["version"], "v1");
    // The next tries fail, too, and do not print the same traceback again.
    server.line("worker failed to boot");
    assert_eq!(server.count("Traceback"), 1);
    server.write_app("v2");
    server.line("worker ready");
    assert_eq!(server.workers().len(), 2);
}

fn first_boot_that_fails_says_why_once() {
    let began = Instant::now();
    let mut server = Server::start(
        "raise",
        &[
            "-b",
            "127.0.0.1:0",
            "-b",
            "unix:a.sock",
            "-p",
            "a.pid",
            "-w",
            "8",
        ],
    );
    assert_eq!(server.wait().code(), Some(4));
    // A second is what operators are promised; the machine of the test may be busy.
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    server.line("master ends with 4");
    assert_eq!(
        server.count("Traceback"),
        1,
        "{}",
        server.lines().join("\n")
    );
    assert_eq!(server.count("did not come up"), 1);
    let left: BTreeSet<_> = fs::read_dir(server.directory.path())
        .expect("there")
        .map(|e| e.expect("there").file_name())
        .collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["app"]);
}

fn first_boot_that_crashes() {
    let mut server = Server::start("crash", &["-b", "127.0.0.1:0", "-w", "2"]);
    assert_eq!(server.wait().code(), Some(3));
    let line = server.line("did not come up");
    assert!(line.contains("SIGABRT"), "{line}");
}

fn hung_worker_is_replaced() {
    let mut server = Server::start(
        "no heartbeat",
        &["-b", "127.0.0.1:0", "-w", "1", "--timeout", "1"],
    );
    let port = server.port();
    server.up();
    let before = server.workers()[0];
    server.write_app("v2");
    assert_eq!(pid_in(&server.line("worker hung")), before);
    assert_eq!(pid_in(&server.line("worker exited")), before);
    assert_eq!(ask(port).expect("it serves")["version"], "v2");
}

fn worker_that_talks_nonsense_is_killed() {
    let mut server = Server::start("talk nonsense", &["-b", "127.0.0.1:0", "-w", "1"]);
    server.line("invalid message from worker");
    assert_eq!(server.wait().code(), Some(3));
}

fn descriptors_and_memory_stay_flat_over_a_thousand_deaths() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2"]);
    let port = server.port();
    server.up();
    let before = server.descriptors();
    let mut early = 0;
    for death in 0..1_000 {
        kill(server.workers()[0], SignalNumber::KILL).expect("it lives");
        server.line("worker ready");
        if death == 100 {
            early = server.resident();
        }
    }
    let grown = server.resident().saturating_sub(early);
    assert!(grown < 512 << 10, "{grown} bytes in 900 deaths");
    for _ in 0..3 {
        let old = server.workers();
        server.signal(SignalNumber::HUP);
        server.line("reload succeeded");
        eventually("the old workers are gone", || {
            server.workers().iter().all(|pid| !old.contains(pid))
        });
    }
    ask(port).expect("it serves");
    eventually("no zombie is left", || {
        server.children().iter().all(|(_, state)| *state != 'Z')
    });
    // What it had of the last workers is closed a turn after they are reaped.
    eventually("as many descriptors as before", || {
        server.descriptors() == before
    });
}

fn workers_hold_nothing_of_each_other() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "4"]);
    server.up();
    let pids = server.workers();
    let held = |pid: &rgun::sys::Pid| {
        let links = fs::read_dir(format!("/proc/{pid}/fd"))
            .expect("it lives")
            .filter_map(Result::ok);
        let names = links.filter_map(|link| fs::read_link(link.path()).ok());
        names
            .map(|name| name.display().to_string())
            .collect::<Vec<_>>()
    };
    for pid in &pids {
        let names = held(pid);
        let count = |kind: &str| names.iter().filter(|name| name.starts_with(kind)).count();
        // The listener, its own channel, and the pair on which workers pass connections on to each other.
        assert_eq!(count("socket:"), 4, "{names:?}");
        // Standard error and the lifeline's read end (standard input and output may be pipes of the test's).
        let pipes: BTreeSet<_> = names
            .iter()
            .filter(|name| name.starts_with("pipe:"))
            .collect();
        assert!(pipes.len() <= 4, "{names:?}");
        assert_eq!(
            count("anon_inode:[signalfd]") + count("/memfd:rgun-scoreboard"),
            0,
            "{names:?}"
        );
        // Where its own stacks are written.
        assert_eq!(count("/memfd:"), 1, "{names:?}");
    }
    // The write end of the lifeline is the master's alone: no other process has two descriptors of that pipe.
    let lifelines: Vec<_> = held(&pids[0])
        .into_iter()
        .filter(|name| name.starts_with("pipe:"))
        .collect();
    let master = held(&server.pid());
    let twice = |name: &&String| master.iter().filter(|one| one == name).count() == 2;
    let lifeline = lifelines
        .iter()
        .find(twice)
        .expect("the master has both ends");
    for pid in &pids {
        assert_eq!(held(pid).iter().filter(|name| *name == lifeline).count(), 1);
    }
}

fn orphans_are_reaped() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(path_in(&directory, "app"), "leave an orphan").expect("a file");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    // As PID 1 would be: orphans become the master's children.
    command
        .args(["-b", "127.0.0.1:0", "-w", "2"])
        .env("RGUN_TEST_SUBREAPER", "1");
    let mut server = Server::start_as(directory, command);
    server.line("orphan reaped");
    server.line("orphan reaped");
    eventually("only workers are left", || server.children().len() == 2);
    assert_eq!(server.count("worker died"), 0);
}

fn directory_and_environment_of_a_worker() {
    let releases = tempfile::tempdir().expect("a temporary directory");
    let (one, two, current) = (
        path_in(&releases, "1"),
        path_in(&releases, "2"),
        path_in(&releases, "current"),
    );
    fs::create_dir(&one).expect("a directory");
    fs::create_dir(&two).expect("a directory");
    symlink(&one, &current).expect("a link");
    let current = current.display().to_string();
    let mut server = Server::start(
        "v1",
        &[
            "-b",
            "127.0.0.1:0",
            "-w",
            "1",
            "--chdir",
            &current,
            "-e",
            "COLOUR=green",
        ],
    );
    let port = server.port();
    server.up();
    let about = ask(port).expect("it serves");
    assert_eq!(
        (about["cwd"].as_str(), about["env"].as_str()),
        (one.to_str().expect("UTF-8"), "green")
    );
    // The deploy swaps the link. A worker that dies now is replaced in its own generation's directory.
    fs::remove_file(&current).expect("a link");
    symlink(&two, &current).expect("a link");
    kill(server.workers()[0], SignalNumber::KILL).expect("it lives");
    server.line("worker ready");
    assert_eq!(
        ask(port).expect("it serves")["cwd"],
        one.to_str().expect("UTF-8")
    );
    server.signal(SignalNumber::HUP);
    server.line("reload succeeded");
    assert_eq!(
        ask(port).expect("it serves")["cwd"],
        two.to_str().expect("UTF-8")
    );
}

fn start_directory_is_followed_as_it_was_named() {
    let releases = tempfile::tempdir().expect("a temporary directory");
    let current = path_in(&releases, "current");
    for release in ["1", "2"] {
        fs::create_dir(path_in(&releases, release)).expect("a directory");
    }
    symlink("1", &current).expect("a link");
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(path_in(&directory, "app"), "v1").expect("a file");
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    // As a shell does after `cd current`.
    command.args(["-b", "127.0.0.1:0", "-w", "1"]);
    command.current_dir(&current).env("PWD", &current);
    let mut server = Server::start_as(directory, command);
    let port = server.port();
    server.up();
    assert!(ask(port).expect("it serves")["cwd"].ends_with("/1"));
    fs::remove_file(&current).expect("a link");
    symlink("2", &current).expect("a link");
    server.signal(SignalNumber::HUP);
    server.line("reload succeeded");
    assert!(ask(port).expect("it serves")["cwd"].ends_with("/2"));
}
