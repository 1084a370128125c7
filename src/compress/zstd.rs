//! Zstandard frames (RFC 8878).

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective};

use super::codec::{Failed, Flush, room};

/// Clients need not have more than 8 MiB for a window (RFC 9659); 128 KiB keep a stream that stays open for hours small here, too.
const WINDOW_BITS: u32 = 17;

/// A raw block and a run, both of no bytes and not the last of their frame (RFC 8878 §3.1.1.2): they add nothing, and have
/// lengths from which each padding from six bytes on can be made.
const EMPTY_BLOCK: [u8; 3] = [0, 0, 0];
const EMPTY_RUN: [u8; 4] = [2, 0, 0, 0];

pub(super) struct Zstd {
    context: CCtx<'static>,
    level: i32,
    /// To be written after the first block.
    padding: u8,
}

impl Zstd {
    pub fn new(level: u8) -> Zstd {
        Zstd {
            context: CCtx::create(),
            level: i32::from(level),
            padding: 0,
        }
    }

    pub fn begin(&mut self, padding: u8, length: Option<u64>) -> Result<(), Failed> {
        self.padding = padding;
        let context = &mut self.context;
        context
            .reset(ResetDirective::SessionAndParameters)
            .map_err(failed)?;
        for parameter in [
            CParameter::CompressionLevel(self.level),
            CParameter::WindowLog(WINDOW_BITS),
        ] {
            context.set_parameter(parameter).map_err(failed)?;
        }
        context.set_pledged_src_size(length).map_err(failed)?;
        Ok(())
    }

    pub fn encode(&mut self, data: &[u8], flush: Flush, out: &mut Vec<u8>) -> Result<(), Failed> {
        if self.padding == 0 {
            return self.compress(data, flush, out);
        }
        let before = out.len();
        self.compress(data, Flush::Sync, out)?;
        // Blocks follow the frame's header, which comes with the first bytes.
        if out.len() > before {
            push_padding(std::mem::take(&mut self.padding), out);
        }
        match flush {
            Flush::Sync => Ok(()),
            Flush::Finish => self.compress(&[], flush, out),
        }
    }

    fn compress(&mut self, data: &[u8], flush: Flush, out: &mut Vec<u8>) -> Result<(), Failed> {
        let how = match flush {
            Flush::Sync => ZSTD_EndDirective::ZSTD_e_flush,
            Flush::Finish => ZSTD_EndDirective::ZSTD_e_end,
        };
        let mut input = InBuffer::around(data);
        loop {
            out.reserve(room(data.len() - input.pos()));
            let position = out.len();
            let mut output = OutBuffer::around_pos(out, position);
            let left = self
                .context
                .compress_stream2(&mut output, &mut input, how)
                .map_err(failed)?;
            if left == 0 && input.pos() == data.len() {
                return Ok(());
            }
        }
    }
}

fn failed(_code: usize) -> Failed {
    Failed("zstd")
}

fn push_padding(padding: u8, out: &mut Vec<u8>) {
    // 4 leaves 1 modulo 3.
    let runs = padding % 3;
    let blocks = padding.saturating_sub(4 * runs) / 3;
    for _ in 0..runs {
        out.extend_from_slice(&EMPTY_RUN);
    }
    for _ in 0..blocks {
        out.extend_from_slice(&EMPTY_BLOCK);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zstd_safe::{DCtx, InBuffer, OutBuffer};

    /// As far as there is something to decode.
    pub fn decoded(coded: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 4 << 20];
        let mut input = InBuffer::around(coded);
        let mut context = DCtx::create();
        let mut length = 0;
        while input.pos() < coded.len() {
            let mut output = OutBuffer::around_pos(&mut out[..], length);
            context
                .decompress_stream(&mut output, &mut input)
                .expect("zstd");
            length = output.pos();
        }
        out.truncate(length);
        out
    }
}
