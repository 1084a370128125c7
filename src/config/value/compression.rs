//! Lists of `--compress` and `--compress-types`.

use super::{InvalidValue, ParsedValue};
use crate::config::ResponseCoding;

/// `gzip`, `zstd`, both, or none; `off` is none.
pub(in crate::config) fn codings(text: &str) -> ParsedValue<Vec<ResponseCoding>> {
    let mut found = Vec::new();
    for name in entries(text) {
        let coding = match name.to_ascii_lowercase().as_str() {
            "gzip" => ResponseCoding::Gzip,
            "zstd" => ResponseCoding::Zstd,
            "off" | "none" if entries(text).count() == 1 => return Ok(Vec::new()),
            other => {
                let malformed =
                    InvalidValue::new(format!("contains `{name}`, which is neither gzip nor zstd"));
                return Err(match other {
                    "br" | "brotli" => malformed.hint(
                        "brotli is served from files that are compressed before (`.br` beside a static file)",
                    ),
                    _ => malformed.hint("for example `--compress gzip,zstd`"),
                });
            }
        };
        if !found.contains(&coding) {
            found.push(coding);
        }
    }
    Ok(found)
}

/// Such as `text/*,application/json`.
pub(in crate::config) fn media_types(text: &str) -> ParsedValue<Vec<String>> {
    let check = |entry: &str| {
        if entry == "*/*" {
            return Ok("*".to_owned());
        }
        let is_sound = entry
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/*".contains(&byte));
        let stars = entry.matches('*').count();
        if !is_sound || stars > 1 || (stars == 0 && entry.matches('/').count() != 1) {
            return Err(InvalidValue::new(format!(
                "contains `{entry}`, which is not a media type"
            ))
            .hint("write types with at most one star, as in text/*,application/json"));
        }
        Ok(entry.to_ascii_lowercase())
    };
    entries(text).map(check).collect()
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_that_there_are() {
        use ResponseCoding::{Gzip, Zstd};
        for (text, found) in [
            ("gzip", vec![Gzip]),
            ("GZIP, zstd,gzip", vec![Gzip, Zstd]),
            ("off", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(codings(text), Ok(found), "{text}");
        }
        for text in ["br", "gzip,off", "deflate", "true"] {
            assert!(codings(text).is_err(), "{text}");
        }
        let hint = codings("gzip,br").expect_err("no brotli").hint;
        assert!(hint.is_some_and(|hint| hint.contains(".br")));
    }

    #[test]
    fn media_types_and_patterns() {
        assert_eq!(
            media_types("text/*, Application/JSON,*/*"),
            Ok(vec![
                "text/*".to_owned(),
                "application/json".to_owned(),
                "*".to_owned()
            ])
        );
        for text in [
            "html",
            "text/html;charset=utf-8",
            "*/a*",
            "a/b/c",
            "text html",
        ] {
            assert!(media_types(text).is_err(), "{text}");
        }
    }
}
