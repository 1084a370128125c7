//! The media type of a file by its name.

/// What the table of `mime_guess` lacks, or has under an older name. The sources are the registry of IANA and RFC 9239.
const NEWER: &[(&str, &str)] = &[
    ("cjs", "text/javascript"),
    ("m4s", "video/iso.segment"),
    ("map", "application/json"),
    ("mjs", "text/javascript"),
    ("otf", "font/otf"),
    ("ts", "video/mp2t"),
    ("woff", "font/woff"),
    ("zst", "application/zstd"),
];

/// Types that are text although they do not begin with `text/`.
const TEXTS: &[&str] = &[
    "application/javascript",
    "application/json",
    "application/manifest+json",
    "application/xml",
    "image/svg+xml",
];

/// Of a path or a name; `application/octet-stream` where it is unknown.
pub fn media_type(path: &[u8]) -> &'static str {
    const UNKNOWN: &str = "application/octet-stream";
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else {
        return UNKNOWN;
    };
    let Ok(extension) = std::str::from_utf8(&name[dot + 1..]) else {
        return UNKNOWN;
    };
    let newer = NEWER
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known));
    match newer {
        Some((_, known)) => known,
        None => mime_guess::from_ext(extension)
            .first_raw()
            .unwrap_or(UNKNOWN),
    }
}

/// As in `Content-Type`: text of the web is UTF-8.
pub fn with_charset(media_type: &'static str) -> String {
    if media_type.starts_with("text/") || TEXTS.contains(&media_type) {
        format!("{media_type}; charset=utf-8")
    } else {
        media_type.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_web() {
        for (name, known) in [
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a/b.mjs", "text/javascript; charset=utf-8"),
            ("a.html", "text/html; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.JSON", "application/json; charset=utf-8"),
            ("a.js.map", "application/json; charset=utf-8"),
            ("a.webmanifest", "application/manifest+json; charset=utf-8"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.otf", "font/otf"),
            ("a.avif", "image/avif"),
            ("a.webp", "image/webp"),
            ("a.png", "image/png"),
            ("a.ico", "image/x-icon"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.pdf", "application/pdf"),
            ("a.gz", "application/gzip"),
            ("a", "application/octet-stream"),
            ("a.unknown-kind", "application/octet-stream"),
            ("css", "application/octet-stream"),
            ("a.css/b", "application/octet-stream"),
            (".css", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(with_charset(media_type(name.as_bytes())), known, "{name}");
        }
    }
}
