//! The user name of a Basic Authorization field (RFC 7617), for the log only: it is not authenticated.

/// `None` when the field is of another scheme, or malformed.
pub(super) fn basic(field: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = field.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let decoded = base64(rest.trim_ascii())?;
    let end = memchr::memchr(b':', &decoded)?;
    decoded
        .get(..end)
        .filter(|user| !user.is_empty())
        .map(<[u8]>::to_vec)
}

/// RFC 4648, section 4; padding may be missing.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for digit in text.iter().take_while(|digit| **digit != b'=') {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(
            basic(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").as_deref(),
            Some(&b"Aladdin"[..])
        );
        assert_eq!(basic(b"basic YTo").as_deref(), Some(&b"a"[..]));
        for field in [
            &b"Bearer abc"[..],
            b"Basic",
            b"Basic ",
            b"Basic !!!!",
            b"Basic YWJj",
            b"Basic OmI=",
        ] {
            assert_eq!(basic(field), None, "{field:?}");
        }
    }
}
