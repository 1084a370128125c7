//! State of one response's compression.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::compress::{self, CodingPlan, FieldPair, Offer};
use crate::http::{BodyEnd, RequestHead, ResponseError};
use crate::worker::compressor::{Compressor, Lease};
use crate::worker::network::Network;

/// Between the app's response and the protocol, for a request whose response may be compressed.
pub struct Coder {
    pub(super) compressor: Arc<Compressor>,
    offer: Offer,
    pub(super) stage: Mutex<CodingStage>,
}

pub(super) enum CodingStage {
    /// What the app sends is passed through unchanged.
    Plain,
    /// The head announces the coding, and no body has arrived.
    Begun(CodingStart),
    Coding(ActiveCoding),
    /// A HEAD whose fields announce the coding: the app's body is ignored.
    Unsent,
}

pub(super) struct CodingStart {
    /// `None`: a HEAD.
    pub lease: Option<Lease>,
    /// As the app declared it.
    pub length: Option<u64>,
    pub original: Original,
}

type BoxedField = (Box<[u8]>, Box<[u8]>);

/// The head as the app sent it, for a body that is better not compressed.
pub(super) struct Original {
    pub status: u16,
    pub reason: Option<Box<[u8]>>,
    pub fields: Vec<BoxedField>,
}

pub(super) struct ActiveCoding {
    /// `None`: a pool thread holds it, and encodes what is queued.
    pub lease: Option<Lease>,
    /// Bytes still missing of the length that the app declared.
    left: Option<u64>,
    /// The app has sent the whole body, and how that ended.
    pub ended: Option<BodyEnd>,
    pub queue: VecDeque<QueuedBody>,
}

pub(super) struct QueuedBody {
    pub source: CodedSource,
    pub end: BodyEnd,
}

pub(super) enum CodedSource {
    Block(Bytes),
    File { file: File, offset: u64, left: u64 },
}

/// How much of a piece is to be encoded, according to the length that the app declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accounted {
    pub length: u64,
    pub end: BodyEnd,
    /// Bytes cut off.
    pub excess: u64,
}

impl Coder {
    /// `None`: no response of this worker is compressed.
    pub fn of(net: &Network, head: &RequestHead) -> Option<Arc<Coder>> {
        let compressor = net.compressor.as_ref()?;
        Some(Arc::new(Coder {
            offer: Offer::of(head, &compressor.rules),
            compressor: compressor.clone(),
            stage: Mutex::new(CodingStage::Plain),
        }))
    }

    /// The head to be sent, and the stage that follows it.
    pub(super) fn plan<'f>(
        &self,
        status: u16,
        reason: Option<&[u8]>,
        fields: &[(&'f [u8], &'f [u8])],
    ) -> (Vec<FieldPair<'f>>, CodingStage) {
        let all = || fields.iter().copied();
        match self.compressor.rules.plan(&self.offer, status, all()) {
            CodingPlan::Leave => {
                let same = all().map(|(name, value)| (name.into(), value.into()));
                (same.collect(), CodingStage::Plain)
            }
            CodingPlan::Vary => (compress::varied(all()), CodingStage::Plain),
            CodingPlan::Revalidate => (compress::revalidated(all()), CodingStage::Plain),
            CodingPlan::Code { coding, length } => {
                let lease = if self.offer.is_head {
                    None
                } else if let Some(lease) = self.compressor.lease(coding) {
                    Some(lease)
                } else {
                    return (compress::varied(all()), CodingStage::Plain);
                };
                let original = Original {
                    status,
                    reason: reason.map(Into::into),
                    fields: all().map(|(n, v)| (n.into(), v.into())).collect(),
                };
                let begun = CodingStart {
                    lease,
                    length,
                    original,
                };
                (compress::coded(all(), coding), CodingStage::Begun(begun))
            }
        }
    }

    /// Number of padding bytes. Chosen anew for each response.
    pub(super) fn padding(&self) -> u8 {
        if !self.offer.padded {
            return 0;
        }
        // Below 8 the codings have no room for each length.
        u8::try_from(8 + crate::sys::random() % 100).unwrap_or(u8::MAX)
    }

    /// The app has sent everything, trailers too, and not all of it is encoded.
    pub(super) fn is_finishing(&self) -> bool {
        match &*self.stage.lock() {
            CodingStage::Coding(coding) => {
                coding.ended == Some(BodyEnd::Last) && coding.lease.is_none()
            }
            CodingStage::Plain | CodingStage::Begun(_) | CodingStage::Unsent => false,
        }
    }
}

impl ActiveCoding {
    pub fn new(lease: Lease, length: Option<u64>) -> ActiveCoding {
        ActiveCoding {
            lease: Some(lease),
            left: length,
            ended: None,
            queue: VecDeque::new(),
        }
    }

    /// Holds the app to the length that it declared, as the protocol does where that length is sent.
    pub fn account(&mut self, length: u64, end: BodyEnd) -> Result<Accounted, ResponseError> {
        if self.ended.is_some() {
            return Err(ResponseError::AlreadyComplete);
        }
        let mut accounted = Accounted {
            length,
            end,
            excess: 0,
        };
        if let Some(left) = &mut self.left {
            accounted.length = length.min(*left);
            accounted.excess = length - accounted.length;
            *left -= accounted.length;
            if *left > 0 && end != BodyEnd::More {
                return Err(ResponseError::TooShort { missing: *left });
            }
            if accounted.excess > 0 && end == BodyEnd::More {
                // Only the end of the body can be cut off.
                accounted.end = BodyEnd::Last;
            }
        }
        self.ended = (accounted.end != BodyEnd::More).then_some(accounted.end);
        Ok(accounted)
    }
}

impl CodedSource {
    pub fn is_empty(&self) -> bool {
        match self {
            CodedSource::Block(block) => block.is_empty(),
            CodedSource::File { left, .. } => *left == 0,
        }
    }

    /// The next bytes, at most `most`; an error for a file that has become shorter.
    pub fn take(&mut self, most: usize) -> std::io::Result<Bytes> {
        match self {
            CodedSource::Block(block) => Ok(block.split_to(most.min(block.len()))),
            CodedSource::File { file, offset, left } => {
                let length = usize::try_from(*left).unwrap_or(usize::MAX).min(most);
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, *offset)?;
                *offset += length as u64;
                *left -= length as u64;
                Ok(bytes.into())
            }
        }
    }
}
