//! The head of one frame (RFC 6455 §5.2): read from a client, written for one.

use super::failure::WebSocketFailure;
use super::message::MessageKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Data(MessageKind),
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// The longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// The head of a frame from a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReceivedFrame {
    pub fin: bool,
    /// RSV1.
    pub compressed: bool,
    pub opcode: Opcode,
    pub len: u64,
    pub mask: [u8; 4],
    /// The length of this head in bytes.
    pub size: usize,
}

impl ReceivedFrame {
    /// `None`: incomplete. An error is reported at the first bytes that show it.
    pub fn parse(bytes: &[u8]) -> Result<Option<ReceivedFrame>, WebSocketFailure> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Data(MessageKind::Text),
            2 => Opcode::Data(MessageKind::Binary),
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(WebSocketFailure::Protocol("unknown opcode")),
        };
        let fin = first & 0x80 != 0;
        if first & 0x30 != 0 {
            return Err(WebSocketFailure::Protocol("reserved bit set"));
        }
        if opcode.is_control() && !fin {
            return Err(WebSocketFailure::Protocol("fragmented control frame"));
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(WebSocketFailure::Protocol("frame not masked"));
        }
        let (len, at) = match second & 0x7f {
            126 => match bytes.get(2..4) {
                Some(len) => (u64::from(u16::from_be_bytes([len[0], len[1]])), 4),
                None => return Self::incomplete(opcode),
            },
            127 => match bytes.get(2..).and_then(<[u8]>::first_chunk::<8>) {
                Some(len) => (u64::from_be_bytes(*len), 10),
                None => return Self::incomplete(opcode),
            },
            short => (u64::from(short), 2),
        };
        if opcode.is_control() && len > MAX_CONTROL {
            return Err(WebSocketFailure::Protocol("control frame too long"));
        }
        if at == 4 && len < 126 || at == 10 && len < 65_536 {
            return Err(WebSocketFailure::Protocol(
                "length not in its shortest form",
            ));
        }
        if len > u64::MAX / 2 {
            return Err(WebSocketFailure::Protocol("length above 2^63"));
        }
        let Some(mask) = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) else {
            return Ok(None);
        };
        Ok(Some(ReceivedFrame {
            fin,
            compressed: first & 0x40 != 0,
            opcode,
            len,
            mask: *mask,
            size: at + 4,
        }))
    }

    /// A control frame with a long length is invalid before the length has arrived.
    fn incomplete(opcode: Opcode) -> Result<Option<ReceivedFrame>, WebSocketFailure> {
        if opcode.is_control() {
            return Err(WebSocketFailure::Protocol("control frame too long"));
        }
        Ok(None)
    }
}

/// The head of a frame to a client.
#[derive(Debug, Clone, Copy)]
pub struct FrameHead {
    bytes: [u8; 10],
    len: usize,
}

impl FrameHead {
    pub(super) fn new(kind: MessageKind, compressed: bool, len: usize) -> Self {
        let opcode = match kind {
            MessageKind::Text => 1,
            MessageKind::Binary => 2,
        };
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | if compressed { 0x40 } else { 0 } | opcode;
        let long = len as u64;
        let len = if long < 126 {
            bytes[1] = len as u8;
            2
        } else if let Ok(short) = u16::try_from(len) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&short.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&long.to_be_bytes());
            10
        };
        Self { bytes, len }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A whole control frame to a client.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    bytes: [u8; 2 + MAX_CONTROL as usize],
    len: usize,
}

impl Frame {
    fn control(opcode: u8, payload: [&[u8]; 2]) -> Self {
        let mut bytes = [0; 2 + MAX_CONTROL as usize];
        let mut len = 2;
        for part in payload {
            let part = &part[..part.len().min(bytes.len() - len)];
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        bytes[0] = 0x80 | opcode;
        bytes[1] = (len - 2) as u8;
        Self { bytes, len }
    }

    /// The answer to a ping; a payload comes from a ping, so it fits.
    pub fn pong(payload: &[u8]) -> Self {
        Self::control(10, [payload, b""])
    }

    pub fn ping(payload: &[u8]) -> Self {
        Self::control(9, [payload, b""])
    }

    /// `None`: without a code. A reason that does not fit is cut between two characters.
    pub fn close(code: Option<u16>, reason: &str) -> Self {
        let Some(code) = code else {
            return Self::control(8, [b"", b""]);
        };
        let mut end = reason.len().min(MAX_CONTROL as usize - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self::control(8, [&code.to_be_bytes(), &reason.as_bytes()[..end]])
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
