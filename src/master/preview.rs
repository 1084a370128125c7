//! Opens the preview sockets of a stage.

use super::binds::Binds;
use super::shell::Shell;
use super::supervisor::Token;
use crate::config::preview_address;

impl Shell<'_> {
    /// Called before the stage is begun, so that an unusable address changes nothing.
    pub(super) fn open_preview(
        &mut self,
        token: Token,
        addresses: &[String],
    ) -> Result<(), String> {
        if addresses.is_empty() {
            return Ok(());
        }
        let read = addresses
            .iter()
            .map(|address| preview_address(address, "--bind"));
        let read = read.collect::<Result<Vec<_>, _>>()?;
        let settings = &self.generations.first;
        let binds = Binds::open_preview(&read, settings).map_err(|error| error.to_string())?;
        if let Some(identity) = &self.fleet.identity {
            binds.give(identity);
        }
        self.listening.previews.asked.insert(token, binds);
        Ok(())
    }
}
