//! Reloads: all workers, or none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rgun::sys::process;
use rgun::sys::signals::SignalNumber;

use crate::server::{Server, ask, eventually, field, path_in};

crate::stories![
    reload_replaces_every_worker_and_loses_nobody,
    reload_with_broken_code_is_rolled_back,
    reload_with_bad_configuration_changes_nothing,
    reload_applies_the_configuration,
    reload_moves_the_logs,
    reload_stays_within_the_memory_limit,
];

fn reload_replaces_every_worker_and_loses_nobody() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2"]);
    let port = server.port();
    server.up();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut generations = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let about = ask(port).expect("no connection is ever lost");
                        generations.push(about["generation"].parse::<u32>().expect("a number"));
                    }
                    generations
                })
            })
            .collect();
        for generation in 2..=6 {
            let before = server.workers();
            server.signal(SignalNumber::HUP);
            assert_eq!(
                field(&server.line("reload succeeded"), "generation"),
                generation.to_string()
            );
            eventually("the old workers are gone", || {
                server.workers().iter().all(|pid| !before.contains(pid))
            });
            assert_eq!(server.workers().len(), 2);
        }
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let generations = client.join().expect("no connection is ever lost");
            assert!(
                generations.len() > 10 && generations.is_sorted(),
                "one version at a time: {generations:?}"
            );
        }
    });
}

fn reload_with_broken_code_is_rolled_back() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "3"]);
    let port = server.port();
    server.up();
    let before = server.workers();
    for (code, words) in [
        ("raise", "the app could not be loaded: ImportError"),
        ("crash", "SIGABRT"),
    ] {
        server.write_app(code);
        server.signal(SignalNumber::HUP);
        server.line("reload began");
        let line = server.line("reload rolled back");
        assert!(line.contains(words), "{line}");
        eventually("the failed ones are gone", || server.workers() == before);
        assert_eq!(ask(port).expect("it serves")["version"], "v1");
    }
    assert_eq!(
        server.count("Traceback"),
        1,
        "{}",
        server.lines().join("\n")
    );
    server.write_app("v2");
    server.signal(SignalNumber::HUP);
    server.line("reload succeeded");
    assert_eq!(ask(port).expect("it serves")["version"], "v2");
}

fn reload_with_bad_configuration_changes_nothing() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2"]);
    server.up();
    let before = server.workers();
    server.write_arguments("--workers many");
    server.signal(SignalNumber::HUP);
    let line = server.line("reload rolled back");
    assert!(
        line.contains("the configuration is wrong") && line.contains("many"),
        "{line}"
    );
    assert_eq!(server.workers(), before);
}

fn reload_applies_the_configuration() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "1"]);
    let port = server.port();
    server.up();
    server.write_arguments("--workers 3 --env COLOUR=green --backlog 7");
    server.signal(SignalNumber::HUP);
    assert!(server.line("only a restart applies").contains("--backlog"));
    server.line("reload succeeded");
    eventually("three workers", || server.workers().len() == 3);
    assert_eq!(ask(port).expect("it serves")["env"], "green");
}

fn reload_moves_the_logs() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "1"]);
    server.up();
    let before = server.workers();
    server.write_arguments("--access-logfile /no/such/directory/a.log");
    server.signal(SignalNumber::HUP);
    assert!(
        server
            .line("reload rolled back")
            .contains("/no/such/directory/a.log")
    );
    eventually("the failed one is gone", || server.workers() == before);
    server.write_arguments("--access-logfile a.log");
    server.signal(SignalNumber::HUP);
    server.line("reload succeeded");
    let opened = server.directory.path().join("a.log");
    let holds = |pid: &rgun::sys::Pid| {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives");
        links
            .filter_map(|link| fs::read_link(link.ok()?.path()).ok())
            .any(|name| name == opened)
    };
    eventually("the old worker is gone", || server.workers().len() == 1);
    assert!(holds(&server.workers()[0]) && holds(&server.pid()));
}

/// A control group with that limit, in either version; removed in the end.
struct Group(PathBuf);

impl Group {
    /// `None`: none can be made here.
    fn limited_to(bytes: u64) -> Option<Self> {
        let places = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            ("/sys/fs/cgroup", "memory.max"),
        ];
        places.into_iter().find_map(|(place, file)| {
            let name = format!("rgun-master-{}-{bytes}", std::process::id());
            let group = Self(Path::new(place).join(name));
            fs::create_dir(&group.0).ok()?;
            fs::write(group.0.join(file), bytes.to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        eventually("the group is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

fn reload_stays_within_the_memory_limit() {
    // Three workers of 40 MiB: not one more fits, one does, two do, all do.
    for (limit, at_once) in [(140, "0"), (190, "1"), (235, "2"), (330, "all")] {
        let Some(group) = Group::limited_to(limit << 20) else {
            eprintln!("skipped: no control group can be made here");
            return;
        };
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(path_in(&directory, "app"), "large 40").expect("a file");
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg("echo $$ > \"$0/cgroup.procs\"; exec \"$@\"")
            .arg(&group.0)
            .arg(std::env::current_exe().expect("this program"))
            .args(["-b", "127.0.0.1:0", "-w", "3"]);
        let mut server = Server::start_as(directory, command);
        let port = server.port();
        server.up();
        for _ in 0..5 {
            server.signal(SignalNumber::HUP);
            if at_once == "0" {
                let line = server.line("reload rolled back");
                assert!(
                    line.contains("of the memory limit of 140 MiB are free"),
                    "{line}"
                );
                continue;
            }
            server.line("reload began");
            server.line("reload succeeded");
            // The memory of the replaced workers is free again.
            eventually("three are left", || server.workers().len() == 3);
            ask(port).expect("it serves");
        }
        let limited = format!("at_once={at_once} ");
        assert_eq!(
            server.count(&limited) > 0,
            at_once != "all" && at_once != "0"
        );
        assert_eq!(
            server.count("worker died") + server.count("failed to boot"),
            0
        );
        // No serving worker is the kernel's first choice, and neither is the master.
        for pid in server.workers() {
            assert_eq!(process::oom_score(pid), process::oom_score(server.pid()));
        }
        server.signal(SignalNumber::TERM);
        assert_eq!(server.wait().code(), Some(0));
    }
}
