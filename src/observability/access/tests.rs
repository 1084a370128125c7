//! The access log from the request to the bytes, over real files and pipes.

use std::io::Read;
use std::net::Ipv6Addr;

use super::*;
use crate::sys::ATOMIC;

const REQUEST: Request<'static> = Request {
    peer: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    method: b"GET",
    target: b"/a?b=c",
    version: "HTTP/1.1",
    status: 200,
    bytes: 5,
    referer: None,
    user_agent: Some(b"curl/8"),
    authorization: None,
    duration: Duration::ZERO,
};

fn written(requests: &[Request<'_>]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = AccessLog::new(Arc::new(Output::file(&path).unwrap()));
    requests.iter().for_each(|request| log.record(request));
    log.flush();
    std::fs::read_to_string(path).unwrap()
}

/// The time is the only part that varies.
fn timeless(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (time, after) = rest.split_once(']').unwrap();
    assert_eq!(time.len(), "20/Nov/2026:12:00:00 +0000".len());
    format!("{before}[]{after}")
}

#[test]
fn gunicorns_default_format() {
    let v4 = Request {
        peer: Some([192, 0, 2, 1].into()),
        referer: Some(b"http://x/"),
        ..REQUEST
    };
    let unix = Request {
        peer: None,
        authorization: Some(b"Basic YTpi"),
        user_agent: None,
        ..REQUEST
    };
    let refused = Request {
        method: b"",
        target: b"",
        status: 400,
        user_agent: None,
        ..REQUEST
    };
    let lines: Vec<_> = written(&[REQUEST, v4, unix, refused])
        .lines()
        .map(timeless)
        .collect();
    assert_eq!(
        lines,
        [
            r#"::1 - - [] "GET /a?b=c HTTP/1.1" 200 5 "-" "curl/8""#,
            r#"192.0.2.1 - - [] "GET /a?b=c HTTP/1.1" 200 5 "http://x/" "curl/8""#,
            r#"- - a [] "GET /a?b=c HTTP/1.1" 200 5 "-" "-""#,
            r#"::1 - - [] "-" 400 5 "-" "-""#,
        ]
    );
}

#[test]
fn what_a_client_sends_cannot_forge_a_line() {
    let request = Request {
        user_agent: Some(b"\" 200\n127.0.0.1 - - \\"),
        target: b"/\x00\xff",
        ..REQUEST
    };
    let text = written(&[request]);
    assert_eq!(text.lines().count(), 1);
    assert!(
        text.ends_with("\"\\\" 200\\x0a127.0.0.1 - - \\\\\"\n"),
        "{text}"
    );
    assert!(text.contains(r"GET /\x00\xff HTTP/1.1"), "{text}");
}

fn pipe() -> (std::fs::File, AccessLog, tempfile::TempDir) {
    use std::os::unix::fs::OpenOptionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&path)
        .unwrap();
    (
        reader,
        AccessLog::new(Arc::new(Output::file(&path).unwrap())),
        directory,
    )
}

fn arrived(reader: &mut std::fs::File) -> String {
    let mut text = Vec::new();
    let end = reader.read_to_end(&mut text);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    String::from_utf8(text).unwrap()
}

#[test]
fn a_line_for_a_pipe_is_short_enough_to_stay_whole() {
    let (mut reader, mut log, _directory) = pipe();
    let long = b"\xff".repeat(9000);
    log.record(&Request {
        method: &long,
        target: &long,
        referer: Some(&long),
        user_agent: Some(&long),
        ..REQUEST
    });
    log.flush();
    let text = arrived(&mut reader);
    assert!(
        text.len() <= ATOMIC && text.ends_with("...\"\n"),
        "{}",
        text.len()
    );
}

#[test]
fn a_reader_that_does_not_read_costs_lines_and_no_time() {
    let (mut reader, mut log, _directory) = pipe();
    for number in 0..20_000_u32 {
        let target = format!("/{number}");
        log.record(&Request {
            target: target.as_bytes(),
            ..REQUEST
        });
        if number % 10 == 0 {
            log.flush();
        }
    }
    assert!(log.dropped > 0);
    let mut text = String::new();
    while !log.buffer.is_empty() {
        text.push_str(&arrived(&mut reader));
        log.flush();
    }
    text.push_str(&arrived(&mut reader));
    for (number, line) in text.lines().enumerate() {
        assert!(
            line.contains(&format!("\"GET /{number} HTTP/1.1\"")) && line.ends_with("\"curl/8\""),
            "{line}"
        );
    }
    assert_eq!(log.dropped, 0, "they were reported when there was room");
}

#[test]
fn nothing_stays_behind_when_the_log_is_dropped() {
    let (mut reader, mut log, _directory) = pipe();
    log.record(&REQUEST);
    assert_eq!(arrived(&mut reader), "");
    drop(log);
    assert_eq!(arrived(&mut reader).lines().count(), 1);
}
