//! The server under test: a real master whose workers answer each connection with a line about themselves.
//!
//! What a worker does stands in the file that `RGUN_TEST_APP` names, as the app's code would: it is read at every boot.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rgun::config::ProcessEnvironment;
use rgun::ipc::{DrainReason, FromWorker, Incoming, Phase, ToWorker};
use rgun::master::{Forked, Host, MoldChild, MoldRequest, RunOutcome, WorkerInit};
use rgun::sys::{self, clock, process, signals, stream, wait_readable};

use super::log::Lines;

pub fn serve() -> ExitCode {
    tracing::subscriber::set_global_default(Lines).expect("nobody has set one");
    if std::env::var_os("RGUN_TEST_SUBREAPER").is_some() {
        process::become_subreaper().expect("Linux has it");
    }
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let read = || {
        let mut arguments = arguments.clone();
        // The configuration file of the stories: more arguments.
        let more = fs::read_to_string(app().with_extension("args")).unwrap_or_default();
        arguments.extend(more.split_whitespace().map(Into::into));
        rgun::cli::settings(&arguments, &ProcessEnvironment::of_this_process())
            .map_err(|e| e.to_string())
    };
    let outcome = match read() {
        Ok(settings) => rgun::master::run(Arc::new(settings), &read, &Fake, None, None)
            .map_err(|error| (error.to_string(), error.hint())),
        Err(error) => Err((error, None)),
    };
    match outcome {
        Ok(RunOutcome::Exit(code)) => {
            eprintln!("master ends with {code}");
            code.into()
        }
        Ok(RunOutcome::Worker(code)) => code.into(),
        Err((error, hint)) => {
            eprintln!("error: {error}\nhint: {}", hint.unwrap_or_default());
            1.into()
        }
    }
}

fn app() -> PathBuf {
    std::env::var_os("RGUN_TEST_APP")
        .map(PathBuf::from)
        .expect("set by the story")
}

struct Fake;

impl Host for Fake {
    fn before_fork(&self) {}
    fn after_fork_parent(&self) {}
    fn after_fork_child(&self) {}

    fn run_mold(&self, mut mold: MoldChild) -> u8 {
        if fs::read_to_string(app()).is_ok_and(|code| code.trim() == "raise") {
            mold.failed(Phase::Load, "ImportError: no module named nothing", "");
            return 4;
        }
        mold.ready();
        loop {
            match mold.next() {
                MoldRequest::Fork(request) => {
                    match mold.fork(request, process::ThreadPolicy::Refused) {
                        Forked::Worker(newborn) => return self.run_worker(newborn.begin()),
                        Forked::Mold(again, _) => mold = again,
                    }
                }
                MoldRequest::Call(_) | MoldRequest::Nothing => {}
                MoldRequest::End => return 0,
            }
        }
    }

    fn run_worker(&self, init: WorkerInit) -> u8 {
        let code = fs::read_to_string(app()).unwrap_or_default();
        let code = code.trim();
        init.channel
            .send(&FromWorker::Booted)
            .expect("the master listens");
        match code {
            "raise" => {
                let summary = "ImportError: no module named nothing".to_owned();
                let traceback =
                    "Traceback (most recent call last):\n  File \"app.py\", line 1\nImportError"
                        .to_owned();
                let failed = FromWorker::Failed {
                    phase: Phase::Load,
                    summary,
                    traceback,
                };
                init.channel.send(&failed).expect("the master listens");
                return 4;
            }
            "crash" => std::process::abort(),
            "hang" => wait_for_ever(),
            "talk nonsense" => {
                sys::send_packet(&init.channel, b"\xffnonsense").expect("the master listens");
                wait_for_ever();
            }
            "leave an orphan" => {
                let mut shell = Command::new("sh");
                shell.args(["-c", "sleep 0.01 &"]).stdin(Stdio::null());
                assert!(shell.status().expect("there is a shell").success());
            }
            // That many MiB.
            _ => {
                let size = code
                    .strip_prefix("large ")
                    .and_then(|size| size.parse::<usize>().ok());
                std::mem::forget(std::hint::black_box(vec![1_u8; size.unwrap_or(0) << 20]));
            }
        }
        // Registered for its default action's sake; faulthandler would print here.
        let dump = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signals::DUMP_STACKS.as_raw(), dump).expect("a valid signal");
        init.channel
            .send(&FromWorker::Ready)
            .expect("the master listens");
        Worker {
            init,
            version: code.to_owned(),
            accepting: false,
        }
        .run()
    }
}

fn wait_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

struct Worker {
    init: WorkerInit,
    version: String,
    accepting: bool,
}

impl Worker {
    fn run(&mut self) -> u8 {
        loop {
            if self.version != "no heartbeat" {
                self.init.page.beat(clock::monotonic_ms());
            }
            let mut watched = vec![self.init.lifeline.as_fd(), self.init.channel.as_fd()];
            if self.accepting {
                watched.extend(self.init.listeners.iter().map(AsFd::as_fd));
            }
            let ready = wait_readable(&watched, Some(Duration::from_millis(50))).expect("poll");
            if ready[0] {
                return 0;
            }
            if ready[1] && self.version != "deaf" {
                match self
                    .init
                    .channel
                    .try_receive()
                    .expect("the master speaks sense")
                {
                    Incoming::Message(ToWorker::Go) => self.accepting = true,
                    Incoming::Message(ToWorker::Drain { reason, .. }) => return self.drain(reason),
                    Incoming::Message(ToWorker::StopFast) | Incoming::Closed => return 0,
                    Incoming::Message(ToWorker::CloseAfterAnswers) => {}
                    Incoming::Message(ToWorker::ReopenLogs) => {
                        tracing::info!(slot = self.init.slot, "worker reopens its logs");
                    }
                    Incoming::Message(_) | Incoming::Nothing => {}
                }
            }
            if ready[2..].contains(&true) {
                self.accept();
            }
        }
    }

    fn drain(&mut self, reason: DrainReason) -> u8 {
        if reason == DrainReason::Shutdown {
            self.accept();
        }
        self.init.listeners.clear();
        self.init
            .channel
            .send(&FromWorker::StoppedAccepting)
            .expect("the master listens");
        while self.version == "slow to stop" && !app().with_file_name("end").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        0
    }

    fn accept(&self) {
        for listener in &self.init.listeners {
            while let Ok((connection, _)) = stream::accept(listener.as_fd()) {
                let ticket =
                    self.init
                        .page
                        .request_started(b"GET", b"/who", b"", clock::monotonic_ms());
                let line = self.about();
                // The client may have left.
                drop(TcpStream::from(connection).write_all(line.as_bytes()));
                if self.version != "never finishes" {
                    self.init
                        .page
                        .request_finished(ticket, 200, 1, line.len() as u64);
                }
            }
        }
    }

    fn about(&self) -> String {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        format!(
            "pid={} slot={} generation={} version={} cwd={} env={} listen_fds={} descriptors={} lifeline={}\n",
            std::process::id(),
            self.init.slot,
            self.init.generation,
            self.version,
            std::env::current_dir().unwrap_or_default().display(),
            variable("COLOUR"),
            variable("LISTEN_FDS"),
            descriptors,
            self.init.lifeline.as_raw_fd(),
        )
    }
}
