//! Tests of the access log from the request to the bytes, over real files and pipes.

use std::io::{ErrorKind, Read};
use std::net::Ipv6Addr;

use super::*;
use crate::config::{Align, Atom, Conversion, FormatPiece};
use crate::sys::ATOMIC;

const REQUEST: LoggedRequest<'static> = LoggedRequest {
    peer: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    method: b"GET",
    target: b"/a?b=c",
    version: "HTTP/1.1",
    status: 200,
    bytes: 5,
    referer: None,
    user_agent: Some(b"curl/8"),
    authorization: None,
    duration: Duration::from_micros(1_234_567),
    id_field: "x-request-id",
    details: Some(&Plain),
};

struct Plain;

impl Details for Plain {
    fn path(&self) -> Cow<'_, [u8]> {
        b"/a b".into()
    }
    fn query(&self) -> &[u8] {
        b"b=c"
    }
    fn request_field(&self, name: &str) -> Option<&[u8]> {
        (name == "x-request-id").then_some(b"id-1")
    }
    fn response_field(&self, name: &str) -> Option<&[u8]> {
        (name == "x-made").then_some(b"by \"me\"")
    }
    fn environ(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        (name == "remote_port").then_some(b"80".into())
    }
    fn request_fields(&self, each: &mut dyn FnMut(&str, &[u8])) {
        each("x-request-id", b"id-1");
    }
    fn response_fields(&self, each: &mut dyn FnMut(&str, &[u8])) {
        each("x-made", b"by \"me\"");
    }
    fn environ_all(&self, each: &mut dyn FnMut(&str, &[u8])) {
        each("remote_port", b"80");
    }
}

const ALL: AccessLines = AccessLines {
    format: AccessFormat::Gunicorns,
    sample: ALL_OF_A_MILLION,
    exclude: Vec::new(),
};

fn written(requests: &[LoggedRequest<'_>]) -> String {
    written_as(&ALL, requests)
}

fn written_as(lines: &AccessLines, requests: &[LoggedRequest<'_>]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let mut log = AccessLog::new(
        Some(Arc::new(Output::file(&path).unwrap())),
        lines,
        SyslogCopy::Not,
    );
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
    let v4 = LoggedRequest {
        peer: Some([192, 0, 2, 1].into()),
        referer: Some(b"http://x/"),
        ..REQUEST
    };
    let unix = LoggedRequest {
        peer: None,
        authorization: Some(b"Basic YTpi"),
        user_agent: None,
        ..REQUEST
    };
    let refused = LoggedRequest {
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
    let request = LoggedRequest {
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
        AccessLog::new(
            Some(Arc::new(Output::file(&path).unwrap())),
            &ALL,
            SyslogCopy::Not,
        ),
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
    log.record(&LoggedRequest {
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
        log.record(&LoggedRequest {
            target: target.as_bytes(),
            ..REQUEST
        });
        if number % 10 == 0 {
            log.flush();
        }
    }
    assert!(log.lines.dropped > 0);
    let mut text = String::new();
    while !log.lines.buffer.is_empty() {
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
    assert_eq!(
        log.lines.dropped, 0,
        "they were reported when there was room"
    );
}

#[test]
fn nothing_stays_behind_when_the_log_is_dropped() {
    let (mut reader, mut log, _directory) = pipe();
    log.record(&REQUEST);
    assert_eq!(arrived(&mut reader), "");
    drop(log);
    assert_eq!(arrived(&mut reader).lines().count(), 1);
}

fn custom(pieces: &[(Atom, Conversion)]) -> AccessLines {
    let atom = |(atom, conversion): &(Atom, Conversion)| {
        [
            FormatPiece::Atom(atom.clone(), *conversion),
            FormatPiece::Text("|".to_owned()),
        ]
    };
    AccessLines {
        format: AccessFormat::Custom(pieces.iter().flat_map(atom).collect()),
        ..ALL
    }
}

fn plain(atom: Atom) -> (Atom, Conversion) {
    (atom, Conversion::default())
}

#[test]
fn a_format_of_the_users_own() {
    let atoms = [
        Atom::Client,
        Atom::RequestLine,
        Atom::Method,
        Atom::Path,
        Atom::Query,
        Atom::Protocol,
        Atom::Status,
        Atom::Length,
        Atom::Seconds,
        Atom::Milliseconds,
        Atom::Microseconds,
        Atom::DecimalSeconds,
        Atom::RequestField("x-request-id".into()),
        Atom::RequestField("x-none".into()),
        Atom::ResponseField("x-made".into()),
        Atom::Environ("remote_port".into()),
    ];
    assert_eq!(
        written_as(&custom(&atoms.map(plain)), &[REQUEST]),
        "::1|GET /a?b=c HTTP/1.1|GET|/a b|b=c|HTTP/1.1|200|5|1|1234|1234567|1.234567|id-1|-|by \\\"me\\\"|80|\n"
    );
    let refused = LoggedRequest {
        method: b"",
        target: b"",
        version: "",
        details: None,
        ..REQUEST
    };
    let atoms = [
        Atom::RequestLine,
        Atom::Method,
        Atom::Path,
        Atom::Query,
        Atom::Protocol,
        Atom::Environ("x".into()),
    ];
    assert_eq!(
        written_as(&custom(&atoms.map(plain)), &[refused]),
        "-|-|-|-|-|-|\n"
    );
}

#[test]
fn widths_and_precisions_are_pythons() {
    let conversion = |width, precision, align| Conversion {
        width,
        precision,
        align,
    };
    let format = custom(&[
        (Atom::Status, conversion(6, None, Align::Right)),
        (Atom::Status, conversion(6, None, Align::Left)),
        (Atom::Status, conversion(6, None, Align::Zeros)),
        (Atom::UserAgent, conversion(5, Some(3), Align::Right)),
        (
            Atom::ResponseField("x-made".into()),
            conversion(0, Some(4), Align::Right),
        ),
    ]);
    assert_eq!(
        written_as(&format, &[REQUEST]),
        "   200|200   |000200|  cur|by |\n"
    );
}

#[test]
fn json_is_json_whatever_comes() {
    let lines = AccessLines {
        format: AccessFormat::Json,
        ..ALL
    };
    let hostile = LoggedRequest {
        method: b"GET",
        user_agent: Some(b"\" } \n\xff\\"),
        peer: None,
        ..REQUEST
    };
    let refused = LoggedRequest {
        method: b"",
        target: b"",
        version: "",
        details: None,
        ..REQUEST
    };
    let text = written_as(&lines, &[REQUEST, hostile, refused]);
    let records: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(records.len(), 3);
    assert_eq!(records[0]["path"], "/a b");
    assert_eq!(records[0]["duration_ms"], 1234.567);
    assert_eq!(records[0]["request_id"], "id-1");
    assert_eq!(records[1]["user_agent"], "\" } \n\u{fffd}\\");
    assert!(records[1]["remote_addr"].is_null() && records[2]["method"].is_null());
    assert_eq!(records[2]["status"], 200);
}

#[test]
fn logfmt_has_what_there_is_and_quotes_what_needs_it() {
    let lines = AccessLines {
        format: AccessFormat::Logfmt,
        ..ALL
    };
    let hostile = LoggedRequest {
        user_agent: Some(b"a=\"b\" status=500\nstatus=200"),
        peer: None,
        ..REQUEST
    };
    let text = written_as(&lines, &[REQUEST, hostile]);
    let [first, second] = &text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}");
    };
    for expected in [
        "time=",
        " path=\"/a b\" ",
        " status=200 ",
        " duration_ms=1234.567 ",
        " request_id=id-1 ",
    ] {
        assert!(first.contains(expected), "{expected}: {first}");
    }
    let agent = " user_agent=\"a=\\\"b\\\" status=500\\nstatus=200\" ";
    assert!(
        second.contains(agent) && !second.contains("remote_addr"),
        "{second}"
    );
}

#[test]
fn a_share_is_a_share_and_failures_are_always_there() {
    let lines = AccessLines {
        sample: ALL_OF_A_MILLION / 4,
        ..ALL
    };
    let failed = LoggedRequest {
        status: 500,
        ..REQUEST
    };
    let count = written_as(&lines, &vec![REQUEST; 8000]).lines().count();
    assert!((1700..2300).contains(&count), "{count}");
    assert_eq!(written_as(&lines, &[failed; 50]).lines().count(), 50);
}

#[test]
fn a_long_line_of_many_fields_stays_whole_in_a_pipe() {
    let (mut reader, mut log, _directory) = pipe();
    let long = b"x".repeat(9000);
    log.format = custom(&[(); 8].map(|()| plain(Atom::UserAgent))).format;
    for _ in 0..2 {
        log.record(&LoggedRequest {
            user_agent: Some(&long),
            ..REQUEST
        });
    }
    log.flush();
    let text = arrived(&mut reader);
    assert_eq!(text.lines().count(), 2);
    assert!(
        text.lines()
            .all(|line| line.len() < ATOMIC && line.ends_with("..."))
    );
}

fn json_shaped() -> AccessLines {
    let atom = |atom| FormatPiece::Atom(atom, Conversion::default());
    let text = |text: &str| FormatPiece::Text(text.to_owned());
    AccessLines {
        format: AccessFormat::JsonShaped(vec![
            text(r#"{"path":""#),
            atom(Atom::Path),
            text(r#"","request":""#),
            atom(Atom::RequestLine),
            text(r#"","agent":""#),
            FormatPiece::Atom(
                Atom::UserAgent,
                Conversion {
                    precision: Some(30),
                    ..Conversion::default()
                },
            ),
            text(r#"","referer":""#),
            atom(Atom::Referer),
            text(r#"","status":"#),
            atom(Atom::Status),
            text(r#","time":""#),
            atom(Atom::Time),
            text("\"}"),
        ]),
        ..ALL
    }
}

proptest::proptest! {
    #[test]
    fn a_format_that_is_json_stays_json_whatever_clients_send(method: Vec<u8>, target: Vec<u8>, agent: Vec<u8>, referer: Vec<u8>, times in 1_usize..600) {
        let request = LoggedRequest {
            method: &method,
            target: &target,
            user_agent: Some(&agent),
            referer: Some(&referer.repeat(times)),
            ..REQUEST
        };
        let mut log = AccessLog::new(None, &json_shaped(), SyslogCopy::Too);
        for is_file in [true, false] {
            let mut line = Vec::new();
            let mut around = Around {
                stamp: &mut log.stamp,
                pid: 7,
                longest: if is_file { Longest::ANY } else { Longest::ATOMIC },
                quoting: Quoting::Json,
            };
            let AccessFormat::JsonShaped(pieces) = &log.format else { unreachable!() };
            push_json_pieces(&mut line, pieces, &request, &mut around, if is_file { usize::MAX } else { ATOMIC });
            proptest::prop_assert!(is_file || line.len() <= ATOMIC);
            let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
            proptest::prop_assert_eq!(&read["status"], 200);
        }
    }
}

#[test]
fn a_format_that_is_json_shows_what_is_not_ascii() {
    let line = written_as(
        &json_shaped(),
        &[LoggedRequest {
            target: "/é".as_bytes(),
            user_agent: Some("\u{1f980} \"quoted\" \x1b\u{9b}".as_bytes()),
            referer: Some(b"\xff"),
            ..REQUEST
        }],
    );
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["request"], "GET /é HTTP/1.1");
    assert_eq!(read["referer"], "\u{fffd}");
    let agent = read["agent"].as_str().unwrap();
    assert!(agent.starts_with("\u{1f980} \"quoted\" \x1b"), "{agent}");
    assert!(!line.contains(['\x1b', '\u{9b}']));
}
