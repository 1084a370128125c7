//! The connection preface, by which a client starts HTTP/2 (RFC 9113 §3.4).

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol by the first bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preface {
    Http2,
    /// More bytes are needed.
    Undecided,
    Other,
}

pub fn preface(input: &[u8]) -> Preface {
    if input.starts_with(PREFACE) {
        Preface::Http2
    } else if PREFACE.starts_with(input) {
        Preface::Undecided
    } else {
        Preface::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_is_undecided_and_the_first_other_byte_decides() {
        for length in 0..PREFACE.len() {
            assert_eq!(preface(&PREFACE[..length]), Preface::Undecided);
            let mut other = PREFACE[..length].to_vec();
            other.push(b'?');
            assert_eq!(preface(&other), Preface::Other);
        }
        assert_eq!(preface(PREFACE), Preface::Http2);
        assert_eq!(preface(&[PREFACE, b"\0"].concat()), Preface::Http2);
        assert_eq!(preface(b"GET / HTTP/1.1\r\n"), Preface::Other);
    }
}
