//! How a new version comes to serve, and what is kept of the one before.

use super::Typed;
use crate::config::value::{self, InvalidValue};
use crate::config::{Error, Preload, PreviewHeader, RollbackKeep, UpgradeMode};

pub(super) fn preload(typed: &Typed) -> Result<Preload, Error> {
    Ok(
        match (typed.switch("preload_app")?, typed.switch("reload")?) {
            (true, false) => Preload::InMold,
            // Code that changes with every save is not worth keeping.
            (true, true) | (false, _) => Preload::InWorkers,
        },
    )
}

/// Only a mold that has imported the app can be replaced by a worker.
pub(super) fn refork_after(typed: &Typed) -> Result<Option<u64>, Error> {
    let preloads = typed.switch("preload_app")?;
    let after = typed.value("refork_after", |text| {
        match value::number(text, 0..=u32::MAX)? {
            0 => Ok(None),
            _ if !preloads => Err(InvalidValue::new("needs --preload")
                .hint("workers are forked again from one that has served, in place of the mold")),
            after => Ok(Some(u64::from(after))),
        }
    })?;
    Ok(match preload(typed)? {
        Preload::InMold => after,
        Preload::InWorkers => None,
    })
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

pub(super) fn preview_header(typed: &Typed) -> Result<Option<PreviewHeader>, Error> {
    let clients = typed.value("preview_allow_ips", value::peers)?;
    let header = typed.optional("preview_header", |text| {
        let (name, value) = match text.split_once(':') {
            Some((name, value)) => (name, Some(value.trim().into())),
            None => (text, None),
        };
        let name = value::identifier_name(name.trim()).map_err(|_| {
            InvalidValue::new("does not begin with the name of a header field of your own")
        })?;
        Ok((name, value))
    })?;
    Ok(header.map(|(name, value)| PreviewHeader {
        name: name.into(),
        value,
        clients,
    }))
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
