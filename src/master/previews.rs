//! The sockets at which a staged generation can be inspected before it serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::binds::Binds;
use super::supervisor::{Generation, Token};
use crate::config::Settings;
use crate::ipc::TransferChannel;
use crate::sys::Listener;

#[derive(Debug, Default)]
pub struct Previews {
    /// For requested stages that have not begun.
    pub(super) asked: BTreeMap<Token, Binds>,
    open: Option<(Generation, Binds)>,
    /// Where workers pass connections to those of a generation that is held. One for all generations.
    pub(super) channel: Option<Arc<TransferChannel>>,
}

impl Previews {
    /// `None`: workers with these settings do not use it.
    pub fn channel_for(&mut self, settings: &Settings) -> Option<Arc<TransferChannel>> {
        settings.preview_header.as_ref()?;
        if self.channel.is_none() {
            let opened = TransferChannel::open().inspect_err(|error| {
                tracing::warn!(%error, "--preview-header is without effect");
            });
            self.channel = opened.ok().map(Arc::new);
        }
        self.channel.clone()
    }

    /// The sockets of that generation, if it has some.
    pub fn of(&self, generation: Generation) -> Option<&Binds> {
        let open = self.open.as_ref();
        open.filter(|(of, _)| *of == generation)
            .map(|(_, binds)| binds)
    }

    /// In the child: the sockets for a worker of that generation.
    pub fn part_of(&mut self, generation: Generation) -> Vec<Listener> {
        match &mut self.open {
            Some((of, binds)) if *of == generation => std::mem::take(&mut binds.listeners),
            Some(_) | None => Vec::new(),
        }
    }

    /// The requested stage has begun.
    pub fn begin(&mut self, generation: Generation, token: Token) {
        self.open = self.asked.remove(&token).map(|binds| (generation, binds));
    }

    /// The generation serves now, or will not.
    pub fn end(&mut self, generation: Generation) {
        if let Some((_, mut binds)) = self.open.take_if(|(of, _)| *of == generation) {
            binds.close();
        }
    }

    /// The request was answered.
    pub fn answered(&mut self, token: Token) {
        if let Some(mut binds) = self.asked.remove(&token) {
            binds.close();
        }
    }

    /// The server ends.
    pub fn close(&mut self) {
        let open = self.open.take().map(|(_, binds)| binds);
        let asked = std::mem::take(&mut self.asked).into_values();
        asked.chain(open).for_each(|mut binds| binds.close());
    }
}
