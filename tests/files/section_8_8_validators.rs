//! RFC 9110 §8.8: validators.

use rgun::files::{Coding, ETag, FileStamp};

const STAMP: FileStamp = FileStamp {
    inode: 7,
    size: 1024,
    modified: (1_700_000_000, 123),
};

/// §8.8.1, §8.8.3: a strong tag changes with every change of the content that is observable.
#[test]
fn the_tag_changes_with_the_file() {
    let tag = ETag::of(&STAMP, Coding::Identity);
    for other in [
        FileStamp { inode: 8, ..STAMP },
        FileStamp {
            size: 1025,
            ..STAMP
        },
        FileStamp {
            modified: (1_700_000_001, 123),
            ..STAMP
        },
        FileStamp {
            modified: (1_700_000_000, 124),
            ..STAMP
        },
    ] {
        assert_ne!(ETag::of(&other, Coding::Identity), tag, "{other:?}");
    }
    assert_eq!(ETag::of(&STAMP, Coding::Identity), tag);
}

/// §8.8.3: an opaque string in quotes, without `W/`; §8.8.3.3: each coding has its own.
#[test]
fn the_tag_is_strong_and_one_of_its_coding() {
    let mut seen = Vec::new();
    for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd] {
        let tag = ETag::of(&STAMP, coding);
        let bytes = tag.as_bytes();
        assert!(bytes.starts_with(b"\"") && bytes.ends_with(b"\"") && bytes.len() >= 18);
        assert!(tag.opaque().iter().all(u8::is_ascii_graphic) && !tag.opaque().contains(&b'"'));
        assert!(!seen.contains(&tag), "{coding:?}");
        seen.push(tag);
    }
}

/// §8.8.2: `Last-Modified` has whole seconds, and no date before 1970.
#[test]
fn a_date_has_seconds() {
    assert_eq!(STAMP.seconds(), 1_700_000_000);
    let ancient = FileStamp {
        modified: (-5, 0),
        ..STAMP
    };
    assert_eq!(ancient.seconds(), 0);
}
