//! What the supervisor reports, as the texts and numbers of log fields.

use std::fmt::{self, Write};
use std::time::Duration;

use super::supervisor::{
    BootFailure, BootPhase, CoreDump, Evidence, EvidenceSummary, Exit, Helper, KeptProcesses,
    KillReason, ReforkFailure, Regression, Retirement, Retry,
};

use crate::ipc::{InFlight, Phase};
use crate::sys::clock;
use crate::sys::signals::SignalNumber;

/// Number of a worker's requests shown in a line.
const SHOWN: usize = 10;

pub fn finding(finding: Regression) -> &'static str {
    match finding {
        Regression::NotWorse => "not worse",
        Regression::Errors => "more errors",
        Regression::Exceptions => "more exceptions",
        Regression::Slow => "slower",
    }
}

/// The finding with its numbers.
pub fn worse(evidence: &Evidence) -> String {
    let (new, old) = (&evidence.new, &evidence.old);
    let counts = |what: &str, new_count: u64, old_count: u64| {
        format!(
            "the canary has {new_count} {what} in {} requests, the other generation {old_count} in {}",
            new.requests, old.requests
        )
    };
    match evidence.finding {
        Regression::NotWorse => "the canary is not worse".to_owned(),
        Regression::Errors => counts("answers with 5xx", new.errors, old.errors),
        Regression::Exceptions => counts("exceptions", new.exceptions, old.exceptions),
        Regression::Slow => format!(
            "the canary's 95th percentile is {:?} in {} requests, the other generation's {:?} in {}",
            new.p95, new.requests, old.p95, old.requests
        ),
    }
}

/// What was compared.
pub fn comparison(evidence: &Evidence) -> String {
    let numbers = |of: &EvidenceSummary| {
        format!(
            "{} requests, {} answers with 5xx, {} exceptions, p95 {:?}",
            of.requests, of.errors, of.exceptions, of.p95
        )
    };
    let (new, old) = (numbers(&evidence.new), numbers(&evidence.old));
    format!("{new}; the other generation: {old}")
}

pub fn kill_reason(why: KillReason) -> &'static str {
    match why {
        KillReason::BootTimeout => "not ready within --boot-timeout",
        KillReason::Hung => "no sign of life for --timeout",
        KillReason::Overdue => "did not end within --graceful-timeout",
    }
}

pub fn boot_words(why: BootFailure) -> String {
    match why {
        BootFailure::Reported(phase) => phase_words(phase).to_owned(),
        BootFailure::Exited(exit) => format!("ended before it was ready: {}", ExitText(exit)),
        BootFailure::TimedOut => "not ready within --boot-timeout".to_owned(),
        BootFailure::NotSpawned => "it could not be started".to_owned(),
    }
}

pub fn refork_words(why: ReforkFailure) -> String {
    match why {
        ReforkFailure::Exited(exit) => {
            format!(
                "the worker ended before it was the mold: {}",
                ExitText(exit)
            )
        }
        ReforkFailure::Boot { why, .. } => {
            format!(
                "a worker forked from it did not become ready: {}",
                boot_words(why)
            )
        }
        ReforkFailure::Mold(BootFailure::TimedOut) => {
            "the new mold did not fork within --boot-timeout".to_owned()
        }
        ReforkFailure::Mold(_) => "the new mold ended".to_owned(),
    }
}

/// What a boot was at when its time was over.
pub fn unended(phase: Phase, ready_path: Option<&str>) -> String {
    match phase {
        Phase::Boot | Phase::Settings => "the worker was still being set up".to_owned(),
        Phase::Import | Phase::Load => "the app was still being imported".to_owned(),
        Phase::Lifespan => "the app's lifespan startup had not ended".to_owned(),
        Phase::ReadyPath => format!(
            "--ready-path {} was not answered",
            ready_path.unwrap_or_default()
        ),
    }
}

fn phase_words(phase: BootPhase) -> &'static str {
    match phase {
        BootPhase::Boot => "its set-up failed",
        BootPhase::Import | BootPhase::Load => "the app could not be loaded",
        BootPhase::Lifespan => "the app's lifespan startup failed",
        BootPhase::ReadyPath => "--ready-path was not answered with 2xx or 3xx",
        BootPhase::Settings => "its settings cannot be used",
    }
}

pub fn retirement(why: Retirement) -> &'static str {
    match why {
        Retirement::Requests => "--max-requests",
        Retirement::Memory => "--max-worker-memory",
        Retirement::Lifetime => "--max-worker-lifetime",
        Retirement::Requested => "asked for",
        Retirement::Hung => "one of its threads hangs",
        Retirement::BecomesMold => "--refork-after: it becomes the mold",
        Retirement::OlderMold => "--refork-after: the mold is a newer one",
    }
}

pub fn helper_words(helper: Helper) -> &'static str {
    match helper {
        Helper::Watcher => "watcher",
        Helper::Monitor => "monitor",
    }
}

pub fn retry_words(retry: Retry) -> &'static str {
    match retry {
        Retry::AtOnce => "at once",
        Retry::Paced { .. } => "paced",
        Retry::AtNextChange => "when a file changes",
        Retry::None => "none",
    }
}

pub fn delay(retry: Retry) -> Option<Duration> {
    match retry {
        Retry::Paced { delay, .. } => Some(delay),
        Retry::AtOnce | Retry::AtNextChange | Retry::None => None,
    }
}

pub fn failures(retry: Retry) -> Option<u32> {
    match retry {
        Retry::Paced { failures, .. } => Some(failures),
        Retry::AtOnce | Retry::AtNextChange | Retry::None => None,
    }
}

pub fn kept(kept: KeptProcesses) -> &'static str {
    match kept {
        KeptProcesses::Workers => "workers",
        KeptProcesses::Mold => "mold",
    }
}

/// Ten of them as `GET /a (1200 ms, id 7f3a, running), …`, those whose code runs first, then the oldest; `None` if
/// there are none.
pub fn requests(in_flight: &[InFlight]) -> Option<String> {
    let now = clock::monotonic_ms();
    let mut text = String::new();
    let mut sorted: Vec<_> = in_flight.iter().collect();
    sorted.sort_by_key(|request| (!request.runs, request.started_ms));
    for request in sorted.into_iter().take(SHOWN) {
        let age = now.saturating_sub(request.started_ms);
        let gap = if text.is_empty() { "" } else { ", " };
        let id = request.id.as_ref();
        let id = id.map_or_else(String::new, |id| format!(", id {id}"));
        let runs = if request.runs { ", running" } else { "" };
        let (method, path) = (&request.method, &request.path);
        write!(text, "{gap}{method} {path} ({age} ms{id}{runs})")
            .expect("a String takes everything");
    }
    if in_flight.len() > SHOWN {
        write!(text, " and {} more", in_flight.len() - SHOWN).expect("a String takes everything");
    }
    (!text.is_empty()).then_some(text)
}

/// `code 3`, `SIGKILL`, `SIGSEGV (core dumped)`.
pub struct ExitText(pub Exit);

impl fmt::Display for ExitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Exit::Code(code) => write!(f, "code {code}"),
            Exit::Signal { signal, core } => {
                let dumped = match core {
                    CoreDump::Written => " (core dumped)",
                    CoreDump::No => "",
                };
                write!(f, "{}{dumped}", SignalNumber::from_raw(signal))
            }
            Exit::OutOfMemory => f.write_str("SIGKILL (out of memory)"),
        }
    }
}

pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

pub fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_named_with_their_age() {
        assert_eq!(requests(&[]), None);
        let started_ms = clock::monotonic_ms().saturating_sub(1_000);
        let request = InFlight {
            started_ms,
            method: "GET".into(),
            path: "/slow".into(),
            id: None,
            runs: false,
        };
        let mut all = vec![request; 11];
        all.push(InFlight {
            started_ms: started_ms + 1,
            id: Some("7f3a".into()),
            runs: true,
            ..all[0].clone()
        });
        let text = requests(&all).expect("twelve");
        assert!(
            text.starts_with("GET /slow (") && text.ends_with(" ms) and 2 more"),
            "{text}"
        );
        // Its age is one of the clock's, with three digits or four.
        let first = text.split("), ").next().unwrap_or_default();
        assert!(first.ends_with(" ms, id 7f3a, running"), "{text}");
        assert_eq!(text.matches("GET").count(), 10);
    }

    #[test]
    fn an_end_is_told_as_it_was() {
        assert_eq!(ExitText(Exit::Code(3)).to_string(), "code 3");
        assert_eq!(
            ExitText(Exit::Signal {
                signal: 11,
                core: CoreDump::Written
            })
            .to_string(),
            "SIGSEGV (core dumped)"
        );
        assert_eq!(
            ExitText(Exit::Signal {
                signal: 9,
                core: CoreDump::No
            })
            .to_string(),
            "SIGKILL"
        );
    }
}
