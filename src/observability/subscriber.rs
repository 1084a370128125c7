//! The receiver of the `tracing` facade. Spans are not used, and cost nothing.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata};

use super::CRITICAL;
use super::error_log::ErrorLog;
use super::line::LogMessage;
use crate::config::LogLevel;

#[derive(Debug)]
pub(super) struct Subscriber {
    log: Arc<ErrorLog>,
}

impl Subscriber {
    pub(super) fn new(log: Arc<ErrorLog>) -> Subscriber {
        Subscriber { log }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && severity(metadata).is_some_and(|level| self.log.wants(level))
    }
}

impl tracing::Subscriber for Subscriber {
    /// Called once for each call site and level: a disabled one costs one load and one branch afterwards.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let levels = [
            LevelFilter::ERROR,
            LevelFilter::WARN,
            LevelFilter::INFO,
            LevelFilter::DEBUG,
        ];
        let wanted = [
            LogLevel::Critical,
            LogLevel::Warning,
            LogLevel::Info,
            LogLevel::Debug,
        ]
        .map(|level| self.log.wants(level));
        // `Critical` is always wanted, so the first always counts.
        let most_verbose = levels.into_iter().zip(wanted).rfind(|(_, wanted)| *wanted);
        most_verbose.map(|(level, _)| level)
    }

    fn event(&self, event: &Event<'_>) {
        let Some(level) = severity(event.metadata()) else {
            return;
        };
        // Before any lock is taken: a field may log while it is formatted.
        let mut captured = LogMessage::default();
        event.record(&mut captured);
        self.log.write(level, &captured);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// `None`: never shown. Libraries are logged from warnings up; their other messages are not for our operator.
fn severity(metadata: &Metadata<'_>) -> Option<LogLevel> {
    let library = metadata.target().split("::").next();
    let ours = library == Some("rgun");
    if library == Some("h2") {
        // It warns of what any client may send, each time.
        return None;
    }
    match *metadata.level() {
        Level::ERROR if metadata.target() == CRITICAL => Some(LogLevel::Critical),
        Level::ERROR => Some(LogLevel::Error),
        Level::WARN => Some(LogLevel::Warning),
        Level::INFO if ours => Some(LogLevel::Info),
        Level::DEBUG if ours => Some(LogLevel::Debug),
        _ => None,
    }
}
