//! Which mounted directory a request's path belongs to: the longest prefix wins.

/// Where files are mounted: begins with a slash and does not end with one, or is empty for the root. Decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// `None`: not the path of a URL.
    pub fn of(text: &str) -> Option<Prefix> {
        let trimmed = text.trim_end_matches('/');
        let is_path = text.starts_with('/')
            && !trimmed.contains("//")
            && !text
                .bytes()
                .any(|byte| byte.is_ascii_control() || matches!(byte, b'?' | b'#' | b'%' | b'\\'))
            && !trimmed.split('/').any(|name| matches!(name, "." | ".."));
        is_path.then(|| Prefix(trimmed.into()))
    }

    /// As it is shown: `/static`, or `/`.
    pub fn as_str(&self) -> &str {
        if self.0.is_empty() { "/" } else { &self.0 }
    }

    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// What follows the prefix in a path as received; `None`: the path is not below it. Percent-encoded letters of the
    /// prefix are the letters; a percent-encoded slash is not a slash.
    pub fn rest<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let mut rest = path;
        for &wanted in self.0.as_bytes() {
            let (byte, after) = next(rest)?;
            if byte != wanted {
                return None;
            }
            rest = after;
        }
        matches!(rest, [] | [b'/', ..]).then_some(rest)
    }
}

/// The next octet that the path stands for; `None` for an encoded slash, too.
fn next(path: &[u8]) -> Option<(u8, &[u8])> {
    match path {
        [b'%', high, low, rest @ ..] => {
            let digit = |byte: u8| (byte as char).to_digit(16);
            let byte = (digit(*high)? << 4 | digit(*low)?) as u8;
            (byte != b'/').then_some((byte, rest))
        }
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

/// All mounts, each with its owner's data.
#[derive(Debug, Default)]
pub struct Mounts<T> {
    /// Longest prefix first.
    mounts: Vec<(Prefix, T)>,
}

impl<T> Mounts<T> {
    pub fn new(mut mounts: Vec<(Prefix, T)>) -> Self {
        mounts.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.0.len()));
        Mounts { mounts }
    }

    /// The mount that a path belongs to, and what follows its prefix.
    pub fn find<'p>(&self, path: &'p [u8]) -> Option<(&T, &'p [u8])> {
        self.mounts
            .iter()
            .find_map(|(prefix, mount)| Some((mount, prefix.rest(path)?)))
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Prefix, &T)> {
        self.mounts.iter().map(|(prefix, mount)| (prefix, mount))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(prefixes: &[&'static str]) -> Mounts<&'static str> {
        let of = |text: &&'static str| (Prefix::of(text).expect("a prefix"), *text);
        Mounts::new(prefixes.iter().map(of).collect())
    }

    #[test]
    fn the_longest_prefix_wins_at_the_border_of_a_segment() {
        let mounts = mounts(&["/static", "/static/admin/", "/media"]);
        for (path, found) in [
            ("/static/a", Some(("/static", "/a"))),
            ("/static", Some(("/static", ""))),
            ("/static/", Some(("/static", "/"))),
            ("/static/admin/a", Some(("/static/admin/", "/a"))),
            ("/static/administrator", Some(("/static", "/administrator"))),
            ("/%73tatic/a", Some(("/static", "/a"))),
            ("/static%2fa", None),
            ("/statics/a", None),
            ("/", None),
            ("*", None),
            ("/media/%2e", Some(("/media", "/%2e"))),
        ] {
            let got = mounts.find(path.as_bytes());
            let got = got.map(|(mount, rest)| (*mount, std::str::from_utf8(rest).unwrap()));
            assert_eq!(got, found, "{path}");
        }
        let root = super::Mounts::new(vec![(Prefix::of("/").unwrap(), ())]);
        assert_eq!(root.find(b"/a").map(|((), rest)| rest), Some(&b"/a"[..]));
        assert_eq!(Prefix::of("/").unwrap().as_str(), "/");
    }

    #[test]
    fn what_a_prefix_can_be() {
        for text in ["/", "/static", "/static/", "/a/b", "/é"] {
            assert!(Prefix::of(text).is_some(), "{text}");
        }
        for text in [
            "", "static", "/a?b", "/a#b", "/a%20b", "//a", "/a//b", "/a/../b", "/.", "/a\\b",
            "/a\n",
        ] {
            assert!(Prefix::of(text).is_none(), "{text}");
        }
    }
}
