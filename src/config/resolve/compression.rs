//! The settings of the compression of responses.

use super::Typed;
use crate::config::value;
use crate::config::{Error, ResponseCompression};

/// All are checked even if compression is off, so that an error is reported before it matters.
pub(super) fn compression(typed: &Typed<'_>) -> Result<Option<ResponseCompression>, Error> {
    let codings = typed.optional("compress", value::codings)?;
    let level = typed.value("compress_level", |text| value::number(text, 1..=9))?;
    let compression = ResponseCompression {
        codings: codings.unwrap_or_default(),
        level: u8::try_from(level).unwrap_or(9),
        min_size: typed.value("compress_min_size", value::size)?,
        types: typed.value("compress_types", value::media_types)?,
        credentials: typed.switch("compress_credentials")?,
    };
    Ok((!compression.codings.is_empty()).then_some(compression))
}
