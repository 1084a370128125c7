//! Tests of the error log from the facade to the bytes, over real pipes and files.

use std::io::Read;

use super::*;
use crate::observability::CRITICAL;
use crate::observability::subscriber::Subscriber;
use crate::sys::ATOMIC;

/// A log that writes to a FIFO, which the test reads or does not read.
struct Piped {
    log: Arc<ErrorLog>,
    reader: std::fs::File,
    _directory: tempfile::TempDir,
}

fn piped(level: LogLevel) -> Piped {
    use std::os::unix::fs::OpenOptionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)
        .unwrap();
    let output = Arc::new(Output::file(&path).unwrap());
    Piped {
        log: Arc::new(ErrorLog::new(LogTarget::File(path), output, level)),
        reader,
        _directory: directory,
    }
}

impl Piped {
    /// The bytes that have arrived.
    fn read(&mut self) -> String {
        let mut bytes = Vec::new();
        let mut piece = [0; ATOMIC];
        while let Ok(count) = self.reader.read(&mut piece) {
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(bytes).unwrap()
    }

    fn under(&self, body: impl FnOnce()) {
        tracing::subscriber::with_default(Subscriber::new(Arc::clone(&self.log)), body);
    }
}

/// Without the time and the pid.
fn messages(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| line.splitn(3, "] [").nth(2).unwrap_or(line))
        .collect()
}

#[test]
fn events_of_each_level_come_out_under_gunicorns_names() {
    let mut piped = piped(LogLevel::Debug);
    piped.under(|| {
        tracing::trace!("never");
        tracing::debug!("one");
        tracing::info!(slot = 3, "two");
        tracing::warn!(error = %std::io::Error::other("it broke"), "three");
        tracing::error!(exit = ?Some(1), name = "a b", "four");
        tracing::error!(target: CRITICAL, "five {}", 5);
    });
    assert_eq!(
        messages(&piped.read()),
        [
            "DEBUG] one",
            "INFO] two slot=3",
            "WARNING] three error=\"it broke\"",
            "ERROR] four exit=Some(1) name=\"a b\"",
            "CRITICAL] five 5",
        ]
    );
}

#[test]
fn less_severe_events_disappear_and_libraries_only_warn() {
    let mut piped = piped(LogLevel::Warning);
    piped.under(|| {
        tracing::info!("no");
        tracing::warn!("yes");
        tracing::info!(target: "h2::proto", "no");
        tracing::warn!(target: "rustls::msgs", "library");
        // Caused by what any client may send.
        tracing::warn!(target: "h2::proto", "no");
    });
    assert_eq!(
        messages(&piped.read()),
        ["WARNING] yes", "WARNING] library"]
    );
    let mut piped = self::piped(LogLevel::Critical);
    piped.under(|| {
        tracing::error!("no");
        tracing::error!(target: CRITICAL, "yes");
    });
    assert_eq!(messages(&piped.read()), ["CRITICAL] yes"]);
}

#[test]
fn a_traceback_stands_whole_below_its_line() {
    let mut piped = piped(LogLevel::Info);
    let traceback = "Traceback (most recent call last):\n  File \"x.py\"\nValueError: a\tb\n";
    piped.under(|| tracing::error!(slot = 0, traceback, "worker failed to boot"));
    let text = piped.read();
    let (line, rest) = text.split_once('\n').unwrap();
    assert_eq!(messages(line), ["ERROR] worker failed to boot slot=0"]);
    assert_eq!(rest, traceback);
}

#[test]
fn the_master_goes_on_while_nobody_reads_and_owns_up_later() {
    let mut piped = piped(LogLevel::Info);
    let filler = "x".repeat(ATOMIC);
    // 64 KiB fit into the pipe, 1,000 lines into the queue; this returns at all because nothing blocks.
    piped.under(|| (0..1500).for_each(|number| tracing::info!(number, filler, "line")));
    assert!(piped.log.pending().is_some());
    let mut text = String::new();
    while piped.log.pending().is_some() {
        text.push_str(&piped.read());
        piped.log.flush();
    }
    text.push_str(&piped.read());
    let lines = messages(&text);
    let (last, numbered) = lines.split_last().unwrap();
    let dropped = 1500 - numbered.len();
    assert_eq!(*last, format!("WARNING] {dropped} log lines dropped"));
    assert!((1000..1100).contains(&numbered.len()), "{}", numbered.len());
    // What came out is whole, and in order.
    for (number, line) in numbered.iter().enumerate() {
        assert!(
            line.starts_with(&format!("INFO] line number={number} filler=xxx"))
                && line.ends_with('…'),
            "{line:.80}"
        );
    }
}

#[test]
fn a_traceback_longer_than_the_pipe_is_finished_when_there_is_room() {
    let mut piped = piped(LogLevel::Info);
    let traceback: String = (0..10_000)
        .map(|number| format!("  frame {number}\n"))
        .collect();
    piped.under(|| {
        tracing::error!(traceback, "boom");
        tracing::info!("after");
    });
    let mut text = String::new();
    while piped.log.pending().is_some() {
        text.push_str(&piped.read());
        piped.log.flush();
    }
    text.push_str(&piped.read());
    let (line, rest) = text.split_once('\n').unwrap();
    assert_eq!(messages(line), ["ERROR] boom"]);
    assert_eq!(
        rest.strip_prefix(&traceback).map(messages),
        Some(vec!["INFO] after"])
    );
}

#[test]
fn a_child_has_its_own_pid_and_leaves_the_queue_to_its_parent() {
    let mut piped = piped(LogLevel::Info);
    let filler = "x".repeat(ATOMIC);
    piped.under(|| (0..30).for_each(|_| tracing::info!(filler, "line")));
    assert!(piped.log.pending().is_some());
    piped.log.pid.store(1, Ordering::Relaxed);
    piped.log.after_fork();
    assert!(piped.log.pending().is_none());
    piped.read();
    piped.under(|| tracing::info!("mine"));
    assert!(
        piped
            .read()
            .ends_with(&format!("[{}] [INFO] mine\n", std::process::id()))
    );
}

#[test]
fn a_rotated_file_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("error.log");
    let log = Arc::new(ErrorLog::new(
        LogTarget::File(path.clone()),
        Arc::new(Output::file(&path).unwrap()),
        LogLevel::Info,
    ));
    let write = |message: &str| log.write(LogLevel::Info, &LogMessage::plain(message));
    write("before");
    std::fs::rename(&path, directory.path().join("error.log.1")).unwrap();
    write("between");
    log.reopen().unwrap();
    write("after");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!(
        messages(&read("error.log.1")),
        ["INFO] before", "INFO] between"]
    );
    assert_eq!(messages(&read("error.log")), ["INFO] after"]);
}

#[test]
fn a_file_that_cannot_be_made_anew_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("log");
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("error.log");
    let log = ErrorLog::new(
        LogTarget::File(path.clone()),
        Arc::new(Output::file(&path).unwrap()),
        LogLevel::Info,
    );
    let moved = directory.path().join("moved");
    std::fs::rename(&folder, &moved).unwrap();
    assert!(log.reopen().is_err());
    log.write(LogLevel::Info, &LogMessage::plain("still here"));
    assert_eq!(
        messages(&std::fs::read_to_string(moved.join("error.log")).unwrap()),
        ["INFO] still here"]
    );
}

#[test]
fn a_reader_that_left_costs_lines_and_nothing_else() {
    let piped = piped(LogLevel::Info);
    let Piped {
        log,
        reader,
        _directory,
    } = piped;
    drop(reader);
    for _ in 0..3 {
        log.write(LogLevel::Info, &LogMessage::plain("lost"));
    }
    assert!(log.pending().is_none());
}

#[test]
fn every_line_that_a_full_disk_has_taken_is_counted_until_it_is_noted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let full = std::path::Path::new("/dev/full");
    let open = |path: &std::path::Path| Arc::new(Output::file(path).unwrap());
    let log = ErrorLog::new(LogTarget::File(full.to_owned()), open(full), LogLevel::Info);
    let plain = LogMessage::plain("one");
    let failed = LogMessage::of_python("failed".to_owned(), "Traceback:\nValueError".to_owned());
    for event in [&plain, &failed, &failed] {
        log.put_down(LogLevel::Error, event);
    }
    log.put_raw("three\nlines\nmore\n");
    log.redirect(LogTarget::File(path.clone()), open(&path));
    log.put_down(LogLevel::Info, &plain);
    log.put_down(LogLevel::Info, &plain);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        messages(&text),
        ["INFO] one", "WARNING] 10 log lines dropped", "INFO] one"]
    );

    log.redirect(LogTarget::File(full.to_owned()), open(full));
    log.put_down(LogLevel::Error, &plain);
    log.redirect(LogTarget::File(path.clone()), open(&path));
    log.flush();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(messages(&text).last(), Some(&"WARNING] 1 log line dropped"));
}
