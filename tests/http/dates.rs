//! IMF-fixdate against another implementation.

use std::time::{Duration, UNIX_EPOCH};

use rgun::http::imf_fixdate;

#[test]
fn agrees_with_httpdate() {
    for step in 0..20_000_u64 {
        let seconds = step * 12_345_678 % 253_402_300_799;
        let theirs = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(
            std::str::from_utf8(&imf_fixdate(seconds)),
            Ok(theirs.as_str())
        );
    }
}
