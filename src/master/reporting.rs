//! Recipients of reports: the log, the counters, the service manager, the caller of `--daemon`.

use super::daemon::{self, Announcement};
use super::event_log::EventLog;
use super::molds::Molds;
use super::note::Note;
use super::restart_counters::RestartCounters;
use super::service::ServiceNotifier;
use super::supervisor::Report;
use super::workers::Workers;

pub struct Reporting {
    pub event_log: EventLog,
    /// Description of the app, from the newest worker.
    pub description: String,
    /// Of the newest worker, where Django's settings decide them: `/static -> /srv/static`, one a line.
    pub static_files: String,
    pub restart_counters: RestartCounters,
    pub note: Note,
    pub service: ServiceNotifier,
    /// Set while the caller of `--daemon` waits.
    pub announcement: Option<Announcement>,
}

impl Reporting {
    pub fn of_this_process() -> Self {
        Self {
            event_log: EventLog::default(),
            description: String::new(),
            static_files: String::new(),
            restart_counters: RestartCounters::default(),
            note: Note::default(),
            service: ServiceNotifier::of_this_process(),
            announcement: None,
        }
    }

    pub fn take(&mut self, report: &Report, workers: &Workers, molds: &Molds) {
        self.note.take(report);
        self.restart_counters.note(report);
        self.event_log.write(report, workers, molds);
        let failure = self.event_log.start_failure.as_ref();
        daemon::announce(&mut self.announcement, report, failure);
    }
}
