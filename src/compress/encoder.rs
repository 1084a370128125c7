//! An encoder of one content coding, for one body after the other: bytes in, coded bytes out. It keeps its memory between bodies.

use super::codec::{Failed, Flush};
use super::gzip::Gzip;
use super::zstd::Zstd;
use crate::files::Coding;

pub struct Encoder(EncoderKind);

enum EncoderKind {
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

impl Encoder {
    /// `None`: there is no such encoder here. `level` from 1 to 9.
    pub fn new(coding: Coding, level: u8) -> Option<Encoder> {
        match coding {
            Coding::Gzip => Some(EncoderKind::Gzip(Box::new(Gzip::new(level)))),
            Coding::Zstd => Some(EncoderKind::Zstd(Box::new(Zstd::new(level)))),
            Coding::Identity | Coding::Brotli => None,
        }
        .map(Encoder)
    }

    pub fn coding(&self) -> Coding {
        match &self.0 {
            EncoderKind::Gzip(_) => Coding::Gzip,
            EncoderKind::Zstd(_) => Coding::Zstd,
        }
    }

    /// Starts another body, whatever the state of the last one. `padding`: the result gets so many meaningless bytes, up to 255.
    /// `length`: of the body, where that is known.
    pub fn begin(&mut self, padding: u8, length: Option<u64>) -> Result<(), Failed> {
        match &mut self.0 {
            EncoderKind::Gzip(gzip) => gzip.begin(padding),
            EncoderKind::Zstd(zstd) => zstd.begin(padding, length)?,
        }
        Ok(())
    }

    /// Appends the encoded `data` to `out`.
    pub fn encode(&mut self, data: &[u8], flush: Flush, out: &mut Vec<u8>) -> Result<(), Failed> {
        match &mut self.0 {
            EncoderKind::Gzip(gzip) => gzip.encode(data, flush, out),
            EncoderKind::Zstd(zstd) => zstd.encode(data, flush, out),
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.coding().token())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CODINGS: [Coding; 2] = [Coding::Gzip, Coding::Zstd];

    fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => super::super::gzip::tests::decoded(coded),
            _ => super::super::zstd::tests::decoded(coded),
        }
    }

    /// The output of each piece, each complete up to there.
    fn encoded(encoder: &mut Encoder, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let last = pieces.len() - 1;
        let encode = |(number, piece): (usize, &&[u8])| {
            let flush = if number == last {
                Flush::Finish
            } else {
                Flush::Sync
            };
            let mut out = Vec::new();
            encoder.encode(piece, flush, &mut out).expect("it works");
            out
        };
        pieces.iter().enumerate().map(encode).collect()
    }

    #[test]
    fn an_encoder_is_used_again_also_after_a_body_that_was_given_up() {
        for coding in CODINGS {
            let mut encoder = Encoder::new(coding, 4).expect("there is one");
            let text = b"the same words again and again, ".repeat(1000);
            for _ in 0..3 {
                encoder.begin(0, Some(text.len() as u64)).expect("it works");
                let whole = encoded(&mut encoder, &[&text]).concat();
                assert_eq!(decoded(coding, &whole), text);
                assert!(whole.len() < text.len() / 50, "{}", whole.len());
                encoder.begin(7, None).expect("it works");
                let mut half = Vec::new();
                encoder
                    .encode(&text, Flush::Sync, &mut half)
                    .expect("it works");
                assert_eq!(decoded(coding, &half), text, "all that was flushed");
            }
        }
    }

    #[test]
    fn padding_changes_the_length_by_its_own_and_the_content_not_at_all() {
        let text = b"secret".repeat(200);
        for coding in CODINGS {
            let mut encoder = Encoder::new(coding, 4).expect("there is one");
            let mut length = |padding| {
                encoder.begin(padding, None).expect("it works");
                let whole = encoded(&mut encoder, &[&text]).concat();
                assert_eq!(decoded(coding, &whole), text, "{coding:?} {padding}");
                whole.len()
            };
            // Padding has a fixed cost of its own.
            let least = length(8);
            for padding in 9..=255 {
                assert_eq!(length(padding), least + usize::from(padding) - 8);
            }
            for padding in 0..8 {
                assert!(length(padding) <= least);
            }
        }
    }

    #[test]
    fn what_does_not_compress_grows_by_little() {
        let mut noise = vec![0; 300_000];
        let mut state = 1_u32;
        for byte in &mut noise {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        for coding in CODINGS {
            let mut encoder = Encoder::new(coding, 9).expect("there is one");
            encoder.begin(0, None).expect("it works");
            let whole = encoded(&mut encoder, &[&noise]).concat();
            assert_eq!(decoded(coding, &whole), noise);
            assert!(whole.len() < noise.len() + 200);
        }
    }

    proptest! {
        #[test]
        fn any_pieces_at_any_level(
            pieces in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..3000), 1..8),
            level in 1_u8..=9,
            padding: u8,
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            for coding in CODINGS {
                let mut encoder = Encoder::new(coding, level).expect("there is one");
                encoder.begin(padding, None).expect("it works");
                let coded = encoded(&mut encoder, &pieces);
                prop_assert_eq!(decoded(coding, &coded.concat()), pieces.concat());
                for count in 1..pieces.len() {
                    // Each piece is live: what was flushed can be decoded.
                    prop_assert_eq!(decoded(coding, &coded[..count].concat()), pieces[..count].concat());
                }
            }
        }
    }
}
