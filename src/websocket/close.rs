//! Close codes, and the payload of a close frame (RFC 6455 §7.4).

use super::failure::WebSocketFailure;
use super::utf8;

pub const NORMAL: u16 = 1000;
pub const GOING_AWAY: u16 = 1001;
pub const INTERNAL_ERROR: u16 = 1011;
pub const SERVICE_RESTART: u16 = 1012;

/// The contents of the peer's close frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Close {
    /// `None`: the frame was empty.
    pub code: Option<u16>,
    pub reason: String,
}

impl Close {
    /// Reads the payload of a close frame.
    pub(super) fn parse(payload: &[u8]) -> Result<Close, WebSocketFailure> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() {
                Ok(Close {
                    code: None,
                    reason: String::new(),
                })
            } else {
                Err(WebSocketFailure::Protocol("close code of one byte"))
            };
        };
        let code = u16::from_be_bytes(*code);
        if !may_be_received(code) {
            return Err(WebSocketFailure::Protocol("invalid close code"));
        }
        Ok(Close {
            code: Some(code),
            reason: utf8::whole(reason)?.to_owned(),
        })
    }
}

/// Codes that are valid in a frame: registered ones but 1004–1006 and 1015, and 3000–4999.
const fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Whether an app may close with it.
pub const fn may_be_sent(code: u16) -> bool {
    may_be_received(code)
}
