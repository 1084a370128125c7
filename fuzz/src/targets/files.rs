//! Any path, ranges, conditions and codings for a file: no name leads out of the directory, no slice out of the file, and what is
//! said of several ranges can be read again.

use crate::files::{
    Coding, Codings, Conditions, ETag, FilePath, FileStamp, Multipart, Prefix, Representation,
    Selected, Slice, accepted, has_hash, media_type, names_of_manifest, select,
};
use crate::http::Method;

pub const SEEDS: &[&[u8]] = &[
    b"/static/css/../%2e%2e/a.css\nbytes=0-9,20-29, -5\n\"x\", W/\"y\"\n\"x\"\ngzip;q=0.5, br, *;q=0",
    b"/static/%C3%A9/a.0123456789ab.css\nbytes=5-\n*\nSun, 06 Nov 1994 08:49:37 GMT\nidentity;q=0",
    b"/static//.well-known/x%2fy%00\nBYTES=-0,9-1\nW/\"\nx\nzstd;q=1.000;a,,",
    b"/%73tatic\nbytes=0-0,1-1,18446744073709551615-\n\"a,b\" , \"\"\n\"\"\n*",
    b"{\"paths\": {\"a.css\": \"a.0123456789ab.css\"}}\nbytes=3-4",
];

const STAMP: FileStamp = FileStamp {
    inode: 1,
    size: 100,
    modified: (784_111_777, 0),
};

pub fn run(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (path, range, tags, date, codings) = (line(), line(), line(), line(), line());
    names(path);
    chosen(codings);
    let tag = ETag::of(&STAMP, Coding::Identity);
    for size in [0, 100, u64::MAX] {
        let stamp = FileStamp { size, ..STAMP };
        for conditions in conditions(tags, date) {
            let file = Representation {
                stamp: &stamp,
                tag: &tag,
            };
            match select(file, Method::Get, &conditions, Some(range), 784_200_000) {
                Selected::Part(slice) => within(slice, size),
                Selected::Parts(slices) => parts(&slices, size),
                Selected::Whole
                | Selected::NotModified
                | Selected::PreconditionFailed
                | Selected::Unsatisfiable => {}
            }
        }
    }
}

fn names(path: &[u8]) {
    let prefix = Prefix::of("/static").expect("a prefix");
    let rest = prefix.rest(path).unwrap_or(path);
    if let Ok(file) = FilePath::of(rest) {
        let name = file.as_str();
        assert!(!name.starts_with('/') && !name.contains("//") && !name.contains('\0'));
        let hidden = |part: &&str| part.starts_with('.') && *part != ".well-known";
        assert!(!name.split('/').any(|part| hidden(&part)), "{name}");
        has_hash(&name);
        assert!(!media_type(name.as_bytes()).is_empty());
    }
    names_of_manifest(path);
}

fn chosen(header: &[u8]) {
    for bits in 0..8 {
        let there = Codings {
            zstd: bits & 1 != 0,
            brotli: bits & 2 != 0,
            gzip: bits & 4 != 0,
        };
        if let Some(coding) = accepted(Some(header), there) {
            assert!(there.has(coding));
        }
    }
}

/// Each alone, and all together.
fn conditions<'a>(tags: &'a [u8], date: &'a [u8]) -> [Conditions<'a>; 6] {
    let none = Conditions::default();
    let (tags, date) = (Some(tags), Some(date));
    [
        none,
        Conditions {
            if_match: tags,
            ..none
        },
        Conditions {
            if_none_match: tags,
            if_modified_since: date,
            ..none
        },
        Conditions {
            if_unmodified_since: date,
            ..none
        },
        Conditions {
            if_range: tags,
            ..none
        },
        Conditions {
            if_range: date,
            ..none
        },
    ]
}

fn within(slice: Slice, size: u64) {
    assert!(slice.length > 0 && slice.last() < size);
}

fn parts(slices: &[Slice], size: u64) {
    assert!((2..=16).contains(&slices.len()));
    slices.iter().for_each(|&slice| within(slice, size));
    if size > 1000 {
        // Lengths would not fit a number.
        return;
    }
    let body = Multipart::new(slices, size, b"text/plain", 7);
    let written: u64 = body
        .sections
        .iter()
        .map(|section| section.preamble.len() as u64 + section.slice.length)
        .sum();
    assert_eq!(written + body.end.len() as u64, body.length);
}
