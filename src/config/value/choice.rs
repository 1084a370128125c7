//! Values that are one of a few names.

use super::{InvalidValue, ParsedValue};
use crate::config::{
    Compression, EventLoop, GarbageCollection, HeaderMap, Lifespan, LogLevel, ProxyProtocol,
    ReloadEngine, RollbackKeep, UpgradeMode, WarmUp, WebSockets,
};

pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> ParsedValue<T> {
    let lower = text.trim().to_ascii_lowercase();
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == lower) {
        return Ok(*value);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
    Err(InvalidValue::new(format!(
        "is none of {}",
        names.join(", ")
    )))
}

/// On or off. An option without a value has an empty text.
pub(in crate::config) fn switch(text: &str) -> ParsedValue<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" | "true" | "yes" | "on" | "1" | "y" => Ok(true),
        "false" | "no" | "off" | "0" | "n" => Ok(false),
        _ => Err(InvalidValue::new("is neither true nor false")),
    }
}

pub(in crate::config) fn event_loop(text: &str) -> ParsedValue<EventLoop> {
    choice(
        text,
        &[
            ("auto", EventLoop::Auto),
            ("asyncio", EventLoop::Asyncio),
            ("uvloop", EventLoop::Uvloop),
        ],
    )
}

pub(in crate::config) fn reload_engine(text: &str) -> ParsedValue<ReloadEngine> {
    choice(
        text,
        &[
            ("auto", ReloadEngine::Auto),
            ("inotify", ReloadEngine::Inotify),
            ("poll", ReloadEngine::Poll),
        ],
    )
}

pub(in crate::config) fn lifespan(text: &str) -> ParsedValue<Lifespan> {
    choice(
        text,
        &[
            ("auto", Lifespan::Auto),
            ("on", Lifespan::On),
            ("off", Lifespan::Off),
        ],
    )
}

pub(in crate::config) fn warm_up(text: &str) -> ParsedValue<WarmUp> {
    choice(text, &[("auto", WarmUp::Auto), ("off", WarmUp::Off)])
}

pub(in crate::config) fn garbage_collection(text: &str) -> ParsedValue<GarbageCollection> {
    choice(
        text,
        &[
            ("default", GarbageCollection::Default),
            ("idle", GarbageCollection::Idle),
        ],
    )
}

pub(in crate::config) fn rollback_keep(text: &str) -> ParsedValue<RollbackKeep> {
    choice(
        text,
        &[
            ("workers", RollbackKeep::Workers),
            ("mold", RollbackKeep::Mold),
        ],
    )
}

pub(in crate::config) fn upgrade_mode(text: &str) -> ParsedValue<UpgradeMode> {
    choice(
        text,
        &[
            ("in-place", UpgradeMode::InPlace),
            ("fork", UpgradeMode::Fork),
        ],
    )
}

pub(in crate::config) fn websockets(text: &str) -> ParsedValue<WebSockets> {
    choice(
        text,
        &[("auto", WebSockets::Auto), ("off", WebSockets::Off)],
    )
}

pub(in crate::config) fn compression(text: &str) -> ParsedValue<Compression> {
    choice(
        text,
        &[
            ("on", Compression::On),
            ("off", Compression::Off),
            ("true", Compression::On),
            ("false", Compression::Off),
        ],
    )
}

pub(in crate::config) fn header_map(text: &str) -> ParsedValue<HeaderMap> {
    choice(
        text,
        &[
            ("drop", HeaderMap::Drop),
            ("refuse", HeaderMap::Refuse),
            ("dangerous", HeaderMap::Dangerous),
        ],
    )
}

pub(in crate::config) fn proxy_protocol(text: &str) -> ParsedValue<ProxyProtocol> {
    choice(
        text,
        &[
            ("off", ProxyProtocol::Off),
            ("v1", ProxyProtocol::V1),
            ("v2", ProxyProtocol::V2),
            ("auto", ProxyProtocol::Auto),
        ],
    )
}

pub(in crate::config) fn log_level(text: &str) -> ParsedValue<LogLevel> {
    // Spellings of Python's logging and of uvicorn.
    match text.trim().to_ascii_lowercase().as_str() {
        "warn" => return Ok(LogLevel::Warning),
        "fatal" => return Ok(LogLevel::Critical),
        "trace" => {
            return Err(InvalidValue::new("is not a level").hint("debug is the most verbose"));
        }
        _ => {}
    }
    choice(
        text,
        &[
            ("debug", LogLevel::Debug),
            ("info", LogLevel::Info),
            ("warning", LogLevel::Warning),
            ("error", LogLevel::Error),
            ("critical", LogLevel::Critical),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_case_and_pythons_other_ones() {
        assert_eq!(log_level("INFO"), Ok(LogLevel::Info));
        assert_eq!(log_level("warn"), Ok(LogLevel::Warning));
        assert_eq!(
            log_level("trace").unwrap_err().hint.as_deref(),
            Some("debug is the most verbose")
        );
        assert_eq!(
            lifespan("yes").unwrap_err().problem,
            "is none of auto, on, off"
        );
    }
}
