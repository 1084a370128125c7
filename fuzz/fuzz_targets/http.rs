//! Any bytes: the same events however they are split, and every accepted head read alike by others.
#![no_main]

extern crate rgun_fuzz as rgun;

#[path = "../../tests/http/alike.rs"]
mod alike;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/http/reader.rs"]
mod reader;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/http/support.rs"]
mod support;

use libfuzzer_sys::fuzz_target;
use rgun::http::{Event, Policy};
use support::{converse, first};

fuzz_target!(|data: &[u8]| {
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
    if let Event::Request(head) = first(bytes) {
        alike::assert_read_alike(&head, bytes.strip_prefix(b"\r\n").unwrap_or(bytes));
    }
});
