//! Checks that text that arrives in pieces is UTF-8: an error is reported at the first invalid byte.

use super::failure::WebSocketFailure;

/// The beginning of a character whose end has not arrived.
#[derive(Debug, Default)]
pub struct Utf8 {
    tail: [u8; 4],
    len: usize,
}

impl Utf8 {
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), WebSocketFailure> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.tail[self.len] = byte;
            self.len += 1;
            match std::str::from_utf8(&self.tail[..self.len]) {
                Ok(_) => self.len = 0,
                // At most three bytes can be the beginning of a character, so there is room for the next one.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(WebSocketFailure::NotUtf8),
            }
        }
        let Err(error) = std::str::from_utf8(piece) else {
            return Ok(());
        };
        if error.error_len().is_some() {
            return Err(WebSocketFailure::NotUtf8);
        }
        let tail = &piece[error.valid_up_to()..];
        self.tail[..tail.len()].copy_from_slice(tail);
        self.len = tail.len();
        Ok(())
    }

    /// The text ends here.
    pub fn finish(&self) -> Result<(), WebSocketFailure> {
        if self.len == 0 {
            Ok(())
        } else {
            Err(WebSocketFailure::NotUtf8)
        }
    }
}

/// Text that is complete.
pub fn whole(text: &[u8]) -> Result<&str, WebSocketFailure> {
    std::str::from_utf8(text).map_err(|_| WebSocketFailure::NotUtf8)
}
