//! Any bytes as what an app answers: it is refused, or a client reads exactly what was said, with one framing and no field that
//! the app did not send.

use std::sync::Arc;

use crate::http::{BodyEnd, Connection, Date, HttpEvent, Policy};

pub const SEEDS: &[&[u8]] = &[
    b"\x00\xc8content-type:text/plain\ncontent-length:5\n\nhello",
    b"\x01\xc8x-a:b\nset-cookie:c\nset-cookie:d\n\nhello",
    b"\x02\xccx:y\n\n",
    b"\x05\xc8transfer-encoding:chunked\nconnection:close\nupgrade:h2c\n\nhello",
];

const REQUESTS: [&[u8]; 4] = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n",
];

pub fn run(data: &[u8]) {
    let [choice, status, rest @ ..] = data else {
        return;
    };
    let mut connection = Connection::new(Arc::new(Policy::default()));
    let is_head = choice % 4 == 2;
    connection.receive(REQUESTS[usize::from(choice % 4)]);
    assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
    // 200 is the likeliest.
    let status = match status {
        0xc8 => 200,
        other => 100 + u16::from(*other) * 2,
    };
    let (mut fields, mut body) = (Vec::new(), rest);
    while let Some(end) = body.iter().position(|&byte| byte == b'\n') {
        let line = &body[..end];
        body = &body[end + 1..];
        if line.is_empty() {
            break;
        }
        let colon = line
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(line.len());
        fields.push((&line[..colon], line.get(colon + 1..).unwrap_or_default()));
    }
    let date = Date::at(784_111_777);
    if connection
        .start_response(status, None, fields.iter().copied(), &date)
        .is_err()
    {
        return;
    }
    let mut wire = Vec::new();
    let half = body.len() / 2;
    let pieces = if choice & 8 == 0 {
        vec![(body, BodyEnd::Last)]
    } else {
        vec![
            (&body[..half], BodyEnd::More),
            (&body[half..], BodyEnd::Last),
        ]
    };
    for (piece, end) in pieces {
        match connection.body(piece, end) {
            Ok(transmit) => {
                for part in [transmit.head, transmit.data, transmit.tail] {
                    wire.extend_from_slice(part);
                }
                if transmit.excess > 0 {
                    break;
                }
            }
            Err(_) => return,
        }
    }
    read(
        &wire,
        &fields,
        body,
        is_head || matches!(status, 204 | 205 | 304),
    );
}

fn read(wire: &[u8], fields: &[(&[u8], &[u8])], body: &[u8], is_empty: bool) {
    let mut slots = vec![httparse::EMPTY_HEADER; fields.len() + 16];
    let mut response = httparse::Response::new(&mut slots);
    let Ok(httparse::Status::Complete(size)) = response.parse(wire) else {
        panic!("not a response: {}", wire.escape_ascii());
    };
    let rest = &wire[size..];
    let of = |name: &str| -> Vec<&[u8]> {
        let same = response
            .headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name));
        same.map(|field| field.value).collect()
    };
    for field in response.headers.iter() {
        let ours = [
            "date",
            "server",
            "content-length",
            "transfer-encoding",
            "connection",
        ];
        let from_app = fields.iter().any(|(name, value)| {
            name.eq_ignore_ascii_case(field.name.as_bytes())
                && value.trim_ascii() == field.value.trim_ascii()
        });
        assert!(
            from_app
                || ours
                    .iter()
                    .any(|name| field.name.eq_ignore_ascii_case(name)),
            "{}",
            field.name
        );
    }
    for once in ["date", "server", "content-length", "transfer-encoding"] {
        assert!(of(once).len() <= 1, "{once} in {}", wire.escape_ascii());
    }
    match (
        of("content-length").first(),
        of("transfer-encoding").first(),
    ) {
        (Some(_), Some(_)) => panic!("two framings: {}", wire.escape_ascii()),
        _ if is_empty => assert_eq!(rest, b""),
        (Some(length), None) => {
            let length: usize = std::str::from_utf8(length)
                .expect("digits")
                .parse()
                .expect("a number");
            assert_eq!(rest, &body[..length]);
        }
        (None, Some(coding)) => {
            assert_eq!(*coding, b"chunked");
            assert!(rest.ends_with(b"0\r\n\r\n"));
        }
        (None, None) => assert_eq!(rest, body),
    }
}
