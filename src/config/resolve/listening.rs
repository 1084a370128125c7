//! The addresses of a server, read together: none of them can be opened twice.

use std::cell::RefCell;
use std::path::Path;

use super::Typed;
use crate::config::value::{self, InvalidValue, ParsedValue};
use crate::config::{Bind, Endpoint, Error};

/// Those of `--bind` and of `--admin-bind`. `base`: where relative paths start.
pub(super) fn addresses(
    typed: &Typed<'_>,
    base: &Path,
) -> Result<(Vec<Bind>, Vec<Endpoint>), Error> {
    let taken = RefCell::new(Vec::new());
    let once = |endpoint: &Endpoint| -> ParsedValue<()> {
        let mut taken = taken.borrow_mut();
        if opens_once(endpoint) && taken.contains(endpoint) {
            return Err(InvalidValue::new("is given twice")
                .hint("an address can be opened once: leave one of them out"));
        }
        taken.push(endpoint.clone());
        Ok(())
    };
    let bind = typed.list("bind", |text| {
        let bind = value::bind(text, base)?;
        once(&bind.endpoint).map(|()| bind)
    })?;
    let admin_bind = typed.list("admin_bind", |text| {
        let endpoint = value::own_address(text, base)?;
        once(&endpoint).map(|()| endpoint)
    })?;
    Ok((bind, admin_bind))
}

/// Each port 0 is another one, and a descriptor that is named twice is still one listener.
fn opens_once(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Tcp { port, .. } => *port != 0,
        Endpoint::Unix { .. } => true,
        Endpoint::Fd { .. } | Endpoint::FdName { .. } => false,
    }
}
