//! Sizes of a head, at the limit and one above, however the bytes are split.

use rgun::http::{Policy, Refusal};

use crate::support::*;

fn small() -> Policy {
    Policy {
        limit_request_line: 40,
        limit_request_fields: 4,
        limit_request_field_size: 30,
        ..Policy::default()
    }
}

fn outcome(bytes: &[u8]) -> Option<Refusal> {
    let whole = converse(small(), [bytes]);
    for size in [1, 2, 3, 7] {
        assert_eq!(
            whole,
            converse(small(), bytes.chunks(size)),
            "{}",
            bytes.escape_ascii()
        );
    }
    match &whole[0] {
        Said::Request { .. } => None,
        Said::Refused(refusal) => Some(*refusal),
        other => panic!("{other:?}"),
    }
}

#[test]
fn request_line() {
    let line = |len: usize| {
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(len - 14)).into_bytes()
    };
    assert_eq!(outcome(&line(40)), None);
    assert_eq!(outcome(&line(41)), Some(Refusal::RequestLineTooLong));
    // Refused before its end has come, and before anything behind it counts.
    assert_eq!(outcome(&line(41)[..41]), Some(Refusal::RequestLineTooLong));
    assert_eq!(
        outcome(&[&line(41)[..], b"\0\n bad"].concat()),
        Some(Refusal::RequestLineTooLong)
    );
    assert_eq!(outcome(&[b'A'; 200]), Some(Refusal::RequestLineTooLong));
}

#[test]
fn field_size() {
    let field = |len: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
            "y".repeat(len - 3)
        )
        .into_bytes()
    };
    assert_eq!(outcome(&field(30)), None);
    assert_eq!(outcome(&field(31)), Some(Refusal::FieldTooLarge));
    let unfinished = field(31);
    assert_eq!(
        outcome(&unfinished[..unfinished.len() - 4]),
        Some(Refusal::FieldTooLarge)
    );
    // A bare line feed right behind: the size comes first, whatever was split.
    assert_eq!(
        outcome(&[&unfinished[..unfinished.len() - 4], b"\n\r\n"].concat()),
        Some(Refusal::FieldTooLarge)
    );
}

#[test]
fn field_count() {
    let fields = |count: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
        .into_bytes()
    };
    assert_eq!(outcome(&fields(4)), None);
    assert_eq!(outcome(&fields(5)), Some(Refusal::TooManyFields));
    let head = fields(4);
    assert_eq!(
        outcome(&[&head[..head.len() - 2], b"X"].concat()),
        Some(Refusal::TooManyFields)
    );
}

#[test]
fn many_fields_when_allowed() {
    let policy = Policy {
        limit_request_fields: 1000,
        ..Policy::default()
    };
    for count in [100, 127, 128, 129, 500, 1000] {
        let bytes = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(count - 1)
        )
        .into_bytes();
        let log = converse(policy.clone(), [&bytes[..]]);
        let Said::Request { fields, .. } = &log[0] else {
            panic!("{count}: {log:?}")
        };
        assert_eq!(fields.len(), count);
        assert_eq!(log, converse(policy.clone(), bytes.chunks(5)));
    }
}

#[test]
fn no_limits() {
    let policy = Policy {
        limit_request_line: usize::MAX,
        limit_request_fields: usize::MAX,
        limit_request_field_size: usize::MAX,
        ..Policy::default()
    };
    let long = "y".repeat(100_000);
    let bytes = format!("GET /{long} HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n").into_bytes();
    assert!(matches!(
        converse(policy.clone(), [&bytes[..]])[0],
        Said::Request { .. }
    ));
    // A name longer than an offset can express, and a head beyond any practical size.
    let name = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}: x\r\n\r\n",
        "n".repeat(70_000)
    )
    .into_bytes();
    assert!(matches!(
        converse(policy.clone(), [&name[..]])[0],
        Said::Refused(_)
    ));
    let endless = vec![b'x'; (16 << 20) + 2];
    let endless = [b"GET / HTTP/1.1\r\nHost: a\r\nX: ", &endless[..]];
    assert_eq!(
        converse(policy, endless)[0],
        Said::Refused(Refusal::FieldTooLarge)
    );
}

#[test]
fn trailers() {
    let run = |trailers: &str| {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
        let bytes = format!("{head}{trailers}\r\n").into_bytes();
        let log = converse(small(), [&bytes[..]]);
        assert_eq!(log, converse(small(), bytes.chunks(1)), "{trailers}");
        log[1].clone()
    };
    assert_eq!(run(&"A: b\r\n".repeat(4)), Said::EndOfBody);
    assert_eq!(
        run(&"A: b\r\n".repeat(5)),
        Said::Refused(Refusal::TooManyFields)
    );
    assert_eq!(run(&format!("A: {}\r\n", "b".repeat(27))), Said::EndOfBody);
    assert_eq!(
        run(&format!("A: {}\r\n", "b".repeat(28))),
        Said::Refused(Refusal::FieldTooLarge)
    );
}

#[test]
fn chunk_extensions() {
    let run = |line: String, times: usize| {
        let mut bytes = with_fields("Transfer-Encoding: chunked\r\n");
        for _ in 0..times {
            bytes.extend_from_slice(line.as_bytes());
        }
        let log = converse(Policy::default(), [&bytes[..]]);
        assert_eq!(log, converse(Policy::default(), bytes.chunks(3)));
        log.contains(&Said::Refused(Refusal::BadChunk))
    };
    assert!(!run(format!("1;{}\r\nx\r\n", "e".repeat(1022)), 1));
    assert!(run(format!("1;{}\r\nx\r\n", "e".repeat(1023)), 1));
    assert!(!run(format!("1;{}\r\nx\r\n", "e".repeat(1000)), 16));
    assert!(run(format!("1;{}\r\nx\r\n", "e".repeat(1000)), 17));
}
