//! The end of a server, and a master that is killed or stopped.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use rgun::sys::process::kill;
use rgun::sys::signals::SignalNumber;

use crate::server::{Server, ask, eventually};

const STOP: SignalNumber = SignalNumber::from_raw(19);
const CONT: SignalNumber = SignalNumber::from_raw(18);

crate::stories![
    stopping_server_refuses_while_it_drains,
    stop_during_boot_acts_at_once,
    second_term_is_fast,
    master_killed_leaves_no_orphan,
    master_stopped_for_a_while_kills_nobody,
];

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
