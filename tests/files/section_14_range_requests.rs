//! RFC 9110 §14: range requests, and §14.6, the media type of several ranges.

use proptest::prelude::*;

use rgun::files::{
    Coding, Conditions, ETag, FileStamp, MOST_RANGES, Multipart, Ranges, Representation, Selected,
    Slice, select,
};
use rgun::http::Method;

fn one(start: u64, length: u64) -> Ranges {
    Ranges::One(Slice { start, length })
}

fn several(slices: &[(u64, u64)]) -> Ranges {
    let slice = |&(start, length): &(u64, u64)| Slice { start, length };
    Ranges::Several(slices.iter().map(slice).collect())
}

fn check(size: u64, cases: &[(&str, Ranges)]) {
    for (value, expected) in cases {
        assert_eq!(
            Ranges::of(value.as_bytes(), size),
            *expected,
            "{value} of {size}"
        );
    }
}

/// §14.1.1 and §14.1.2
#[test]
fn one_range() {
    check(
        1000,
        &[
            ("bytes=0-0", one(0, 1)),
            ("bytes=0-499", one(0, 500)),
            ("bytes=500-", one(500, 500)),
            ("bytes=-1", one(999, 1)),
            ("bytes=-5000", one(0, 1000)),
            ("bytes=999-", one(999, 1)),
            ("bytes=0-9999", one(0, 1000)),
            ("bytes=0-18446744073709551615", one(0, 1000)),
            ("bytes=0-99999999999999999999999", one(0, 1000)),
            ("BYTES=1-1", one(1, 1)),
            ("bytes= 1-1 ", one(1, 1)),
            ("bytes=007-007", one(7, 1)),
        ],
    );
}

#[test]
fn what_is_not_there() {
    check(
        1000,
        &[
            ("bytes=1000-", Ranges::Unsatisfiable),
            ("bytes=1000-1001", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=99999999999999999999999-", Ranges::Unsatisfiable),
            ("bytes=2000-, 3000-", Ranges::Unsatisfiable),
            // One of several is enough.
            ("bytes=2000-, 1-1", one(1, 1)),
        ],
    );
    check(
        0,
        &[
            ("bytes=0-", Ranges::Unsatisfiable),
            ("bytes=0-0", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=-1", Ranges::Ignored),
        ],
    );
}

/// §14.2: another unit, or what is not a ranges-specifier, is ignored.
#[test]
fn what_is_ignored() {
    let values = [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5",
        "bytes=2-1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=0x1-2",
        "bytes 0-1",
        "items=0-1",
        "bytes=0-1;",
        "bytes=1 - 2",
        "bytes=0-1, x",
        "=0-1",
        "bytes=\u{0660}-1",
    ];
    for value in values {
        assert_eq!(
            Ranges::of(value.as_bytes(), 1000),
            Ranges::Ignored,
            "{value}"
        );
    }
}

/// §14.2, §17.15: overlapping and touching ranges become one, the others keep their order.
#[test]
fn several_ranges() {
    check(
        1000,
        &[
            ("bytes=0-9,20-29", several(&[(0, 10), (20, 10)])),
            ("bytes=20-29,0-9", several(&[(20, 10), (0, 10)])),
            ("bytes=0-9,,\t20-29 ,", several(&[(0, 10), (20, 10)])),
            ("bytes=0-9,10-19", one(0, 20)),
            ("bytes=0-99,50-149", one(0, 150)),
            ("bytes=0-,0-,0-,0-", one(0, 1000)),
            ("bytes=0-0,-1", several(&[(0, 1), (999, 1)])),
            (
                "bytes=500-599,0-99,50-149",
                several(&[(0, 150), (500, 100)]),
            ),
            ("bytes=0-0,2000-,2-2", several(&[(0, 1), (2, 1)])),
        ],
    );
    let many = |count: usize| {
        let specs: Vec<_> = (0..count)
            .map(|at| format!("{}-{}", at * 10, at * 10))
            .collect();
        Ranges::of(format!("bytes={}", specs.join(",")).as_bytes(), 1000)
    };
    assert!(matches!(many(MOST_RANGES), Ranges::Several(slices) if slices.len() == MOST_RANGES));
    assert_eq!(many(MOST_RANGES + 1), Ranges::Ignored);
}

/// §14.2: "Range is defined for GET alone".
#[test]
fn head_has_no_ranges() {
    let stamp = FileStamp {
        inode: 1,
        size: 10,
        modified: (0, 0),
    };
    let tag = ETag::of(&stamp, Coding::Identity);
    let file = Representation {
        stamp: &stamp,
        tag: &tag,
    };
    let ask = |method| select(file, method, &Conditions::default(), Some(b"bytes=0-1"), 1);
    assert_eq!(ask(Method::Head), Selected::Whole);
    assert_eq!(
        ask(Method::Get),
        Selected::Part(Slice {
            start: 0,
            length: 2
        })
    );
}

/// §14.6: the parts as a reader of multipart finds them.
#[test]
fn a_multipart_body() {
    let slices = [
        Slice {
            start: 0,
            length: 2,
        },
        Slice {
            start: 8,
            length: 1,
        },
    ];
    let body = Multipart::new(&slices, 10, b"text/plain", 0xab);
    assert_eq!(
        body.content_type,
        b"multipart/byteranges; boundary=00000000000000ab"
    );
    let content = b"0123456789";
    let mut whole = Vec::new();
    for section in &body.sections {
        whole.extend_from_slice(&section.preamble);
        let (start, length) = (section.slice.start as usize, section.slice.length as usize);
        whole.extend_from_slice(&content[start..start + length]);
    }
    whole.extend_from_slice(&body.end);
    assert_eq!(whole.len() as u64, body.length);
    let expected = "--00000000000000ab\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-1/10\r\n\r\n01\r\n\
                    --00000000000000ab\r\ncontent-type: text/plain\r\ncontent-range: bytes 8-8/10\r\n\r\n8\r\n\
                    --00000000000000ab--\r\n";
    assert_eq!(String::from_utf8(whole).unwrap(), expected);
}

proptest! {
    /// For any request: slices are within the file, never empty, apart from each other, and never more than the file.
    #[test]
    fn slices_are_within_the_file(
        size in prop_oneof![0..50u64, Just(u64::MAX)],
        specs in prop::collection::vec(("[0-9]{0,3}", "[0-9]{0,20}"), 0..20),
    ) {
        let specs: Vec<_> = specs.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        let value = format!("bytes={}", specs.join(","));
        let slices = match Ranges::of(value.as_bytes(), size) {
            Ranges::Ignored | Ranges::Unsatisfiable => vec![],
            Ranges::One(slice) => vec![slice],
            Ranges::Several(slices) => {
                prop_assert!(slices.len() >= 2);
                slices
            }
        };
        let mut sorted = slices.clone();
        sorted.sort_by_key(|slice| slice.start);
        for slice in &sorted {
            prop_assert!(slice.length > 0 && slice.last() < size);
        }
        for pair in sorted.windows(2) {
            prop_assert!(pair[0].last() + 1 < pair[1].start);
        }
    }
}
