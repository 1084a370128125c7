//! What a request allows of compression: the coding that its client prefers, and why there may be none.

use super::rules::Rules;
use crate::files::{Coding, accepted};
use crate::http::{KnownName, Method, RequestHead};

/// The ways to compress the response to one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// `None`: the bytes are sent as they are.
    pub coding: Option<Coding>,
    /// A HEAD: its response has the fields of the GET (RFC 9110 §9.3.2), and nothing is compressed.
    pub is_head: bool,
    /// The request carries credentials: the length of what is compressed gets random padding.
    pub padded: bool,
    /// Its `If-None-Match`, where that has weak tags.
    pub(super) weak_tags: Option<Box<[u8]>>,
}

impl Offer {
    pub fn of(head: &RequestHead, rules: &Rules) -> Offer {
        let has_credentials = [KnownName::Authorization, KnownName::Cookie]
            .into_iter()
            .any(|name| head.header(name).is_some());
        let is_excluded = head.header(KnownName::Range).is_some()
            || (has_credentials && !rules.credentials)
            || head
                .values(KnownName::CacheControl)
                .any(forbids_transformation);
        Offer {
            coding: (!is_excluded).then(|| preferred(head, rules)).flatten(),
            is_head: head.known_method() == Method::Head,
            padded: has_credentials,
            weak_tags: head
                .list(KnownName::IfNoneMatch)
                .filter(|tags| memchr::memmem::find(tags, b"W/\"").is_some())
                .map(|tags| tags.into_owned().into()),
        }
    }
}

fn preferred(head: &RequestHead, rules: &Rules) -> Option<Coding> {
    let list = head.list(KnownName::AcceptEncoding)?;
    // A client that accepts none of the codings gets the app's own bytes: whether that is a 406 is up to the app.
    accepted(Some(&list), rules.codings).filter(|coding| *coding != Coding::Identity)
}

/// `no-transform` in a `Cache-Control`.
pub(super) fn forbids_transformation(cache_control: &[u8]) -> bool {
    cache_control
        .split(|&byte| byte == b',')
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::plan::tests::rules;
    use crate::compress::tests::request;

    fn offered(fields: &str, rules: &Rules) -> Option<Coding> {
        Offer::of(&request("GET", fields), rules).coding
    }

    #[test]
    fn codings_by_their_weights() {
        let rules = rules();
        for (accept, coding) in [
            ("gzip", Some(Coding::Gzip)),
            ("zstd", Some(Coding::Zstd)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("gzip;q=1, zstd;q=0.5", Some(Coding::Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0, *", Some(Coding::Zstd)),
            ("identity, gzip;q=0.5", None),
            ("br", None),
            ("identity;q=0", None),
            ("", None),
        ] {
            let fields = format!("Accept-Encoding: {accept}\r\n");
            assert_eq!(offered(&fields, &rules), coding, "{accept}");
        }
        assert_eq!(offered("", &rules), None);
        let several =
            "Accept-Encoding: br\r\nAccept-Encoding: gzip;q=0.1\r\nAccept-Encoding: zstd\r\n";
        assert_eq!(offered(several, &rules), Some(Coding::Zstd));
        let two = "Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n";
        assert_eq!(offered(two, &rules), Some(Coding::Gzip));
    }

    #[test]
    fn weak_tags_of_all_fields() {
        let fields = "If-None-Match: \"a\"\r\nIf-None-Match: W/\"b\"\r\n";
        let offer = Offer::of(&request("GET", fields), &rules());
        assert_eq!(offer.weak_tags.as_deref(), Some(&b"\"a\", W/\"b\""[..]));
    }

    #[test]
    fn only_what_the_settings_name() {
        let mut rules = rules();
        rules.codings.zstd = false;
        let fields = "Accept-Encoding: zstd, gzip;q=0.1\r\n";
        assert_eq!(offered(fields, &rules), Some(Coding::Gzip));
    }

    #[test]
    fn what_excludes_a_request() {
        let rules = rules();
        for fields in [
            "Range: bytes=0-1\r\n",
            "Cookie: a=b\r\n",
            "Authorization: Basic YTpi\r\n",
            "Cache-Control: max-age=0, No-Transform\r\n",
        ] {
            let fields = format!("Accept-Encoding: gzip\r\n{fields}");
            assert_eq!(offered(&fields, &rules), None, "{fields}");
        }
    }

    #[test]
    fn a_head_is_offered_what_its_get_is() {
        let offer = Offer::of(&request("HEAD", "Accept-Encoding: gzip\r\n"), &rules());
        assert_eq!((offer.coding, offer.is_head), (Some(Coding::Gzip), true));
        let offer = Offer::of(&request("GET", "Accept-Encoding: gzip\r\n"), &rules());
        assert!(!offer.is_head);
    }

    #[test]
    fn requests_with_credentials_on_demand_and_padded() {
        let mut rules = rules();
        rules.credentials = true;
        let head = request("GET", "Accept-Encoding: gzip\r\nCookie: a=b\r\n");
        let offer = Offer::of(&head, &rules);
        assert_eq!((offer.coding, offer.padded), (Some(Coding::Gzip), true));
        let head = request("GET", "Accept-Encoding: gzip\r\n");
        assert!(!Offer::of(&head, &rules).padded);
    }
}
