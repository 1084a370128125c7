//! Finds the headers of frames in a stream of bytes (RFC 9113 §4.1).

pub const HEADER_SIZE: usize = 9;

#[derive(Debug, Clone, Copy)]
pub struct FrameHeader {
    /// Of the payload, in bytes.
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

/// Of one direction of a connection.
#[derive(Debug)]
pub struct FrameHeaders {
    /// The header of the next frame, as far as it has arrived.
    header: [u8; HEADER_SIZE],
    filled: usize,
    /// Bytes of the current frame's payload that are still to come.
    payload: usize,
}

impl FrameHeaders {
    /// Of frames that follow so many other bytes.
    pub fn after(skipped: usize) -> Self {
        Self {
            header: [0; HEADER_SIZE],
            filled: 0,
            payload: skipped,
        }
    }

    /// More of the current frame's payload is to come.
    pub fn is_within_payload(&self) -> bool {
        self.payload > 0
    }

    /// How many bytes of an incomplete header were found.
    pub fn partial(&self) -> usize {
        self.filled
    }

    /// The next header that ends in `bytes` after `position`, which is then its end; `None`: all bytes were taken.
    pub fn next(&mut self, bytes: &[u8], position: &mut usize) -> Option<FrameHeader> {
        let skipped = self.payload.min(bytes.len() - *position);
        self.payload -= skipped;
        *position += skipped;
        let wanted = (HEADER_SIZE - self.filled).min(bytes.len() - *position);
        self.header[self.filled..self.filled + wanted]
            .copy_from_slice(&bytes[*position..*position + wanted]);
        self.filled += wanted;
        *position += wanted;
        if self.filled < HEADER_SIZE {
            return None;
        }
        self.filled = 0;
        let header = self.header;
        self.payload = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        Some(FrameHeader {
            length: self.payload,
            kind: header[3],
            flags: header[4],
            // The first bit is reserved.
            stream: u32::from_be_bytes([header[5], header[6], header[7], header[8]])
                & (u32::MAX >> 1),
        })
    }
}
