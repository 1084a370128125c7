//! Which media types are worth compressing: a list of patterns.

/// Patterns of media types, such as `text/*` or `application/*+json`; a star stands for any characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaTypes(Vec<MediaTypePattern>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct MediaTypePattern {
    before: Box<[u8]>,
    /// What follows the star; `None`: there is none.
    after: Option<Box<[u8]>>,
}

impl MediaTypes {
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p str>) -> MediaTypes {
        let pattern = |text: &str| {
            let text = text.to_ascii_lowercase();
            match text.split_once('*') {
                Some((before, after)) => MediaTypePattern {
                    before: before.as_bytes().into(),
                    after: Some(after.as_bytes().into()),
                },
                None => MediaTypePattern {
                    before: text.as_bytes().into(),
                    after: None,
                },
            }
        };
        MediaTypes(patterns.into_iter().map(pattern).collect())
    }

    /// Whether a `Content-Type` is of one of them.
    pub fn has(&self, content_type: &[u8]) -> bool {
        let essence = content_type.split(|&byte| byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        self.0.iter().any(|pattern| pattern.matches(essence))
    }
}

impl MediaTypePattern {
    fn matches(&self, essence: &[u8]) -> bool {
        let Some(after) = &self.after else {
            return essence.eq_ignore_ascii_case(&self.before);
        };
        let Some(between) = essence.len().checked_sub(self.before.len() + after.len()) else {
            return false;
        };
        let (before, rest) = essence.split_at(self.before.len());
        before.eq_ignore_ascii_case(&self.before) && rest[between..].eq_ignore_ascii_case(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_patterns() {
        let types = MediaTypes::new(["text/*", "application/JSON", "application/*+json", "*+x"]);
        for (content_type, found) in [
            ("text/html", true),
            ("Text/HTML; charset=utf-8", true),
            ("text/event-stream", true),
            ("application/json", true),
            (" application/json ;a=b", true),
            ("application/problem+json", true),
            ("application/json+json", true),
            ("application/jsonl", false),
            ("application+json", false),
            ("image/a+x", true),
            ("image/png", false),
            ("text", false),
            ("", false),
            (";text/html", false),
        ] {
            assert_eq!(types.has(content_type.as_bytes()), found, "{content_type}");
        }
        assert!(MediaTypes::new(["*"]).has(b"a/b") && !MediaTypes::new([]).has(b"a/b"));
    }
}
