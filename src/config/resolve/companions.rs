//! The programs beside the workers: each with a name that no other one has.

use super::{Given, Typed, understand};
use crate::config::{CompanionSettings, Error, definition, value};

pub(super) fn companions(typed: &Typed<'_>) -> Result<Vec<CompanionSettings>, Error> {
    let definition = definition("beside").expect("a test resolves all names");
    let mut all: Vec<CompanionSettings> = Vec::new();
    for Given { text, origin } in typed.layers.given(definition.name) {
        let more = understand(definition, text, origin, |text| {
            value::companions(text, &all)
        })?;
        all.extend(more);
    }
    Ok(all)
}
