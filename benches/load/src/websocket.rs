//! A WebSocket client that sends one message and wants exactly it back, read from pieces of any size. No sockets here.

use crate::response::Progress;

/// A masked text frame in its shortest form. The mask is of no weight for what is measured, and must not be zero: a server may
/// skip the work then.
pub fn frame(message: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![0x81];
    push_length(&mut bytes, message.len(), 0x80);
    bytes.extend_from_slice(&MASK);
    bytes.extend(
        message
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

fn push_length(bytes: &mut Vec<u8>, length: usize, bit: u8) {
    match length {
        0..=125 => bytes.push(bit | length as u8),
        126..=0xffff => {
            bytes.push(bit | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(bit | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

pub struct Echo {
    /// The handshake is done.
    pub open: bool,
    /// What the server sends for each message.
    answer: Vec<u8>,
    partial: Vec<u8>,
}

impl Echo {
    pub fn new(message: &[u8]) -> Echo {
        let mut answer = vec![0x81];
        push_length(&mut answer, message.len(), 0);
        answer.extend_from_slice(message);
        Echo {
            open: false,
            answer,
            partial: Vec::new(),
        }
    }

    /// `Done` when the handshake is complete, and then for each echo.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, String> {
        self.partial.extend_from_slice(bytes);
        let done = if self.open {
            self.message()?
        } else {
            self.handshake()?
        };
        if !done {
            return Ok(Progress::More);
        }
        self.partial.clear();
        Ok(Progress::Done { close: false })
    }

    fn handshake(&mut self) -> Result<bool, String> {
        let Some(end) = self.partial.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(false);
        };
        if !self.partial.starts_with(b"HTTP/1.1 101 ") || end + 4 != self.partial.len() {
            return Err(format!("handshake: {}", self.partial.escape_ascii()));
        }
        self.open = true;
        Ok(true)
    }

    fn message(&self) -> Result<bool, String> {
        if self.answer.starts_with(&self.partial) {
            Ok(self.partial.len() == self.answer.len())
        } else {
            Err(format!("not the echo: {}", self.partial.escape_ascii()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_and_an_echo_in_pieces() {
        let mut echo = Echo::new(b"hello");
        for piece in [&b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n"[..], b"\r"] {
            assert_eq!(echo.feed(piece), Ok(Progress::More));
        }
        assert_eq!(echo.feed(b"\n"), Ok(Progress::Done { close: false }));
        assert_eq!(echo.feed(b"\x81\x05hel"), Ok(Progress::More));
        assert_eq!(echo.feed(b"lo"), Ok(Progress::Done { close: false }));
        assert!(echo.feed(b"\x81\x05hellO").is_err());
    }

    #[test]
    fn what_is_no_echo() {
        let open = || {
            let mut echo = Echo::new(b"hello");
            echo.open = true;
            echo
        };
        for wrong in [
            &b"\x82\x05hello"[..],
            b"\x81\x04hell",
            b"\x81\x05hello!",
            b"\x88\x00",
        ] {
            assert!(open().feed(wrong).is_err(), "{wrong:?}");
        }
        assert!(Echo::new(b"").feed(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(Echo::new(b"").feed(b"HTTP/1.1 101 \r\n\r\n\x81").is_err());
    }

    #[test]
    fn frames() {
        assert_eq!(
            frame(b"\x37\xfa")[..],
            [0x81, 0x82, 0x37, 0xfa, 0x21, 0x3d, 0, 0]
        );
        assert_eq!(frame(&[0; 200])[..4], [0x81, 0xfe, 0, 200]);
    }
}
