//! The stories, named after an operator's observation.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rgun::sys::process::{self, kill};
use rgun::sys::signals::SignalNumber;

use super::server::{Server, ask, ask_unix, eventually, field, path_in, pid_in};

const STOP: SignalNumber = SignalNumber::from_raw(19);
const CONT: SignalNumber = SignalNumber::from_raw(18);

pub const ALL: &[(&str, fn())] = &[
    ("boot_and_graceful_stop", boot_and_graceful_stop),
    (
        "several_listeners_each_with_a_line",
        several_listeners_each_with_a_line,
    ),
    ("worker_killed_is_replaced", worker_killed_is_replaced),
    (
        "worker_killed_names_its_requests",
        worker_killed_names_its_requests,
    ),
    (
        "worker_killed_while_code_is_broken",
        worker_killed_while_code_is_broken,
    ),
    (
        "reload_replaces_every_worker_and_loses_nobody",
        reload_replaces_every_worker_and_loses_nobody,
    ),
    (
        "reload_with_broken_code_is_rolled_back",
        reload_with_broken_code_is_rolled_back,
    ),
    (
        "reload_with_bad_configuration_changes_nothing",
        reload_with_bad_configuration_changes_nothing,
    ),
    (
        "reload_applies_the_configuration",
        reload_applies_the_configuration,
    ),
    (
        "first_boot_that_fails_says_why_once",
        first_boot_that_fails_says_why_once,
    ),
    ("first_boot_that_crashes", first_boot_that_crashes),
    (
        "stopping_server_refuses_while_it_drains",
        stopping_server_refuses_while_it_drains,
    ),
    (
        "stop_during_boot_acts_at_once",
        stop_during_boot_acts_at_once,
    ),
    ("second_term_is_fast", second_term_is_fast),
    ("hung_worker_is_replaced", hung_worker_is_replaced),
    (
        "worker_that_talks_nonsense_is_killed",
        worker_that_talks_nonsense_is_killed,
    ),
    (
        "master_killed_leaves_no_orphan",
        master_killed_leaves_no_orphan,
    ),
    (
        "master_stopped_for_a_while_kills_nobody",
        master_stopped_for_a_while_kills_nobody,
    ),
    (
        "descriptors_and_memory_stay_flat_over_a_thousand_deaths",
        descriptors_and_memory_stay_flat_over_a_thousand_deaths,
    ),
    (
        "workers_hold_nothing_of_each_other",
        workers_hold_nothing_of_each_other,
    ),
    ("orphans_are_reaped", orphans_are_reaped),
    (
        "unix_socket_and_pid_file_come_and_go",
        unix_socket_and_pid_file_come_and_go,
    ),
    (
        "unix_socket_taken_over_by_a_successor_stays",
        unix_socket_taken_over_by_a_successor_stays,
    ),
    ("port_in_use", port_in_use),
    ("pid_file_of_a_living_server", pid_file_of_a_living_server),
    ("sockets_from_systemd", sockets_from_systemd),
    (
        "directory_and_environment_of_a_worker",
        directory_and_environment_of_a_worker,
    ),
    (
        "start_directory_is_followed_as_it_was_named",
        start_directory_is_followed_as_it_was_named,
    ),
    ("reload_moves_the_logs", reload_moves_the_logs),
    ("out_of_descriptors", out_of_descriptors),
    (
        "control_client_waits_for_a_descriptor_without_a_spinning_master",
        control_client_waits_for_a_descriptor_without_a_spinning_master,
    ),
    (
        "reload_stays_within_the_memory_limit",
        reload_stays_within_the_memory_limit,
    ),
    ("scaling_by_signal", scaling_by_signal),
    (
        "scaling_beyond_the_limit_is_refused_with_it",
        scaling_beyond_the_limit_is_refused_with_it,
    ),
    (
        "monitor_is_kept_and_unprivileged",
        monitor_is_kept_and_unprivileged,
    ),
    (
        "control_socket_is_for_one_server",
        control_socket_is_for_one_server,
    ),
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

fn several_listeners_each_with_a_line() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-b", "unix:a.sock", "-w", "1"]);
    let port = server.port();
    let line = server.line("listening");
    assert!(
        line.ends_with("/a.sock") && line.contains("address=unix:/"),
        "{line}"
    );
    server.up();
    let path = server.directory.path().join("a.sock");
    assert_eq!(
        ask(port).expect("it serves")["pid"],
        ask_unix(&path).expect("it serves")["pid"]
    );
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

fn stopping_server_refuses_while_it_drains() {
    let mut server = Server::start(
        "slow to stop",
        &["-b", "127.0.0.1:0", "-b", "unix:a.sock", "-w", "2"],
    );
    let port = server.port();
    server.up();
    let socket = server.directory.path().join("a.sock");
    server.signal(SignalNumber::TERM);
    // The workers have closed their copies and go on for a while; the master must not hold the last one.
    let refused = |error: std::io::Error| error.kind() == std::io::ErrorKind::ConnectionRefused;
    eventually("nobody listens any more", || {
        TcpStream::connect(("127.0.0.1", port)).is_err_and(refused)
    });
    assert!(!socket.exists(), "a new server may bind there at once");
    assert_eq!(server.workers().len(), 2, "they have not come to an end");
    fs::write(server.directory.path().join("end"), "").expect("a file");
    assert_eq!(server.wait().code(), Some(0));
}

fn stop_during_boot_acts_at_once() {
    for signal in [SignalNumber::TERM, SignalNumber::INT, SignalNumber::QUIT] {
        let mut server = Server::start("hang", &["-b", "127.0.0.1:0", "-w", "2"]);
        server.line("worker started");
        server.line("worker started");
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0));
    }
}

fn second_term_is_fast() {
    let mut server = Server::start(
        "deaf",
        &["-b", "127.0.0.1:0", "-w", "1", "--graceful-timeout", "600"],
    );
    server.up();
    server.signal(SignalNumber::TERM);
    server.line("mode=graceful");
    server.signal(SignalNumber::TERM);
    server.line("mode=fast");
    // Deaf to that as well: it is killed.
    server.line("killing worker");
    assert_eq!(server.wait().code(), Some(0));
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

fn master_killed_leaves_no_orphan() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "4"]);
    let port = server.port();
    server.up();
    let workers = server.workers();
    server.signal(SignalNumber::KILL);
    server.wait();
    eventually("the port is free", || {
        TcpListener::bind(("127.0.0.1", port)).is_ok()
    });
    let gone = |pid: &rgun::sys::Pid| {
        fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
    };
    eventually("all workers are gone", || workers.iter().all(gone));
}

fn master_stopped_for_a_while_kills_nobody() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "2", "--timeout", "1"]);
    let port = server.port();
    server.up();
    let before = server.workers();
    server.signal(STOP);
    // The workers stop, too: when all go on, every heartbeat is older than the timeout.
    before
        .iter()
        .for_each(|pid| kill(*pid, STOP).expect("it lives"));
    std::thread::sleep(Duration::from_millis(2500));
    before
        .iter()
        .for_each(|pid| kill(*pid, CONT).expect("it lives"));
    server.signal(CONT);
    server.line("the master did not run");
    ask(port).expect("it serves");
    assert_eq!(server.workers(), before);
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

fn unix_socket_and_pid_file_come_and_go() {
    let mut server = Server::start(
        "v1",
        &[
            "-b",
            "unix:a.sock",
            "-p",
            "a.pid",
            "-w",
            "2",
            "--umask",
            "0o117",
        ],
    );
    server.up();
    let (socket, pid) = (
        server.directory.path().join("a.sock"),
        server.directory.path().join("a.pid"),
    );
    assert_eq!(
        fs::metadata(&socket).expect("made").permissions().mode() & 0o777,
        0o660
    );
    assert_eq!(
        fs::read_to_string(&pid).expect("written").trim(),
        server.pid().to_string()
    );
    // A worker's end touches neither.
    kill(server.workers()[0], SignalNumber::TERM).expect("it lives");
    server.line("worker ready");
    ask_unix(&socket).expect("it serves");
    server.signal(SignalNumber::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!socket.exists() && !pid.exists());
}

fn unix_socket_taken_over_by_a_successor_stays() {
    let mut server = Server::start("v1", &["-b", "unix:a.sock", "-w", "1"]);
    server.up();
    let socket = server.directory.path().join("a.sock");
    fs::rename(&socket, socket.with_extension("old")).expect("rename");
    let _successor = UnixListener::bind(&socket).expect("the path is free");
    server.signal(SignalNumber::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert!(socket.exists());
}

fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut server = Server::start("v1", &["-b", "unix:a.sock", "-b", &address, "-p", "a.pid"]);
    assert_eq!(server.wait().code(), Some(1));
    server.line(&format!("error: bind {address}: address already in use"));
    server.line(&format!("hint: process {} (", std::process::id()));
    assert!(
        !server.directory.path().join("a.sock").exists(),
        "nothing is left behind"
    );
    assert!(
        !server.directory.path().join("a.pid").exists(),
        "nothing is left behind"
    );
}

fn pid_file_of_a_living_server() {
    let mut first = Server::start("v1", &["-b", "127.0.0.1:0", "-p", "a.pid", "-w", "1"]);
    first.up();
    let file = first.directory.path().join("a.pid");
    let mut second = Server::start(
        "v1",
        &[
            "-b",
            "127.0.0.1:0",
            "-p",
            &file.display().to_string(),
            "-w",
            "1",
        ],
    );
    assert_eq!(second.wait().code(), Some(1));
    second.line(&format!("process {} is running", first.pid()));
    assert_eq!(
        fs::read_to_string(&file).expect("still there").trim(),
        first.pid().to_string()
    );
}

fn sockets_from_systemd() {
    let passed = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = passed.local_addr().expect("bound").port();
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(path_in(&directory, "app"), "v1").expect("a file");
    // The variables name the process that is to take the sockets, so it is the shell that becomes the server.
    let script =
        "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=http exec \"$0\" \"$@\" 3<&0 0</dev/null";
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().expect("this program"))
        .args(["-b", "fd://http", "-w", "1"]);
    command.stdin(Stdio::from(OwnedFd::from(passed)));
    let mut server = Server::start_as(directory, command);
    assert_eq!(server.port(), port);
    server.up();
    let about = ask(port).expect("it serves");
    assert_eq!(about["listen_fds"], "", "said to the master alone");
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

fn out_of_descriptors() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(path_in(&directory, "app"), "v1").expect("a file");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -n 16; exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().expect("this program"))
        .args(["-b", "127.0.0.1:0", "-w", "20"]);
    let mut server = Server::start_as(directory, command);
    assert_eq!(server.wait().code(), Some(1));
    server.line("--workers 20: at most 1 with the 16 file descriptors");
}

fn control_client_waits_for_a_descriptor_without_a_spinning_master() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = path_in(&directory, "ctl");
    let name = path.display().to_string();
    let arguments = ["-b", "127.0.0.1:0", "-w", "1", "--control-socket", &name];
    let mut server = Server::start("v1", &arguments);
    server.up();
    let pid = server.pid().to_string();
    let limit = |soft: usize| {
        let soft = format!("--nofile={soft}:");
        let status = Command::new("prlimit")
            .args(["--pid", &pid, &soft])
            .status();
        assert!(status.expect("it is installed").success());
    };
    let taken = server.descriptor_numbers();
    limit((0..1000).find(|n| !taken.contains(n)).expect("one is free"));
    let mut client = UnixStream::connect(&path).expect("it listens");
    writeln!(client, r#"{{"command":"status"}}"#).expect("it is queued");
    let turns = |server: &Server| -> u64 {
        let status =
            fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it lives");
        let line = status.lines().find(|line| line.starts_with("voluntary"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        number
            .and_then(|number| number.parse().ok())
            .expect("Linux counts")
    };
    let before = turns(&server);
    server.line("control socket: a client cannot be accepted");
    // Time for many turns, and for a second attempt.
    std::thread::sleep(Duration::from_millis(1_200));
    let spent = turns(&server) - before;
    assert!(spent < 40, "{spent} turns in 1.2 s");
    limit(100);
    let mut answer = String::new();
    let mut answers = BufReader::new(client);
    answers.read_line(&mut answer).expect("it answers");
    assert!(answer.starts_with(r#"{"ok":true"#), "{answer}");
    assert_eq!(
        server.count("control socket: a client cannot be accepted"),
        1
    );
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

fn scaling_beyond_the_limit_is_refused_with_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::write(path_in(&directory, "app"), "v1").expect("a file");
    let path = path_in(&directory, "ctl");
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("ulimit -Sn 80; ulimit -Hn 100; exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().expect("this program"))
        .args(["-b", "127.0.0.1:0", "-w", "8", "--control-socket"])
        .arg(&path);
    let mut server = Server::start_as(directory, command);
    server.up();
    let answer = ask_control(&path, r#"{"command":"scale","workers":10}"#);
    assert!(
        answer.contains("at most 9 workers") && answer.contains(r#""ok":false"#),
        "{answer}"
    );
    assert!(ask_control(&path, r#"{"command":"scale","workers":9}"#).contains(r#""ok":true"#));
    server.line("worker ready");
    server.signal(SignalNumber::TTIN);
    server.line("SIGTTIN ignored: the maximum number of workers is reached most=9");
    server.write_arguments("-w 10");
    server.signal(SignalNumber::HUP);
    server.line("--workers 10: at most 9 with the 100 file descriptors");
    server.write_arguments("");
    server.signal(SignalNumber::HUP);
    server.line("reload succeeded");
    assert_eq!(server.count("worker not started"), 0);
    // What the master starts has the limit that it was started with.
    let limits =
        fs::read_to_string(format!("/proc/{}/limits", server.workers()[0])).expect("it lives");
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let numbers: Vec<_> = files
        .expect("Linux has it")
        .split_whitespace()
        .skip(3)
        .collect();
    assert_eq!(numbers[..2], ["80", "100"]);
}

fn scaling_by_signal() {
    let mut server = Server::start("v1", &["-b", "127.0.0.1:0", "-w", "1"]);
    server.up();
    server.signal(SignalNumber::TTIN);
    server.line("worker ready");
    assert_eq!(server.workers().len(), 2);
    server.signal(SignalNumber::TTOU);
    server.line("worker exited");
    eventually("one is left", || server.workers().len() == 1);
}

fn monitor_is_kept_and_unprivileged() {
    // Without root the process cannot become another user.
    let root = rgun::sys::effective_user() == 0;
    let nobody: &[&str] = if root {
        &["-u", "65534", "-g", "65534"]
    } else {
        &[]
    };
    let mut arguments = vec![
        "-b",
        "127.0.0.1:0",
        "-w",
        "1",
        "--admin-bind",
        "127.0.0.1:0",
    ];
    arguments.extend(nobody);
    let mut server = Server::start("v1", &arguments);
    let line = server.line("probes and metrics address=http://");
    let port: u16 = line
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let worker = pid_in(&server.line("worker ready"));
    let monitors = |server: &Server| {
        let children = server.workers().into_iter();
        children.filter(|pid| *pid != worker).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        eventually("there is one monitor", || monitors(&server).len() == 1);
        let monitor = monitors(&server)[0];
        eventually("it answers", || probe(port, "/-/live") == Some(200));
        assert_eq!(probe(port, "/-/nothing"), Some(404));
        let status = fs::read_to_string(format!("/proc/{monitor}/status")).expect("it lives");
        assert!(
            !root || status.contains("Uid:\t65534\t65534\t65534\t65534\n"),
            "{status}"
        );
        let before = server.descriptors();
        kill(monitor, SignalNumber::KILL).expect("it lives");
        assert_eq!(pid_in(&server.line("monitor died")), monitor);
        // It may have a file of /proc open at this moment.
        eventually("no descriptor is left", || server.descriptors() == before);
    }
    server.signal(SignalNumber::TERM);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(probe(port, "/-/live"), None);
}

fn probe(port: u16, path: &str) -> Option<u16> {
    use std::io::{Read, Write};
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// One request to a control socket, and its answer.
fn ask_control(path: &Path, line: &str) -> String {
    let mut stream = UnixStream::connect(path).expect("it listens");
    writeln!(stream, "{line}").expect("it reads");
    let mut answer = String::new();
    BufReader::new(stream)
        .read_line(&mut answer)
        .expect("it answers");
    answer
}

fn control_socket_is_for_one_server() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = path_in(&directory, "ctl");
    let name = path.display().to_string();
    let arguments = ["-b", "127.0.0.1:0", "-w", "2", "--control-socket", &name];
    let mut server = Server::start("v1", &arguments);
    server.up();
    assert_eq!(
        fs::metadata(&path).expect("made").permissions().mode() & 0o777,
        0o600
    );
    let ask = |line: &str| ask_control(&path, line);
    server.write_app("raise");
    let failed = ask(r#"{"command":"reload"}"#);
    assert!(
        failed.starts_with(r#"{"ok":false"#)
            && failed.contains("Traceback (most recent call last)"),
        "{failed}"
    );
    server.write_app("v2");
    assert!(ask(r#"{"command":"reload"}"#).starts_with(r#"{"ok":true"#));
    assert!(ask(r#"{"command":"status"}"#).contains(r#""generation":3"#));
    let mut second = Server::start("v1", &arguments);
    second.line("address already in use");
    assert_eq!(second.wait().code(), Some(1));
    assert!(ask(r#"{"command":"stop"}"#).starts_with(r#"{"ok":true"#));
    assert_eq!(server.wait().code(), Some(0));
    assert!(!path.exists());
}
