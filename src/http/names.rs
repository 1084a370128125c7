//! Header names that most requests have, so that a caller can keep one ready-made object for each.

macro_rules! known_names {
    ($($constant:ident = $text:literal,)*) => {
        /// A name of [`KNOWN_NAMES`], found while the head was parsed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum KnownName {
            $($constant,)*
        }

        /// Indexed by `KnownName as usize`.
        pub const KNOWN_NAMES: &[&str] = &[$($text,)*];

        impl KnownName {
            const ALL: &[KnownName] = &[$(KnownName::$constant,)*];

            /// `name` must be lower-cased.
            #[allow(
                non_upper_case_globals,
                reason = "the constants are named after the variants"
            )]
            pub fn of(name: &[u8]) -> Option<KnownName> {
                // A byte string: rustc makes a decision tree over length and bytes of it, no calls.
                $(const $constant: &[u8] = $text.as_bytes();)*
                match name {
                    $($constant => Some(KnownName::$constant),)*
                    _ => None,
                }
            }
        }
    };
}

known_names! {
    Accept = "accept",
    AcceptEncoding = "accept-encoding",
    AcceptLanguage = "accept-language",
    AccessControlRequestHeaders = "access-control-request-headers",
    AccessControlRequestMethod = "access-control-request-method",
    Authorization = "authorization",
    CacheControl = "cache-control",
    Connection = "connection",
    ContentLength = "content-length",
    ContentType = "content-type",
    Cookie = "cookie",
    Dnt = "dnt",
    Expect = "expect",
    Forwarded = "forwarded",
    Host = "host",
    IfMatch = "if-match",
    IfModifiedSince = "if-modified-since",
    IfNoneMatch = "if-none-match",
    IfRange = "if-range",
    IfUnmodifiedSince = "if-unmodified-since",
    KeepAlive = "keep-alive",
    Origin = "origin",
    Pragma = "pragma",
    Priority = "priority",
    Range = "range",
    Referer = "referer",
    SecChUa = "sec-ch-ua",
    SecChUaMobile = "sec-ch-ua-mobile",
    SecChUaPlatform = "sec-ch-ua-platform",
    SecFetchDest = "sec-fetch-dest",
    SecFetchMode = "sec-fetch-mode",
    SecFetchSite = "sec-fetch-site",
    SecFetchUser = "sec-fetch-user",
    SecWebSocketExtensions = "sec-websocket-extensions",
    SecWebSocketKey = "sec-websocket-key",
    SecWebSocketProtocol = "sec-websocket-protocol",
    SecWebSocketVersion = "sec-websocket-version",
    Te = "te",
    Traceparent = "traceparent",
    Tracestate = "tracestate",
    TransferEncoding = "transfer-encoding",
    Upgrade = "upgrade",
    UpgradeInsecureRequests = "upgrade-insecure-requests",
    UserAgent = "user-agent",
    Via = "via",
    XCsrftoken = "x-csrftoken",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedPort = "x-forwarded-port",
    XForwardedPrefix = "x-forwarded-prefix",
    XForwardedProto = "x-forwarded-proto",
    XForwardedProtocol = "x-forwarded-protocol",
    XForwardedSsl = "x-forwarded-ssl",
    XRealIp = "x-real-ip",
    XRequestId = "x-request-id",
    XRequestStart = "x-request-start",
    XRequestedWith = "x-requested-with",
}

impl KnownName {
    pub fn as_str(self) -> &'static str {
        KNOWN_NAMES[self as usize]
    }

    pub(super) fn from_index(index: u8) -> Option<KnownName> {
        KnownName::ALL.get(usize::from(index)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_again() {
        for (index, &name) in KnownName::ALL.iter().enumerate() {
            assert_eq!(name as usize, index);
            assert_eq!(KnownName::of(name.as_str().as_bytes()), Some(name));
            assert_eq!(KnownName::from_index(name as u8), Some(name));
        }
        assert_eq!(KnownName::of(b"x-other"), None);
        assert_eq!(KnownName::of(b""), None);
        assert_eq!(KnownName::from_index(u8::MAX), None);
    }
}
