//! gzip (RFC 1952) around a deflate stream of zlib-rs. The header is ours, so that it has room for padding.

use zlib_rs::{Deflate, DeflateFlush, Status, crc32::crc32};

use super::codec::{Failed, Flush, room};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// The header has a file name, which decoders skip (RFC 1952 §2.3.1).
const HAS_NAME: u8 = 8;
const OF_UNIX: u8 = 3;

pub(super) struct Gzip {
    deflate: Deflate,
    /// Of the body up to here.
    crc: u32,
    length: u32,
    /// The header was not written yet, and gets so much padding.
    header: Option<u8>,
}

impl Gzip {
    pub fn new(level: u8) -> Gzip {
        Gzip {
            deflate: Deflate::new(i32::from(level), false, 15),
            crc: 0,
            length: 0,
            header: Some(0),
        }
    }

    pub fn begin(&mut self, padding: u8) {
        self.deflate.reset();
        self.crc = 0;
        self.length = 0;
        self.header = Some(padding);
    }

    pub fn encode(&mut self, data: &[u8], flush: Flush, out: &mut Vec<u8>) -> Result<(), Failed> {
        if let Some(padding) = self.header.take() {
            push_header(padding, out);
        }
        self.crc = crc32(self.crc, data);
        // RFC 1952 §2.3.1: modulo 2^32.
        self.length = self.length.wrapping_add(data.len() as u32);
        self.deflate(data, flush, out)?;
        if flush == Flush::Finish {
            out.extend_from_slice(&self.crc.to_le_bytes());
            out.extend_from_slice(&self.length.to_le_bytes());
        }
        Ok(())
    }

    fn deflate(&mut self, mut data: &[u8], flush: Flush, out: &mut Vec<u8>) -> Result<(), Failed> {
        let how = match flush {
            Flush::Sync => DeflateFlush::SyncFlush,
            Flush::Finish => DeflateFlush::Finish,
        };
        loop {
            let (read, written) = (self.deflate.total_in(), self.deflate.total_out());
            let begin = out.len();
            let room = room(data.len());
            out.resize(begin + room, 0);
            let status = self.deflate.compress(data, &mut out[begin..], how);
            data = &data[(self.deflate.total_in() - read) as usize..];
            let written = (self.deflate.total_out() - written) as usize;
            out.truncate(begin + written);
            match status {
                Ok(Status::StreamEnd) => return Ok(()),
                // The flush is complete when there was room left.
                Ok(_) if flush == Flush::Sync && data.is_empty() && written < room => return Ok(()),
                Ok(_) if written > 0 => {}
                Ok(_) | Err(_) => return Err(Failed("gzip")),
            }
        }
    }
}

/// Without a time, so that the same body gives the same bytes.
fn push_header(padding: u8, out: &mut Vec<u8>) {
    let flags = if padding > 0 { HAS_NAME } else { 0 };
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[flags, 0, 0, 0, 0, 0, OF_UNIX]);
    if padding > 0 {
        // A name ends with a zero byte, which is one of them.
        out.resize(out.len() + usize::from(padding) - 1, b'a');
        out.push(0);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zlib_rs::{Inflate, InflateFlush};

    /// As far as there is something to decode.
    pub fn decoded(coded: &[u8]) -> Vec<u8> {
        let mut inflate = Inflate::new(true, 16 + 15);
        let mut out = vec![0; 4 << 20];
        let status = inflate
            .decompress(coded, &mut out, InflateFlush::SyncFlush)
            .expect("gzip");
        let is_complete = coded.len() as u64 == inflate.total_in();
        assert!(is_complete, "{status:?}: nothing is left over");
        out.truncate(inflate.total_out() as usize);
        out
    }
}
