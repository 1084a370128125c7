//! A server under test: started, watched through its log, queried through its sockets, signalled, stopped.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rgun::sys::signals::SignalNumber;
use rgun::sys::{Pid, process};

/// Nothing in a story takes that long; it is how a story that fails ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// The lines so far, and whether there will be more.
type Log = Arc<(Mutex<(Vec<String>, bool)>, Condvar)>;

pub struct Server {
    pub directory: tempfile::TempDir,
    child: Child,
    log: Log,
    /// Lines before this one have been waited for.
    seen: usize,
}

/// The facts that a worker reports about itself.
pub type About = BTreeMap<String, String>;

impl Server {
    /// `app` is what the workers do (`host.rs`), `arguments` are rgun's.
    pub fn start(app: &str, arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::write(directory.path().join("app"), app).expect("a file");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.args(arguments).env_remove("PWD");
        Self::start_as(directory, command)
    }

    pub fn start_as(directory: tempfile::TempDir, mut command: Command) -> Self {
        command
            .env("RGUN_TEST_MASTER", "1")
            .env("RGUN_TEST_APP", directory.path().join("app"))
            .arg("module:app")
            .stderr(Stdio::piped());
        if command.get_current_dir().is_none() {
            command.current_dir(directory.path());
        }
        let mut child = command.spawn().expect("this program runs");
        let log = Log::default();
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                sink.0.lock().expect("no panic inside").0.push(line);
                sink.1.notify_all();
            }
            sink.0.lock().expect("no panic inside").1 = true;
            sink.1.notify_all();
        });
        Self {
            directory,
            child,
            log,
            seen: 0,
        }
    }

    /// Bytes of the master's.
    pub fn resident(&self) -> u64 {
        process::resident(self.pid()).expect("it lives")
    }

    /// The next line of the log, not waited for before, that contains `text`.
    pub fn line(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.log;
        let mut log = lock.lock().expect("no panic inside");
        loop {
            if let Some(index) = log
                .0
                .iter()
                .skip(self.seen)
                .position(|line| line.contains(text))
            {
                self.seen += index + 1;
                return log.0[self.seen - 1].clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if log.1 || left.is_zero() {
                let lines = log.0.join("\n");
                // The reading thread goes on: the lock must not be poisoned.
                drop(log);
                panic!("no line with {text:?} after line {} in\n{lines}", self.seen);
            }
            log = changed.wait_timeout(log, left).expect("no panic inside").0;
        }
    }

    /// All lines of the log so far.
    pub fn lines(&self) -> Vec<String> {
        self.log.0.lock().expect("no panic inside").0.clone()
    }

    pub fn count(&self, text: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// The port of the first listener.
    pub fn port(&mut self) -> u16 {
        let line = self.line("listening address=http://");
        line.rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .expect("a port")
    }

    pub fn up(&mut self) {
        self.line("all workers ready");
    }

    pub fn pid(&self) -> Pid {
        Pid::new(self.child.id().try_into().expect("a pid")).expect("positive")
    }

    pub fn signal(&self, signal: SignalNumber) {
        process::kill(self.pid(), signal).expect("it lives");
    }

    pub fn write_app(&self, app: &str) {
        fs::write(self.directory.path().join("app"), app).expect("a file");
    }

    /// More arguments, as a configuration file would have them.
    pub fn write_arguments(&self, arguments: &str) {
        fs::write(self.directory.path().join("app.args"), arguments).expect("a file");
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().expect("it is our child");
            // The last lines may be on their way still; the end of the log is the end of all its writers.
            if let (Some(status), true) = (ended, self.log.0.lock().expect("no panic inside").1) {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still there:\n{}",
                self.lines().join("\n")
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("it lives")
            .count()
    }

    pub fn descriptor_numbers(&self) -> Vec<usize> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it lives");
        let names = open.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// The children of the master with their states (`Z`: not reaped).
    pub fn children(&self) -> Vec<(Pid, char)> {
        let processes = fs::read_dir("/proc").expect("proc").filter_map(Result::ok);
        let stats =
            processes.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
        let mut found: Vec<(Pid, char)> = stats
            .filter_map(|stat| {
                let (head, tail) = stat.rsplit_once(") ")?;
                let mut fields = tail.split(' ');
                let state = fields.next()?.chars().next()?;
                let parent: i32 = fields.next()?.parse().ok()?;
                let pid = head.split(' ').next()?.parse().ok().and_then(Pid::new)?;
                (parent == self.pid().as_raw()).then_some((pid, state))
            })
            .collect();
        found.sort();
        found
    }

    pub fn workers(&self) -> Vec<Pid> {
        self.children()
            .into_iter()
            .filter(|(_, state)| *state != 'Z')
            .map(|(pid, _)| pid)
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; its workers follow it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for a condition that no log line reports.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "it did not come true that {what}"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// One connection; an error is a lost one.
pub fn ask(port: u16) -> std::io::Result<About> {
    let mut text = String::new();
    TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut text)?;
    parse(&text)
}

pub fn ask_unix(path: &Path) -> std::io::Result<About> {
    let mut text = String::new();
    UnixStream::connect(path)?.read_to_string(&mut text)?;
    parse(&text)
}

fn parse(text: &str) -> std::io::Result<About> {
    if !text.ends_with('\n') {
        return Err(std::io::Error::other(format!("a cut answer: {text:?}")));
    }
    Ok(text
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(k, v)| (k.into(), v.into()))
        .collect())
}

pub fn field(line: &str, name: &str) -> String {
    let start = format!(" {name}=");
    let rest = line
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {name} in {line}"))
        .1;
    rest.split(' ').next().unwrap_or_default().to_owned()
}

pub fn pid_in(line: &str) -> Pid {
    field(line, "pid")
        .parse()
        .ok()
        .and_then(Pid::new)
        .expect("a pid")
}

/// A directory that outlives the server under test.
pub fn path_in(directory: &tempfile::TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}
