//! Values of the settings of HTTP/2.

use super::choice::choice;
use super::{InvalidValue, ParsedValue, size};
use crate::config::Http2;

/// RFC 9113 §6.5.2.
const LARGEST_WINDOW: u32 = i32::MAX as u32;
const FRAMES: std::ops::RangeInclusive<u32> = 16_384..=16_777_215;
/// What 0 means for a list of header fields, which has to fit into memory.
const LONGEST_LIST: u32 = 1 << 20;

pub(in crate::config) fn http2(text: &str) -> ParsedValue<Http2> {
    choice(
        text,
        &[
            ("auto", Http2::Auto),
            ("off", Http2::Off),
            ("prior-knowledge", Http2::PriorKnowledge),
        ],
    )
}

/// gunicorn's list of `h1` and `h2`.
pub(in crate::config) fn http_protocols(text: &str) -> ParsedValue<Http2> {
    let mut mode = Http2::Off;
    for name in text.split(',').map(str::trim) {
        match name {
            "h1" => {}
            "h2" => mode = Http2::Auto,
            "h3" => {
                return Err(InvalidValue::new("is not supported: h3")
                    .hint("let a proxy in front speak HTTP/3"));
            }
            _ => return Err(InvalidValue::new("is not a list of h1 and h2")),
        }
    }
    Ok(mode)
}

/// gunicorn's values; `None`: TLS negotiates it (ALPN).
pub(in crate::config) fn http2_cleartext(text: &str) -> ParsedValue<Option<Http2>> {
    match text.trim() {
        "off" => Ok(None),
        "prior-knowledge" => Ok(Some(Http2::PriorKnowledge)),
        "upgrade" | "both" => Err(InvalidValue::new("is not supported")
            .hint("use prior-knowledge; the upgrade from HTTP/1.1 is obsolete (RFC 9113 §3.1)")),
        _ => Err(InvalidValue::new("is none of off, prior-knowledge")),
    }
}

pub(in crate::config) fn window(text: &str) -> ParsedValue<u32> {
    within(size(text)?, 1..=LARGEST_WINDOW)
}

pub(in crate::config) fn frame_size(text: &str) -> ParsedValue<u32> {
    within(size(text)?, FRAMES)
}

pub(in crate::config) fn header_list_size(text: &str) -> ParsedValue<u32> {
    match size(text)? {
        0 => Ok(LONGEST_LIST),
        bytes => within(bytes, 1..=LONGEST_LIST),
    }
}

fn within(bytes: u64, range: std::ops::RangeInclusive<u32>) -> ParsedValue<u32> {
    match u32::try_from(bytes) {
        Ok(bytes) if range.contains(&bytes) => Ok(bytes),
        Ok(bytes) if bytes < *range.start() => {
            Err(InvalidValue::new(format!("is less than {}", range.start())).understood())
        }
        _ => Err(InvalidValue::new(format!("is more than {}", range.end())).understood()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gunicorns_protocols() {
        assert_eq!(http_protocols("h1"), Ok(Http2::Off));
        assert_eq!(http_protocols("h2, h1"), Ok(Http2::Auto));
        assert_eq!(http_protocols("h2"), Ok(Http2::Auto));
        assert!(http_protocols("h1,h3").unwrap_err().hint.is_some());
        assert!(http_protocols("").is_err() && http_protocols("spdy").is_err());
        assert_eq!(http2_cleartext("off"), Ok(None));
        assert!(http2_cleartext("both").is_err() && http2_cleartext("on").is_err());
    }

    #[test]
    fn sizes_are_those_of_the_protocol() {
        assert_eq!(frame_size("16k"), Ok(16_384));
        assert_eq!(
            frame_size("16383").unwrap_err().problem,
            "is less than 16384"
        );
        assert_eq!(
            frame_size("16m").unwrap_err().problem,
            "is more than 16777215"
        );
        assert_eq!(window("0").unwrap_err().problem, "is less than 1");
        assert_eq!(window("2g").unwrap_err().problem, "is more than 2147483647");
        assert_eq!(header_list_size("0"), Ok(LONGEST_LIST));
    }
}
