//! Character classes of RFC 9110 §5.6 and lists of tokens.

const fn class(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut member = 0;
    while member < members.len() {
        table[members[member] as usize] = true;
        member += 1;
    }
    table
}

/// `tchar`.
const TOKEN: [bool; 256] = class(b"!#$%&'*+-.^_`|~");

/// The characters of a registered name (RFC 3986 §3.2.2), `%` included.
pub(super) const REG_NAME: [bool; 256] = class(b"-._~!$&'()*+,;=%");

pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[usize::from(byte)])
}

/// Visible characters, spaces, tabs, obs-text: no other control. Without a branch, so that it vectorises.
pub(super) fn is_field_text(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |bad, &byte| {
        bad | ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
    })
}

pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = bytes.iter().position(|byte| !is_space(byte)) else {
        return &[];
    };
    let end = bytes
        .iter()
        .rposition(|byte| !is_space(byte))
        .map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// The members of a comma-separated list; empty ones too.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

/// Digits only and at most `i64::MAX`, so that no caller gets a sign.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    i64::try_from(value).is_ok().then_some(value)
}

/// Appends `value` in decimal.
pub(super) fn push_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends `value` in hexadecimal.
pub(super) fn push_hex(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 16];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        for (text, value) in [
            (&b"0"[..], Some(0)),
            (b"0005", Some(5)),
            (b"9223372036854775807", Some(i64::MAX as u64)),
            (b"9223372036854775808", None),
            (b"18446744073709551617", None),
            (b"99999999999999999999999", None),
            (b"", None),
            (b"+5", None),
            (b"-5", None),
            (b"5 ", None),
            (b"5_0", None),
            (b"0x5", None),
        ] {
            assert_eq!(decimal(text), value, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn numbers_are_written() {
        for value in [0, 1, 9, 10, 255, 256, 4096, u64::MAX] {
            let (mut ten, mut sixteen) = (Vec::new(), Vec::new());
            push_decimal(&mut ten, value);
            push_hex(&mut sixteen, value);
            assert_eq!(ten, value.to_string().as_bytes());
            assert_eq!(sixteen, format!("{value:x}").as_bytes());
        }
    }

    #[test]
    fn classes() {
        assert!(is_token(b"x-Y_1!#$%&'*+-.^`|~"));
        for bad in [
            &b""[..],
            b"a b",
            b"a:b",
            b"a\0",
            b"\xc3\xa9",
            b"a/b",
            b"(a)",
            b"\"a\"",
        ] {
            assert!(!is_token(bad), "{}", bad.escape_ascii());
        }
        assert!(is_field_text(b"a\tb \xff"));
        for bad in [&b"\0"[..], b"\r", b"\n", b"\x7f", b"\x1b"] {
            assert!(!is_field_text(bad));
        }
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b" \t"), b"");
        assert_eq!(
            list(b"a, b,,c ").collect::<Vec<_>>(),
            [&b"a"[..], b"b", b"", b"c"]
        );
    }
}
