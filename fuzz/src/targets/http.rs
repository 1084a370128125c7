//! Any bytes as requests: the same events however they are split, and every accepted head read alike by others.

use crate::alike;
use crate::http::{HttpEvent, Policy};
use crate::support::{converse, first};

pub const SEEDS: &[&[u8]] = &[
    b"\x00GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"\x07POST http://a:1/b HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n5 ;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
    b"\x10PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhello",
    b"\x02GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
];

pub fn run(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else {
        return;
    };
    let policy = if choice & 1 == 0 {
        Policy::default()
    } else {
        Policy {
            limit_request_line: 60,
            limit_request_fields: 5,
            limit_request_field_size: 50,
            limit_request_body: Some(40),
            ..Policy::default()
        }
    };
    let whole = converse(policy.clone(), [bytes]);
    let size = 1 + usize::from(choice >> 1) % 40;
    assert_eq!(whole, converse(policy, bytes.chunks(size)));
    if let HttpEvent::Request(head) = first(bytes) {
        alike::assert_read_alike(&head, bytes.strip_prefix(b"\r\n").unwrap_or(bytes));
    }
}
