//! RFC 9110 §12.5.3: Accept-Encoding, with the weights of §12.4.2.

use rgun::files::Coding::{self, Brotli, Gzip, Identity, Zstd};
use rgun::files::{Codings, accepted};

const ALL: Codings = Codings {
    zstd: true,
    brotli: true,
    gzip: true,
};
const NONE: Codings = Codings {
    zstd: false,
    brotli: false,
    gzip: false,
};
const ONLY_GZIP: Codings = Codings { gzip: true, ..NONE };

fn check(there: Codings, cases: &[(&str, Option<Coding>)]) {
    for (header, coding) in cases {
        assert_eq!(
            accepted(Some(header.as_bytes()), there),
            *coding,
            "{header}"
        );
    }
}

/// Rule 1: without the field any coding is acceptable; the file itself is the safe choice.
#[test]
fn without_the_field_the_file_itself() {
    assert_eq!(accepted(None, ALL), Some(Identity));
}

/// Rules 2 and 3, and the order among equals.
#[test]
fn the_highest_weight_wins() {
    check(
        ALL,
        &[
            ("gzip", Some(Gzip)),
            ("br", Some(Brotli)),
            ("zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Brotli)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("br;q=0.8, gzip;q=0.9", Some(Gzip)),
            ("GZIP;Q=0.5", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip ; q=0.3 , br ; q=0.2", Some(Gzip)),
            ("*", Some(Zstd)),
            ("*;q=0.1, gzip", Some(Gzip)),
            ("zstd;q=0, *", Some(Brotli)),
            ("gzip;q=0", Some(Identity)),
            ("gzip;q=0.001", Some(Gzip)),
            ("deflate", Some(Identity)),
            ("", Some(Identity)),
            (" ", Some(Identity)),
            (",,gzip,,", Some(Gzip)),
        ],
    );
}

#[test]
fn identity_is_a_choice_like_any_other() {
    check(
        ALL,
        &[
            ("identity", Some(Identity)),
            ("identity, gzip;q=0.5", Some(Identity)),
            ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
            ("identity;q=0.5, gzip", Some(Gzip)),
            ("identity;q=0, gzip", Some(Gzip)),
            ("*;q=0, gzip", Some(Gzip)),
            ("*;q=0, identity;q=0.1", Some(Identity)),
        ],
    );
}

/// "unless the identity coding is indicated as unacceptable": then there is nothing to answer with.
#[test]
fn nothing_is_acceptable() {
    check(
        NONE,
        &[
            ("identity;q=0", None),
            ("*;q=0", None),
            ("gzip, identity;q=0", None),
        ],
    );
    check(ALL, &[("identity;q=0", None), ("*;q=0", None)]);
    check(
        ONLY_GZIP,
        &[
            ("br, identity;q=0", None),
            ("gzip, identity;q=0", Some(Gzip)),
        ],
    );
}

#[test]
fn what_is_not_there_is_not_chosen() {
    check(NONE, &[("gzip, br", Some(Identity)), ("*", Some(Identity))]);
    check(
        ONLY_GZIP,
        &[
            ("br, zstd", Some(Identity)),
            ("br;q=1, gzip;q=0.1", Some(Gzip)),
        ],
    );
}

/// A member with a malformed weight is ignored.
#[test]
fn malformed_weights_are_read_over() {
    check(
        ALL,
        &[
            ("gzip;q=2", Some(Identity)),
            ("gzip;q=1.001", Some(Identity)),
            ("gzip;q=0.0001", Some(Identity)),
            ("gzip;q=", Some(Identity)),
            ("gzip;q=x, br", Some(Brotli)),
            ("gzip;level=9", Some(Identity)),
            ("gzip;q=1.000", Some(Gzip)),
            ("gzip;q=0.", Some(Identity)),
        ],
    );
}
