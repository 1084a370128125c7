//! How a new version comes to serve, and what is kept of the one before.

use super::Typed;
use crate::config::value::{self, InvalidValue};
use crate::config::{Error, Preload, RollbackKeep, UpgradeMode};

pub(super) fn preload(typed: &Typed) -> Result<Preload, Error> {
    Ok(
        match (typed.switch("preload_app")?, typed.switch("reload")?) {
            (true, false) => Preload::InMold,
            // Code that changes with every save is not worth keeping.
            (true, true) | (false, _) => Preload::InWorkers,
        },
    )
}

/// Without the app in it a mold could only load the code that is on the disk by then.
pub(super) fn rollback_keep(typed: &Typed) -> Result<RollbackKeep, Error> {
    let preloads = typed.switch("preload_app")?;
    let keep =
        typed.value("rollback_keep", |text| match value::rollback_keep(text)? {
            RollbackKeep::Mold if !preloads => Err(InvalidValue::new("needs --preload")
                .hint("only then the mold has imported the app")),
            keep => Ok(keep),
        })?;
    Ok(match preload(typed)? {
        Preload::InMold => keep,
        Preload::InWorkers => RollbackKeep::Workers,
    })
}

/// Each of two masters would have these.
pub(super) fn upgrade_mode(typed: &Typed) -> Result<UpgradeMode, Error> {
    let both = [("admin_bind", "--admin-bind"), ("beside", "--beside")];
    let both = both.iter().find(|(name, _)| typed.last(name).is_some());
    typed.value("upgrade_mode", |text| match value::upgrade_mode(text)? {
        UpgradeMode::Fork if let Some((_, option)) = both => {
            Err(InvalidValue::new(format!("is not possible with {option}"))
                .hint("the default, in-place, is"))
        }
        mode => Ok(mode),
    })
}
