//! What holds for any bytes and any split of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use rgun::http::{BodyEnd, Connection, HttpEvent, Policy, UnderscorePolicy};

use crate::support::*;
use crate::{alike, reader};

/// Pieces of requests, right and wrong, so that random sequences of them come close to both.
const PIECES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "POST /a?b HTTP/1.1\r\n",
    "HEAD http://h/x HTTP/1.1\r\n",
    "GET / HTTP/1.0\r\n",
    "GET / HTTP/1.2\r\n",
    "OPTIONS * HTTP/1.1\r\n",
    "GET  / HTTP/1.1\r\n",
    "get / HTTP/1.1\r\n",
    "GET / HTTP/2.0\r\n",
    "Host: a\r\n",
    "Host: b:80\r\n",
    "Host: a b\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 12\r\n",
    "Content-Length: +5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "X_Y: z\r\n",
    "X: y\n",
    "X: y\r\n folded\r\n",
    "X : y\r\n",
    "X: \u{1}\r\n",
    "Upgrade: websocket\r\nConnection: upgrade\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "hello",
    "5\r\nhello\r\n",
    "5;a=b\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\nA: b\r\n\r\n",
    "A\r\n",
    "fffffffffffffffff\r\n",
    "x",
    " ",
    ":",
    "\0",
    "GET /long-enough-to-be-too-long-for-the-limit-of-this-policy HTTP/1.1\r\n",
    "X-Long: 0123456789012345678901234567890123456789\r\n",
];

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        20 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

/// Requests that are accepted, mostly.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let line = select(
        &[
            "GET / HTTP/1.1",
            "POST /a%20b?c=d HTTP/1.1",
            "PUT http://h:8/x?y HTTP/1.1",
            "GET / HTTP/1.0",
            "X-Y //a HTTP/1.3",
        ][..],
    );
    let field = (
        "[A-Za-z][A-Za-z0-9!#$%&'*+.^`|~-]{0,12}",
        "[ \t]{0,2}",
        "([!-~]([ -~\t]{0,20}[!-~])?)?",
        "[ \t]{0,2}",
    )
        .prop_filter("not a field with a meaning", |(name, ..)| {
            let meaning = ["host", "content-length", "transfer-encoding", "expect"];
            !meaning.contains(&name.to_ascii_lowercase().as_str())
        })
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"));
    let body = prop_oneof![
        Just((String::new(), String::new())),
        "[a-z\r\n]{0,40}".prop_map(|body| (format!("Content-Length: {}\r\n", body.len()), body)),
        vec("[a-z\r\n]{1,20}", 0..4).prop_map(|chunks| {
            let chunks: String = chunks
                .iter()
                .map(|chunk| format!("{:X};x=1\r\n{chunk}\r\n", chunk.len()))
                .collect();
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("{chunks}0\r\nT: x\r\n\r\n"),
            )
        }),
    ];
    (line, vec(field, 0..5), any::<Index>(), body).prop_map(
        |(line, mut fields, place, (framing, body))| {
            let place = place.index(fields.len() + 1);
            let framing = if line.ends_with("1.0") && framing.starts_with('T') {
                String::new()
            } else {
                framing
            };
            let body = if framing.is_empty() {
                String::new()
            } else {
                body
            };
            fields.insert(place, format!("Host: example.com\r\n{framing}"));
            format!("{line}\r\n{}\r\n{body}", fields.concat()).into_bytes()
        },
    )
}

fn policies() -> impl Strategy<Value = Policy> {
    let small = Policy {
        limit_request_line: 40,
        limit_request_fields: 4,
        limit_request_field_size: 30,
        limit_request_body: Some(12),
        header_map: UnderscorePolicy::Refuse,
        ..Policy::default()
    };
    select(vec![Policy::default(), small])
}

fn split<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut start = 0;
    let mut pieces = Vec::new();
    for place in places.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[start..place]);
        start = place;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same_events(
        bytes in prop_oneof![soup(), vec(good(), 1..4).prop_map(|requests| requests.concat())],
        policy in policies(),
        cuts in vec(any::<Index>(), 0..8),
    ) {
        let whole = converse(policy.clone(), [&bytes[..]]);
        prop_assert_eq!(&whole, &converse(policy.clone(), split(&bytes, &cuts)));
        prop_assert_eq!(&whole, &converse(policy, bytes.chunks(1)));
    }

    /// An accepted head, as httparse and as our own strict reader see its bytes: nothing but what the policy drops
    /// or replaces may differ. And written again from what the app sees, it is read alike.
    #[test]
    fn accepted_requests_are_read_alike(bytes in prop_oneof![good(), soup()]) {
        if let HttpEvent::Request(head) = first(&bytes) {
            alike::assert_read_alike(&head, bytes.strip_prefix(b"\r\n").unwrap_or(&bytes));
        }
    }

    /// Good requests are accepted, with the body that an independent reader finds.
    #[test]
    fn good_requests_reach_the_app(requests in vec(good(), 1..4)) {
        let bytes = requests.concat();
        let log = converse(Policy::default(), [&bytes[..]]);
        let mut bodies = Vec::new();
        for said in &log {
            match said {
                Said::Request { .. } => bodies.push(Vec::new()),
                Said::Body(data) => bodies.last_mut().unwrap().extend_from_slice(data),
                Said::EndOfBody | Said::Closed => {}
                Said::Refused(refusal) => prop_assert!(false, "{refusal:?} {}", bytes.escape_ascii()),
            }
        }
        // The first that closes is the last that is read.
        prop_assert!(!bodies.is_empty() && bodies.len() <= requests.len());
        for (request, body) in requests.iter().zip(&bodies) {
            let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let chunked = request[..end].windows(7).any(|seven| seven == b"chunked");
            let expected = if chunked { reader::chunked(&strip_extensions(&request[end..])).0 } else { request[end..].to_vec() };
            prop_assert_eq!(body, &expected);
        }
    }

    /// Whatever the app gives, a client reads one well-formed response and what was sent in it.
    #[test]
    fn responses_are_read_as_given(
        request in select(&["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"][..]),
        status in select(&[200_u16, 204, 205, 206, 299, 304, 404, 500][..]),
        fields in vec(("[a-z-]{1,8}", "[!-~]{0,10}"), 0..5),
        declared in proptest::option::weighted(0.4, 0_usize..60),
        pieces in vec(vec(any::<u8>(), 0..3000), 1..5),
    ) {
        let mut connection = fed(request.as_bytes());
        prop_assert!(matches!(connection.poll_event(), HttpEvent::Request(_)));
        let length = declared.map(|length| length.to_string());
        let length = length.iter().map(|length| (&b"content-length"[..], length.as_bytes()));
        let given = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        connection.start_response(status, None, given.chain(length), &date()).unwrap();
        let mut wire = Vec::new();
        let mut cut = false;
        for (index, piece) in pieces.iter().enumerate() {
            let end = if index + 1 == pieces.len() { BodyEnd::Last } else { BodyEnd::More };
            match connection.body(piece, end) {
                Ok(sent) => {
                    for part in [sent.head, sent.data, sent.tail] {
                        wire.extend_from_slice(part);
                    }
                    cut |= sent.excess > 0;
                    if cut {
                        break;
                    }
                }
                // Too short: the client sees a body that is cut, never a complete one.
                Err(error) => {
                    prop_assert!(declared.is_some(), "{error}");
                    prop_assert!(!connection.is_keep_alive() || wire.is_empty());
                    return Ok(());
                }
            }
        }
        let is_head = request.starts_with("HEAD");
        let (response, rest) = reader::response(&wire, is_head);
        prop_assert!(rest.is_empty());
        prop_assert_eq!(response.status, status);
        for (name, value) in &fields {
            let ours = ["connection", "upgrade", "date", "server"].contains(&name.as_str());
            prop_assert!(ours || response.values(name).contains(&value.as_str()));
        }
        let whole = pieces.concat();
        if is_head || matches!(status, 204 | 205 | 304) {
            prop_assert!(response.body.is_empty());
        } else if cut {
            prop_assert_eq!(&response.body[..], &whole[..declared.unwrap()]);
        } else {
            prop_assert_eq!(&response.body, &whole);
        }
        prop_assert_eq!(connection.is_keep_alive(), !response.values("connection").contains(&"close"));
    }

    /// Nothing panics, whatever comes, also when the app answers early or never.
    #[test]
    fn nothing_panics(bytes in soup(), cuts in vec(any::<Index>(), 0..4), answer_at in 0_usize..6) {
        let mut connection = Connection::new(std::sync::Arc::new(Policy::default()));
        let mut step = 0;
        for piece in split(&bytes, &cuts) {
            connection.receive(piece);
            loop {
                step += 1;
                if step == answer_at && connection.start_response(200, None, [], &date()).is_ok() {
                    connection.body(b"early", BodyEnd::Last).unwrap();
                }
                match connection.poll_event() {
                    HttpEvent::NeedInput | HttpEvent::Paused | HttpEvent::Closed => break,
                    HttpEvent::Refused(refusal) => { connection.refuse(refusal, &date()); }
                    HttpEvent::Request(_) => step = 0,
                    HttpEvent::Body(data) => prop_assert!(!data.is_empty()),
                    HttpEvent::EndOfBody => {}
                }
            }
        }
    }
}

/// The reader supports no extensions; the generator writes one kind.
fn strip_extensions(body: &[u8]) -> Vec<u8> {
    String::from_utf8(body.to_vec())
        .unwrap()
        .replace(";x=1", "")
        .into_bytes()
}
