//! The error log of this process: level, output, and the queued lines. Events come from `subscriber.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use parking_lot::Mutex;

use super::colour::Style;
use super::line::{Colour, Head, LogMessage};
use super::relay::{self, RelayItem};
use super::sink::Sink;
use super::stamp::RenderedTime;
use super::{record, shape, statsd, syslog};
use crate::config::{LineShape, LogFormat, LogLevel, LogTarget};
use crate::sys::{self, Identity, Output};

#[derive(Debug)]
pub(super) struct ErrorLog {
    level: AtomicU8,
    /// Looked up once: a system call for each line is not worth it.
    pid: AtomicU32,
    /// Information is left out until the server is up: a terminal then shows a text instead.
    holds_back: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    target: LogTarget,
    sink: Sink,
    stamp: RenderedTime,
    format: LogFormat,
    /// Of text that has one of its own.
    shape: Option<LineShape>,
    colour: Colour,
    /// That the log cannot be written was said on standard error.
    complained: bool,
}

impl ErrorLog {
    pub(super) fn new(target: LogTarget, output: Arc<Output>, level: LogLevel) -> ErrorLog {
        ErrorLog {
            level: AtomicU8::new(level as u8),
            pid: AtomicU32::new(std::process::id()),
            holds_back: AtomicBool::new(false),
            inner: Mutex::new(Inner {
                target,
                colour: colour(&output),
                sink: Sink::new(output),
                stamp: RenderedTime::iso(),
                format: LogFormat::Text,
                shape: None,
                complained: false,
            }),
        }
    }

    pub(super) fn wants(&self, level: LogLevel) -> bool {
        level as u8 >= self.level.load(Ordering::Relaxed)
    }

    pub(super) fn hold_back(&self) {
        let inner = self.inner.lock();
        let for_people = inner.format == LogFormat::Text && inner.shape.is_none();
        let on_terminal = inner.sink.output().is_terminal();
        self.holds_back
            .store(for_people && on_terminal, Ordering::Relaxed);
    }

    pub(super) fn show_start(&self, text: impl FnOnce(Style) -> String) {
        if self.holds_back.swap(false, Ordering::Relaxed) {
            let mut inner = self.inner.lock();
            let style = match inner.colour {
                Colour::Always => Style::COLOURED,
                Colour::Never => Style::PLAIN,
            };
            inner.sink.put(text(style).into_bytes());
        }
    }

    pub(super) fn set_level(&self, level: LogLevel) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    pub(super) fn set_format(&self, format: LogFormat, shape: Option<LineShape>) {
        let mut inner = self.inner.lock();
        inner.format = format;
        inner.shape = shape;
        inner.stamp = match format {
            LogFormat::Text => RenderedTime::iso(),
            LogFormat::Json | LogFormat::Logfmt => RenderedTime::rfc3339(),
        };
    }

    /// Logs an event of ours, and passes it to statsd, Python's loggers and syslog.
    pub(super) fn write(&self, level: LogLevel, event: &LogMessage) {
        statsd::message(level, !event.traceback.is_empty());
        if level <= LogLevel::Info && self.holds_back.load(Ordering::Relaxed) {
            return;
        }
        if relay::takes_errors() {
            let text = event.bare();
            relay::put(RelayItem::Error { level, text });
        }
        if relay::error_is_native() {
            self.put_down(level, event);
        }
    }

    /// As `write`, for a record of one of Python's loggers, which gunicorn does not count.
    pub(super) fn put_down(&self, level: LogLevel, event: &LogMessage) {
        {
            let mut inner = self.inner.lock();
            self.put(&mut inner, level, event);
            self.report_dropped(&mut inner);
        }
        if syslog::is_on() {
            syslog::error(level, &event.bare());
        }
    }

    /// What the app writes to the stream that WSGI gives it.
    pub(super) fn put_stream(&self, text: &str) {
        let format = self.inner.lock().format;
        match format {
            LogFormat::Text => self.put_raw(text),
            LogFormat::Json | LogFormat::Logfmt => {
                let text = text.trim_end_matches('\n').to_owned();
                self.put_down(LogLevel::Error, &LogMessage::of_python(text, String::new()));
            }
        }
    }

    /// Whole lines of a handler's own making.
    pub(super) fn put_raw(&self, text: &str) {
        let mut inner = self.inner.lock();
        inner.sink.put(text.as_bytes().to_vec());
        self.report_dropped(&mut inner);
    }

    pub(super) fn flush(&self) {
        let mut inner = self.inner.lock();
        inner.sink.flush();
        self.report_dropped(&mut inner);
    }

    pub(super) fn pending(&self) -> Option<Arc<Output>> {
        let inner = self.inner.lock();
        inner
            .sink
            .is_waiting()
            .then(|| Arc::clone(inner.sink.output()))
    }

    pub(super) fn is_to_file(&self) -> bool {
        matches!(self.inner.lock().target, LogTarget::File(_))
    }

    /// Gives the file, if it is one, to that user.
    pub(super) fn give_to(&self, identity: &Identity) -> sys::Result<()> {
        let inner = self.inner.lock();
        match &inner.target {
            LogTarget::File(path) => inner.sink.output().give_to(identity, path),
            LogTarget::Stdout | LogTarget::Stderr => Ok(()),
        }
    }

    pub(super) fn output(&self) -> Arc<Output> {
        Arc::clone(self.inner.lock().sink.output())
    }

    pub(super) fn after_fork(&self) {
        self.pid.store(std::process::id(), Ordering::Relaxed);
        self.holds_back.store(false, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.sink.forget();
    }

    pub(super) fn redirect(&self, target: LogTarget, output: Arc<Output>) {
        let mut inner = self.inner.lock();
        inner.colour = colour(&output);
        inner.target = target;
        inner.sink.redirect(output);
    }

    pub(super) fn reopen(&self) -> sys::Result<()> {
        let target = self.inner.lock().target.clone();
        if let LogTarget::File(_) = target {
            let output = super::open(&target)?;
            self.redirect(target, output);
        }
        Ok(())
    }

    fn put(&self, inner: &mut Inner, level: LogLevel, event: &LogMessage) {
        let record = self.render(inner, level, event);
        inner.sink.put(record);
    }

    fn render(&self, inner: &mut Inner, level: LogLevel, event: &LogMessage) -> Vec<u8> {
        let pid = self.pid.load(Ordering::Relaxed);
        match inner.format {
            LogFormat::Text if let Some(shape) = &inner.shape => {
                let record = shape::LogRecord {
                    level,
                    pid,
                    logger: "gunicorn.error",
                    message: &event.one_line(),
                };
                event.below(shape::render(shape, &record))
            }
            LogFormat::Text => event.render(Head {
                stamp: inner.stamp.now(),
                pid,
                level,
                colour: inner.colour,
            }),
            LogFormat::Json => record::json(event, &mut inner.stamp, pid, level),
            LogFormat::Logfmt => record::logfmt(event, &mut inner.stamp, pid, level),
        }
    }

    /// Logs the number of dropped lines as soon as there is room for it.
    fn report_dropped(&self, inner: &mut Inner) {
        self.complain(inner);
        if let Some(lines) = inner.sink.dropped() {
            let plural = if lines == 1 { "" } else { "s" };
            let note = LogMessage::plain(&format!("{lines} log line{plural} dropped"));
            let note = self.render(inner, LogLevel::Warning, &note);
            inner.sink.put_note(note);
        }
    }

    /// Says once on standard error that the log cannot be written, and why, if that leads elsewhere.
    fn complain(&self, inner: &mut Inner) {
        let Some(error) = inner.sink.failure() else {
            inner.complained = false;
            return;
        };
        let LogTarget::File(path) = &inner.target else {
            return;
        };
        if std::mem::replace(&mut inner.complained, true) {
            return;
        }
        let path = path.display();
        let event = LogMessage::plain(&format!(
            "the error log {path} cannot be written, lines are dropped: {}",
            sys::Error::reason(error)
        ));
        let line = self.render(inner, LogLevel::Error, &event);
        // A daemon's may be the same file, and one that is closed has no reader.
        if let Ok(output) = Output::stderr()
            && !output.is_same_file(inner.sink.output())
        {
            drop(output.attempt(&line));
        }
    }
}

fn colour(output: &Output) -> Colour {
    if super::colour::is_wanted(output.is_terminal()) {
        Colour::Always
    } else {
        Colour::Never
    }
}

#[cfg(test)]
mod tests;
