//! The control socket, the number of workers, the monitor.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rgun::sys::process::kill;
use rgun::sys::signals::SignalNumber;

use crate::server::{Server, eventually, path_in, pid_in};

crate::stories![
    out_of_descriptors,
    control_client_waits_for_a_descriptor_without_a_spinning_master,
    scaling_by_signal,
    scaling_beyond_the_limit_is_refused_with_it,
    monitor_is_kept_and_unprivileged,
    control_socket_is_for_one_server,
];

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
