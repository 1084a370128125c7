//! What a worker keeps of the mold that has forked it, to become the next one.

use std::sync::Arc;

use crate::ipc::{Board, HeldChannels, TransferChannel};
use crate::master::certificates::SharedCertificates;
use crate::sys::{Audience, ListenerAddress, Protection};

#[derive(Debug)]
pub struct MoldSeed {
    pub(super) board: Board,
    pub(super) transfers: Option<Arc<TransferChannel>>,
    pub(super) previews: Option<Arc<HeldChannels>>,
    pub(super) certificates: Option<SharedCertificates>,
    pub(super) addresses: Vec<(ListenerAddress, Protection, Audience)>,
}
