//! RFC 9110 §13: conditional requests.

use rgun::files::{
    Coding, Conditions, ETag, FileStamp, PreconditionResult, Representation, Selected, Slice,
    select,
};
use rgun::http::Method;

/// Sun, 06 Nov 1994 08:49:37 GMT
const STAMP: FileStamp = FileStamp {
    inode: 1,
    size: 100,
    modified: (784_111_777, 500_000_000),
};
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const NOW: u64 = 784_200_000;

fn tag() -> ETag {
    ETag::of(&STAMP, Coding::Identity)
}

/// `~` stands for the current tag.
fn outcome(fields: &[(&str, &str)]) -> PreconditionResult {
    with(fields, |conditions| conditions.evaluate(&tag(), &STAMP))
}

fn with<T>(fields: &[(&str, &str)], then: impl FnOnce(&Conditions<'_>) -> T) -> T {
    let own = tag();
    let own = std::str::from_utf8(own.as_bytes()).unwrap();
    let values: Vec<_> = fields
        .iter()
        .map(|(_, value)| value.replace('~', own))
        .collect();
    let mut conditions = Conditions::default();
    for ((name, _), value) in fields.iter().zip(&values) {
        let place = match *name {
            "if-match" => &mut conditions.if_match,
            "if-none-match" => &mut conditions.if_none_match,
            "if-modified-since" => &mut conditions.if_modified_since,
            "if-unmodified-since" => &mut conditions.if_unmodified_since,
            "if-range" => &mut conditions.if_range,
            other => panic!("{other}"),
        };
        *place = Some(value.as_bytes());
    }
    then(&conditions)
}

fn check(name: &str, cases: &[(&str, PreconditionResult)]) {
    for (value, expected) in cases {
        assert_eq!(outcome(&[(name, value)]), *expected, "{name}: {value}");
    }
}

#[test]
fn without_conditions_it_is_answered() {
    assert_eq!(outcome(&[]), PreconditionResult::Proceed);
}

/// §13.1.1: strong comparison; what is no list of tags matches nothing.
#[test]
fn if_match() {
    check(
        "if-match",
        &[
            ("*", PreconditionResult::Proceed),
            ("~", PreconditionResult::Proceed),
            ("\"x\", ~", PreconditionResult::Proceed),
            ("\"x\" , , ~ ,", PreconditionResult::Proceed),
            ("W/~", PreconditionResult::Failed),
            ("\"x\"", PreconditionResult::Failed),
            ("\"\"", PreconditionResult::Failed),
            ("x", PreconditionResult::Failed),
            ("", PreconditionResult::Failed),
        ],
    );
}

/// §13.1.2: weak comparison; what is no list of tags matches nothing.
#[test]
fn if_none_match() {
    check(
        "if-none-match",
        &[
            ("*", PreconditionResult::NotModified),
            ("~", PreconditionResult::NotModified),
            ("W/~", PreconditionResult::NotModified),
            ("\"x\",~", PreconditionResult::NotModified),
            ("\"a,b\", W/\"c\",\t~", PreconditionResult::NotModified),
            ("\"x\"", PreconditionResult::Proceed),
            ("w/~", PreconditionResult::Proceed),
            ("*, ~", PreconditionResult::Proceed),
            ("\"x\" ~", PreconditionResult::Proceed),
            ("\"x", PreconditionResult::Proceed),
            ("", PreconditionResult::Proceed),
        ],
    );
}

/// §13.1.3: later or the same; all three forms of a date (§5.6.7); anything else is ignored.
#[test]
fn if_modified_since() {
    check(
        "if-modified-since",
        &[
            (THEN, PreconditionResult::NotModified),
            (AFTER, PreconditionResult::NotModified),
            (BEFORE, PreconditionResult::Proceed),
            (
                "Sunday, 06-Nov-94 08:49:37 GMT",
                PreconditionResult::NotModified,
            ),
            ("Sun Nov  6 08:49:37 1994", PreconditionResult::NotModified),
            ("Sun, 06 Nov 1994 08:49:37", PreconditionResult::Proceed),
            ("yesterday", PreconditionResult::Proceed),
            ("0", PreconditionResult::Proceed),
            ("", PreconditionResult::Proceed),
        ],
    );
}

/// §13.1.4
#[test]
fn if_unmodified_since() {
    check(
        "if-unmodified-since",
        &[
            (THEN, PreconditionResult::Proceed),
            (AFTER, PreconditionResult::Proceed),
            (BEFORE, PreconditionResult::Failed),
            ("yesterday", PreconditionResult::Proceed),
        ],
    );
}

/// §13.2.2: the order in which they count.
#[test]
fn precedence() {
    use PreconditionResult::{Failed, NotModified, Proceed};
    for (fields, expected) in [
        // If-Match takes the place of If-Unmodified-Since.
        (
            &[("if-match", "~"), ("if-unmodified-since", BEFORE)][..],
            Proceed,
        ),
        (
            &[("if-match", "\"x\""), ("if-unmodified-since", AFTER)],
            Failed,
        ),
        // If-None-Match takes the place of If-Modified-Since.
        (
            &[("if-none-match", "\"x\""), ("if-modified-since", AFTER)],
            Proceed,
        ),
        (
            &[("if-none-match", "~"), ("if-modified-since", BEFORE)],
            NotModified,
        ),
        // A failed If-Match comes before a 304.
        (&[("if-match", "\"x\""), ("if-none-match", "~")], Failed),
        (
            &[("if-unmodified-since", BEFORE), ("if-none-match", "~")],
            Failed,
        ),
        (&[("if-match", "~"), ("if-none-match", "~")], NotModified),
        (
            &[("if-unmodified-since", THEN), ("if-modified-since", THEN)],
            NotModified,
        ),
    ] {
        assert_eq!(outcome(fields), expected, "{fields:?}");
    }
}

/// §13.1.5: a range is answered when the client's part is of the same representation, else the whole.
#[test]
fn if_range() {
    let part = Selected::Part(Slice {
        start: 1,
        length: 2,
    });
    for (value, expected) in [
        ("~", &part),
        ("W/~", &Selected::Whole),
        ("\"x\"", &Selected::Whole),
        ("*", &Selected::Whole),
        (THEN, &part),
        (BEFORE, &Selected::Whole),
        (AFTER, &Selected::Whole),
        ("Sunday, 06-Nov-94 08:49:37 GMT", &part),
        ("", &Selected::Whole),
    ] {
        let selected = with(&[("if-range", value)], |conditions| {
            let tag = tag();
            let file = Representation {
                stamp: &STAMP,
                tag: &tag,
            };
            select(file, Method::Get, conditions, Some(b"bytes=1-2"), NOW)
        });
        assert_eq!(selected, *expected, "{value}");
    }
}

/// §8.8.2.2: a date of this second is no strong validator: the file may change again within it.
#[test]
fn if_range_with_the_date_of_this_second() {
    let selected = with(&[("if-range", THEN)], |conditions| {
        let tag = tag();
        let file = Representation {
            stamp: &STAMP,
            tag: &tag,
        };
        select(
            file,
            Method::Get,
            conditions,
            Some(b"bytes=1-2"),
            STAMP.seconds(),
        )
    });
    assert_eq!(selected, Selected::Whole);
}

/// §13.2.1: conditions count before the range.
#[test]
fn conditions_come_before_the_range() {
    let tag = tag();
    let file = Representation {
        stamp: &STAMP,
        tag: &tag,
    };
    for (fields, expected) in [
        (&[("if-none-match", "*")], Selected::NotModified),
        (&[("if-match", "\"x\"")], Selected::PreconditionFailed),
    ] {
        let selected = with(fields, |conditions| {
            select(file, Method::Get, conditions, Some(b"bytes=200-"), NOW)
        });
        assert_eq!(selected, expected);
    }
}

/// §13.1.1, §13.1.2 and §13.1.5: only `If-None-Match` compares weakly.
#[test]
fn a_weak_tag_of_the_app() {
    let tag = ETag::given(b"W/\"own\"").expect("a weak tag");
    let with = |conditions: Conditions<'_>| conditions.evaluate(&tag, &STAMP);
    for (list, outcome) in [
        (&b"\"own\""[..], PreconditionResult::NotModified),
        (b"W/\"own\"", PreconditionResult::NotModified),
        (b"\"other\"", PreconditionResult::Proceed),
    ] {
        let if_none_match = Some(list);
        assert_eq!(
            with(Conditions {
                if_none_match,
                ..Conditions::default()
            }),
            outcome
        );
    }
    for (list, outcome) in [
        (&b"W/\"own\""[..], PreconditionResult::Failed),
        (b"\"own\"", PreconditionResult::Failed),
        (b"*", PreconditionResult::Proceed),
    ] {
        let if_match = Some(list);
        assert_eq!(
            with(Conditions {
                if_match,
                ..Conditions::default()
            }),
            outcome
        );
    }
    let if_range = Some(&b"W/\"own\""[..]);
    let conditions = Conditions {
        if_range,
        ..Conditions::default()
    };
    assert!(!conditions.allows_range(&tag, &STAMP, NOW));
    for none in [&b"own"[..], b"\"own", b"\"a\", \"b\"", b"", b"W/own"] {
        assert_eq!(ETag::given(none), None);
    }
}
