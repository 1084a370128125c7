//! The settings of HTTP/2, gunicorn's spellings included.

use super::Typed;
use crate::config::{Error, Http2, Http2Settings, value};

pub(super) fn http2(typed: &Typed<'_>) -> Result<Http2Settings, Error> {
    Ok(Http2Settings {
        mode: mode(typed)?,
        concurrent_streams: typed.value("http2_max_concurrent_streams", |text| {
            value::number(text, 1..=i32::MAX.unsigned_abs())
        })?,
        stream_window: typed.value("http2_initial_window_size", value::window)?,
        frame_size: typed.value("http2_max_frame_size", value::frame_size)?,
        header_list_size: typed.value("http2_max_header_list_size", value::header_list_size)?,
    })
}

fn mode(typed: &Typed<'_>) -> Result<Http2, Error> {
    let mode = typed.value("http2", value::http2)?;
    let protocols = typed.optional("http_protocols", value::http_protocols)?;
    let cleartext = typed.value("http2_cleartext", value::http2_cleartext)?;
    if typed.last("http2").is_some() {
        return Ok(mode);
    }
    Ok(cleartext.or(protocols).unwrap_or(mode))
}
