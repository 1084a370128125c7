//! The body of a response with several ranges: `multipart/byteranges` (RFC 9110 §14.6).

use super::range::Slice;

/// One part: what is written before its bytes, and which bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub preamble: Vec<u8>,
    pub slice: Slice,
}

/// A whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    pub content_type: Vec<u8>,
    pub sections: Vec<Section>,
    pub end: Vec<u8>,
    /// Of everything, in bytes.
    pub length: u64,
}

impl Multipart {
    /// `size` is the whole representation's; `boundary` must be an unpredictable number, so that no file contains it.
    pub fn new(slices: &[Slice], size: u64, content_type: &[u8], boundary: u64) -> Multipart {
        let boundary = format!("{boundary:016x}");
        let mut before = "";
        let sections: Vec<_> = slices
            .iter()
            .map(|&slice| {
                let mut preamble = format!("{before}--{boundary}\r\ncontent-type: ").into_bytes();
                before = "\r\n";
                preamble.extend_from_slice(content_type);
                preamble.extend_from_slice(b"\r\ncontent-range: ");
                preamble.extend_from_slice(content_range(slice, size).as_bytes());
                preamble.extend_from_slice(b"\r\n\r\n");
                Section { preamble, slice }
            })
            .collect();
        let end = format!("\r\n--{boundary}--\r\n").into_bytes();
        let length = end.len() as u64
            + sections
                .iter()
                .map(|section| section.preamble.len() as u64 + section.slice.length)
                .sum::<u64>();
        Multipart {
            content_type: format!("multipart/byteranges; boundary={boundary}").into_bytes(),
            sections,
            end,
            length,
        }
    }
}

/// The value of `Content-Range`.
pub fn content_range(slice: Slice, size: u64) -> String {
    format!("bytes {}-{}/{size}", slice.start, slice.last())
}
