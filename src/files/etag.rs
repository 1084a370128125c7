//! Entity tags (RFC 9110 §8.8.3) and the facts of a file that they are made of.

use sha1_smol::Sha1;

use super::coding::Coding;

/// Distinguishes one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileStamp {
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// Seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
}

impl FileStamp {
    /// For `Last-Modified` and the comparisons with it: whole seconds, never before 1970.
    pub fn seconds(&self) -> u64 {
        u64::try_from(self.modified.0).unwrap_or(0)
    }
}

/// A whole entity tag, with its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag {
    text: Box<[u8]>,
    is_weak: bool,
}

impl ETag {
    /// Of a file, and of each coding of it. Hashed, so that inode numbers do not leave the machine.
    pub fn of(stamp: &FileStamp, coding: Coding) -> ETag {
        let mut hash = Sha1::new();
        for part in [
            stamp.inode,
            stamp.size,
            stamp.modified.0.cast_unsigned(),
            u64::from(stamp.modified.1),
        ] {
            hash.update(&part.to_be_bytes());
        }
        let hex = hash.digest().to_string();
        let hex = hex.get(..20).unwrap_or(&hex);
        let text = match coding {
            Coding::Identity => format!("\"{hex}\""),
            coding => format!("\"{hex}-{}\"", coding.token()),
        };
        ETag {
            text: text.into_bytes().into(),
            is_weak: false,
        }
    }

    /// The value of an app's ETag field. `None`: it is no entity tag.
    pub fn given(value: &[u8]) -> Option<ETag> {
        match entity_tag(value)? {
            (is_weak, _, b"") => Some(ETag {
                text: value.into(),
                is_weak,
            }),
            _ => None,
        }
    }

    pub fn is_weak(&self) -> bool {
        self.is_weak
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// What is between the quotes.
    pub fn opaque(&self) -> &[u8] {
        let begin = if self.is_weak { 3 } else { 1 };
        let end = self.text.len() - 1;
        self.text.get(begin..end).unwrap_or_default()
    }
}

/// How tags are compared (RFC 9110 §8.8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Both are strong and the same.
    Strong,
    Weak,
}

/// Whether a list of tags has `tag`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Yes,
    No,
    /// Neither `*` nor a list of entity tags.
    Malformed,
}

/// `*`, or a list of tags (RFC 9110 §13.1.1 and §13.1.2).
pub(super) fn lists(value: &[u8], tag: &ETag, comparison: Comparison) -> Listed {
    let mut rest = value.trim_ascii();
    if rest == b"*" {
        return Listed::Yes;
    }
    let mut any = false;
    loop {
        // Empty members are ignored (RFC 9110 §5.6.1.2).
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        if rest.is_empty() {
            return if any { Listed::No } else { Listed::Malformed };
        }
        let Some((weak, opaque, after)) = entity_tag(rest) else {
            return Listed::Malformed;
        };
        let may = comparison == Comparison::Weak || !(weak || tag.is_weak);
        if may && opaque == tag.opaque() {
            return Listed::Yes;
        }
        any = true;
        rest = after.trim_ascii_start();
        if !matches!(rest, [] | [b',', ..]) {
            return Listed::Malformed;
        }
    }
}

/// Whether it is weak, what is between the quotes, and what follows.
pub(super) fn entity_tag(value: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let (weak, rest) = match value {
        [b'W', b'/', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let rest = rest.strip_prefix(b"\"")?;
    let end = memchr::memchr(b'"', rest)?;
    let (opaque, after) = rest.split_at(end);
    // etagc: visible characters without the quote, and obs-text.
    let sound = opaque.iter().all(|&byte| byte > b' ' && byte != 0x7f);
    sound.then_some((weak, opaque, &after[1..]))
}
