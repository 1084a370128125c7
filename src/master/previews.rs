//! The sockets at which a staged generation can be inspected before it serves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::binds::Binds;
use super::supervisor::{Generation, Token};
use crate::config::Settings;
use crate::ipc::HeldChannels;
use crate::sys::Listener;

#[derive(Debug, Default)]
pub struct Previews {
    /// For requested stages that have not begun.
    pub(super) asked: BTreeMap<Token, Binds>,
    open: Option<(Generation, Binds)>,
    /// Where workers pass connections to those of a generation that is held, and back.
    pub(super) channels: Option<Arc<HeldChannels>>,
    /// This generation has workers of a program that did not have the way back.
    pub(super) without_way_back: Option<Generation>,
}

impl Previews {
    /// `None`: workers with these settings do not use it.
    pub fn channels_for(&mut self, settings: &Settings) -> Option<Arc<HeldChannels>> {
        if settings.preview_header.is_none() && settings.canary_cookie.is_none() {
            return None;
        }
        if self.channels.is_none() {
            let opened = HeldChannels::open().inspect_err(|error| {
                tracing::warn!(%error, "--preview-header and --canary-cookie are without effect");
            });
            self.channels = opened.ok().map(Arc::new);
        }
        self.channels.clone()
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
