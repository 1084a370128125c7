//! The other side of permessage-deflate, with zlib states that live as long as the connection: what the server's shared
//! ones must be indistinguishable from.

use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush};

pub struct Client {
    inflate: Inflate,
    deflate: Deflate,
    bits: u8,
}

const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

impl Client {
    pub fn new(inflate_bits: u8, deflate_bits: u8) -> Self {
        Self {
            inflate: Inflate::new(false, inflate_bits),
            deflate: Deflate::new(6, false, deflate_bits),
            bits: inflate_bits,
        }
    }

    pub fn forget_received(&mut self) {
        self.inflate = Inflate::new(false, self.bits);
    }

    pub fn deflate(&mut self, message: &[u8]) -> Vec<u8> {
        if message.is_empty() {
            // RFC 7692 §7.2.3.6: zlib gives nothing for a second flush in a row.
            return vec![0];
        }
        let mut out = vec![0; message.len() + message.len() / 100 + 100];
        let before = self.deflate.total_out();
        self.deflate
            .compress(message, &mut out, DeflateFlush::SyncFlush)
            .expect("there is room");
        out.truncate((self.deflate.total_out() - before) as usize);
        assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - 4);
        out
    }

    pub fn inflate(&mut self, compressed: &[u8], room: usize) -> Vec<u8> {
        let mut out = vec![0; room + 100];
        let before = self.inflate.total_out();
        let input = [compressed, &TAIL].concat();
        self.inflate
            .decompress(&input, &mut out, InflateFlush::SyncFlush)
            .expect("the server's message inflates");
        out.truncate((self.inflate.total_out() - before) as usize);
        out
    }
}
