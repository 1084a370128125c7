//! How long a client may keep a file: names with a hash of the content never change theirs (RFC 8246).

use std::collections::HashSet;

use serde_json::Value;

/// `Cache-Control` of a file whose name changes with its content.
pub const IMMUTABLE: &str = "max-age=31536000, immutable";

/// Names relative to the mounted directory, from a build's manifest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestNames(HashSet<Box<str>>);

impl ManifestNames {
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of Django's `staticfiles.json` (`{"paths": {"a.css": "a.0123456789ab.css"}}`) or vite's `.vite/manifest.json`
/// (`{"src/a.js": {"file": "assets/a-DiwrgTda.js", "css": [..], "assets": [..]}}`). `None`: it is neither.
pub fn names_of_manifest(text: &[u8]) -> Option<ManifestNames> {
    let Value::Object(whole) = serde_json::from_slice(text).ok()? else {
        return None;
    };
    let mut names = HashSet::new();
    if let Some(Value::Object(paths)) = whole.get("paths") {
        for (plain, hashed) in paths {
            // A storage that keeps a name as it was has no hash in it.
            if let Value::String(hashed) = hashed
                && hashed != plain
            {
                names.insert(hashed.as_str().into());
            }
        }
        return Some(ManifestNames(names));
    }
    // Files whose name is that of a source, or of a chunk, have no hash in it.
    let mut plain = HashSet::new();
    for (key, chunk) in &whole {
        let chunk = chunk.as_object()?;
        plain.insert(stem(key));
        let named = chunk.get("name").and_then(Value::as_str);
        plain.extend(named.map(stem));
        names.insert(chunk.get("file")?.as_str()?.into());
        for list in ["css", "assets"] {
            let list = chunk.get(list).and_then(Value::as_array);
            let listed = list.into_iter().flatten().filter_map(Value::as_str);
            names.extend(listed.map(Box::from));
        }
    }
    names.retain(|name| {
        let stem = stem(name);
        has_hash(name) || (!plain.contains(stem) && short_ending(stem).is_some_and(is_mixed))
    });
    (!names.is_empty()).then_some(ManifestNames(names))
}

/// Whether the name is of a kind that build tools give to files with a hash of their content:
/// `app.0123456789ab.css` (Django, webpack, Parcel) and `assets/app-B9xQ2kLm.js` (vite, Rollup).
///
/// In doubt the answer is no: a file that is wrongly cached for a year cannot be recalled.
pub fn has_hash(path: &str) -> bool {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    if !first.is_empty() && name.split('.').skip(1).any(is_hexadecimal_hash) && parts.count() > 1 {
        return true;
    }
    let in_assets = directory.split('/').any(|part| part == "assets");
    in_assets && short_ending(first).is_some_and(is_no_text)
}

/// 8 to 64 lower-case hexadecimal digits, letters as well as digits: neither a date nor a word.
fn is_hexadecimal_hash(part: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    (8..=64).contains(&part.len())
        && part.bytes().all(hex)
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// What follows `name-`: eight characters of base64url.
fn short_ending(stem: &str) -> Option<&[u8]> {
    let start = stem.len().checked_sub(8).filter(|start| *start > 1)?;
    let (before, ending) = (stem.get(..start)?, stem.get(start..)?.as_bytes());
    let is_coded = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    (before.ends_with('-') && ending.iter().all(is_coded)).then_some(ending)
}

/// Eight characters that no name made of words and numbers has: five or more of these, of which one is a number with a
/// small letter behind it. About half of all hashes are such.
fn is_no_text(ending: &[u8]) -> bool {
    let mut pieces = 0;
    let mut has_letter_after_digit = false;
    let mut before = b'-';
    for &byte in ending {
        pieces += usize::from(match byte {
            b'a'..=b'z' => !before.is_ascii_alphabetic(),
            b'A'..=b'Z' => !before.is_ascii_uppercase(),
            b'0'..=b'9' => !before.is_ascii_digit(),
            _ => false,
        });
        has_letter_after_digit |= before.is_ascii_digit() && byte.is_ascii_lowercase();
        before = byte;
    }
    pieces >= 5 && has_letter_after_digit
}

/// For names in a manifest of vite, whose files have a hash unless its configuration says otherwise: several changes
/// between small letters, capitals and digits.
fn is_mixed(ending: &[u8]) -> bool {
    let kind = |byte: &u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let kinds: Vec<u8> = ending.iter().map(kind).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    kinds.iter().skip(1).any(|kind| *kind == 1) && changes >= 3
}

/// The name of a file up to its first dot.
fn stem(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash() {
        for name in [
            "css/base.27e20196a850.css",
            "app.3f2a1b4c.js",
            "2.d41d8cd98f00b204e980.chunk.js",
            "index.1a2b3c4d.html",
            "assets/index-B9xQ2kLm.js",
            "static/assets/logo-C0aaFg3z.svg",
            "assets/x-D_3kaZ-8.woff2",
            "js/app.0a1b2c3d.js.map",
        ] {
            assert!(has_hash(name), "{name}");
        }
        for name in [
            "app.css",
            "app.min.js",
            "jquery-3.7.1.min.js",
            "report.20240131.csv",
            "a.deadbeef.txt",
            "a.facade.css",
            "backup.12345678",
            "0a1b2c3d.js",
            ".0a1b2c3d.js",
            "assets/my-calendar.js",
            "assets/icon-arrow128.svg",
            "assets/icon-add2cart.svg",
            "assets/photo-20240131.jpg",
            "assets/jquery-Calendar.js",
            "assets/my-FileName.js",
            "assets/ui-DataGrid.js",
            "assets/x-MenuItem.svg",
            "assets/a-UserCard.css",
            "assets/main-LoginBox.js",
            "assets/foo-BarBaz12.css",
            "assets/x-Base64Js.js",
            "assets/x-A11yMenu.js",
            "assets/x-I18nText.js",
            "assets/to-Mp3ToMp4.js",
            "assets/x-My-To-Do.js",
            "assets/lib-1-2-3-4A.js",
            "assets/x-HTMLView.js",
            // A hash as well, but it could be two words.
            "assets/index-DiwrgTda.css",
            "icon-addToBag.svg",
            "index-DiwrgTda.css",
            "assets/-DiwrgTda.css",
            "",
            "assets/é-äöüß.js",
        ] {
            assert!(!has_hash(name), "{name}");
        }
    }

    #[test]
    fn manifests() {
        let django = br#"{"paths": {"a.css": "a.0123456789ab.css", "b.txt": "b.txt"}, "version": "1.1", "hash": "x"}"#;
        let names = names_of_manifest(django).expect("a manifest");
        assert!(
            names.contains("a.0123456789ab.css") && !names.contains("b.txt") && names.len() == 1
        );
        let vite = br#"{"src/main.js": {"file": "assets/main-B9xQ2kLm.js", "css": ["assets/main-DiwrgTda.css"]},
                        "logo.svg": {"file": "assets/logo-C0aaFg3z.svg"}}"#;
        let names = names_of_manifest(vite).expect("a manifest");
        assert!(names.contains("assets/main-DiwrgTda.css") && names.len() == 3);
        let plain = br#"{"src/ui-DataGrid.js": {"file": "assets/ui-DataGrid.js"},
                         "a.js": {"name": "my-FileName", "file": "assets/my-FileName.js"},
                         "b.js": {"file": "assets/b-DiwrgTda.js"}}"#;
        let names = names_of_manifest(plain).expect("a manifest");
        assert!(names.contains("assets/b-DiwrgTda.js") && names.len() == 1);
        for other in [
            &b"[]"[..],
            b"{",
            b"",
            br#"{"a": 1}"#,
            br#"{"name": "app", "icons": []}"#,
        ] {
            assert_eq!(names_of_manifest(other), None, "{}", other.escape_ascii());
        }
        assert!(
            names_of_manifest(br#"{"paths": {}}"#)
                .expect("empty, but one")
                .is_empty()
        );
    }
}
