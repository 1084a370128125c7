//! Close codes, and why a connection fails (RFC 6455 §7.4). It does not write frames.

use super::utf8;

pub const NORMAL: u16 = 1000;
pub const GOING_AWAY: u16 = 1001;
pub const INTERNAL_ERROR: u16 = 1011;
pub const SERVICE_RESTART: u16 = 1012;

/// What the peer's close frame says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Close {
    /// `None`: the frame was empty.
    pub code: Option<u16>,
    pub reason: String,
}

/// What the peer did wrong; the connection is closed with `code()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 1002
    Protocol(&'static str),
    /// 1007: text, or a reason, that is not UTF-8.
    NotUtf8,
    /// 1007: compressed data that does not inflate.
    NotDeflate,
    /// 1009
    TooBig,
}

impl Failure {
    pub const fn code(self) -> u16 {
        match self {
            Failure::Protocol(_) => 1002,
            Failure::NotUtf8 | Failure::NotDeflate => 1007,
            Failure::TooBig => 1009,
        }
    }

    /// Constant, short enough for a close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            Failure::Protocol(reason) => reason,
            Failure::NotUtf8 => "text is not utf-8",
            Failure::NotDeflate => "invalid compressed data",
            Failure::TooBig => "message too big",
        }
    }
}

impl Close {
    /// Reads the payload of a close frame.
    pub(super) fn parse(payload: &[u8]) -> Result<Close, Failure> {
        let Some((code, reason)) = payload.split_first_chunk() else {
            return if payload.is_empty() {
                Ok(Close {
                    code: None,
                    reason: String::new(),
                })
            } else {
                Err(Failure::Protocol("close code of one byte"))
            };
        };
        let code = u16::from_be_bytes(*code);
        if !may_be_received(code) {
            return Err(Failure::Protocol("invalid close code"));
        }
        Ok(Close {
            code: Some(code),
            reason: utf8::whole(reason)?.to_owned(),
        })
    }
}

/// Codes that may stand in a frame: registered ones but 1004–1006 and 1015, and 3000–4999.
const fn may_be_received(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Whether an app may close with it.
pub const fn may_be_sent(code: u16) -> bool {
    may_be_received(code)
}
