//! What a server listens at, and the files that it leaves or finds.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use rgun::sys::process::kill;
use rgun::sys::signals::SignalNumber;

use crate::server::{Server, ask, ask_unix, path_in};

crate::stories![
    several_listeners_each_with_a_line,
    unix_socket_and_pid_file_come_and_go,
    unix_socket_taken_over_by_a_successor_stays,
    port_in_use,
    pid_file_of_a_living_server,
    sockets_from_systemd,
];

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
