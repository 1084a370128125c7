//! Notifications to the service manager (systemd's `Type=notify`): state, status text, watchdog.
//!
//! Nothing here waits: a datagram that cannot be sent is retried in the next turn, in order.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::time::Duration;

use super::supervisor::ServiceState;
use crate::sys::{NotifySocket, Pid, Sent};

/// During a long phase: how often more time is requested, and how much from then on. Our own deadlines bound it; a
/// hung master requests nothing.
const EXTEND_EVERY: Duration = Duration::from_secs(5);
const EXTENSION: Duration = Duration::from_secs(20);
/// Numbers in the status are for people: they may be this old.
const REFRESH: Duration = Duration::from_secs(10);
/// Maximum number of messages kept for a manager that does not read.
const MOST_UNSENT: usize = 64;
/// Workers send a heartbeat once a second: a shorter interval is meaningless.
const SHORTEST_BEAT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct ServiceNotifier {
    socket: Option<NotifySocket>,
    watchdog: Option<Watchdog>,
    unsent: VecDeque<String>,
    /// `None`: the first boot.
    state: Option<ServiceState>,
    shown: ShownStatus,
    extended: Option<Duration>,
}

#[derive(Debug)]
struct Watchdog {
    interval: Duration,
    next: Duration,
}

#[derive(Debug, Default)]
struct ShownStatus {
    words: String,
    numbers: String,
    at: Duration,
}

/// The condition of the service at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// Text that an operator should see at once.
    pub words: String,
    /// Numbers that change all the time.
    pub numbers: String,
    /// The most recent heartbeat of a worker; `None`: there is none.
    pub beat: Option<Duration>,
}

impl ServiceNotifier {
    /// For this process, from its environment.
    pub fn of_this_process() -> Self {
        let number = |name| {
            env::var(name)
                .ok()
                .and_then(|text| text.parse::<u64>().ok())
        };
        let meant_for_us = match env::var_os("WATCHDOG_PID") {
            None => true,
            Some(pid) => pid.to_str() == Some(Pid::this().to_string().as_str()),
        };
        let interval = number("WATCHDOG_USEC").filter(|usec| *usec > 0 && meant_for_us);
        Self::new(
            env::var_os("NOTIFY_SOCKET"),
            interval.map(Duration::from_micros),
        )
    }

    fn new(name: Option<OsString>, interval: Option<Duration>) -> Self {
        let socket = name.filter(|name| !name.is_empty()).and_then(|name| {
            NotifySocket::open(&name)
                .inspect_err(|error| tracing::warn!(%error, "cannot open NOTIFY_SOCKET"))
                .ok()
        });
        Self {
            socket,
            watchdog: interval.map(|interval| Watchdog {
                interval,
                next: Duration::ZERO,
            }),
            unsent: VecDeque::new(),
            state: None,
            shown: ShownStatus::default(),
            extended: None,
        }
    }

    /// Of a master that does not notify the manager.
    pub fn silent() -> Self {
        Self::new(None, None)
    }

    /// That process is the service from here on, and says what becomes of it.
    pub fn pass_on(&mut self, main: Pid) {
        self.state = Some(ServiceState::Stopping);
        self.notify(format!("MAINPID={main}"));
    }

    /// The program before this one has said that it is ready.
    pub fn resume(&mut self) {
        self.state = Some(ServiceState::Ready);
    }

    /// A service manager listens: otherwise `tick` needs no data.
    pub fn is_heard(&self) -> bool {
        self.socket.is_some()
    }

    /// When `tick` must be called at the latest; no earlier than the supervisor's own pulse.
    pub fn due(&self) -> Option<Duration> {
        self.socket.as_ref()?;
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }

    /// Sends a change of state. `now`: the machine's monotonic clock, which systemd compares with its own.
    pub fn change(&mut self, now: Duration, state: ServiceState, condition: &Condition) {
        // Stopping is final, for the manager as for us.
        if self.state == Some(ServiceState::Stopping) {
            return;
        }
        self.state = Some(state);
        self.extended = None;
        let status = self.show(now, condition);
        let message = match state {
            ServiceState::Ready => format!("READY=1\nMAINPID={}\n{status}", Pid::this()),
            // In one datagram: separately they would have another meaning.
            ServiceState::Reloading => {
                format!("RELOADING=1\nMONOTONIC_USEC={}\n{status}", now.as_micros())
            }
            ServiceState::Stopping => format!("STOPPING=1\n{status}"),
        };
        self.notify(message);
    }

    /// Once per turn of the master's loop, which makes it a proof of life.
    pub fn tick(&mut self, now: Duration, condition: &Condition) {
        self.extend(now);
        let words = condition.words != self.shown.words;
        let numbers = condition.numbers != self.shown.numbers;
        if words || (numbers && now.saturating_sub(self.shown.at) >= REFRESH) {
            let status = self.show(now, condition);
            self.notify(status);
        }
        self.beat(now, condition.beat);
        self.flush();
    }

    fn extend(&mut self, now: Duration) {
        let steady = self.state == Some(ServiceState::Ready);
        let recent = |at: Duration| now.saturating_sub(at) < EXTEND_EVERY;
        if steady || self.extended.is_some_and(recent) {
            return;
        }
        self.extended = Some(now);
        self.notify(format!("EXTEND_TIMEOUT_USEC={}", EXTENSION.as_micros()));
    }

    /// If all workers are stuck, the service is: the watchdog is not fed.
    fn beat(&mut self, now: Duration, youngest: Option<Duration>) {
        let Some(watchdog) = self
            .watchdog
            .as_mut()
            .filter(|watchdog| watchdog.next <= now)
        else {
            return;
        };
        watchdog.next = now + watchdog.interval / 2;
        let limit = watchdog.interval.max(SHORTEST_BEAT);
        if youngest.is_some_and(|age| age <= limit) {
            self.notify("WATCHDOG=1".to_owned());
        }
    }

    fn show(&mut self, now: Duration, condition: &Condition) -> String {
        self.shown = ShownStatus {
            words: condition.words.clone(),
            numbers: condition.numbers.clone(),
            at: now,
        };
        let gap = if condition.numbers.is_empty() {
            ""
        } else {
            ", "
        };
        format!("STATUS={}{gap}{}", condition.words, condition.numbers)
    }

    fn notify(&mut self, message: String) {
        if self.socket.is_none() {
            return;
        }
        self.unsent.push_back(message);
        while self.unsent.len() > MOST_UNSENT {
            self.unsent.pop_front();
        }
        self.flush();
    }

    fn flush(&mut self) {
        let Some(socket) = &self.socket else {
            return;
        };
        while let Some(message) = self.unsent.front() {
            match socket.send(message) {
                Sent::Full => return,
                Sent::Closed => tracing::debug!(message, "cannot write to NOTIFY_SOCKET"),
                Sent::Whole => tracing::trace!(message, "told the service manager"),
            }
            self.unsent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    struct Manager {
        service: ServiceNotifier,
        socket: UnixDatagram,
        _directory: tempfile::TempDir,
    }

    impl Manager {
        fn new(interval: Option<Duration>) -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let path = directory.path().join("notify");
            let socket = UnixDatagram::bind(&path).expect("a free path");
            socket.set_nonblocking(true).expect("a flag");
            Self {
                service: ServiceNotifier::new(Some(path.into_os_string()), interval),
                socket,
                _directory: directory,
            }
        }

        fn heard(&self) -> Vec<String> {
            let mut buffer = [0; 512];
            std::iter::from_fn(|| {
                let length = self.socket.recv(&mut buffer).ok()?;
                Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
            })
            .collect()
        }

        fn tick(&mut self, seconds: u64, condition: &Condition) -> Vec<String> {
            self.service.tick(Duration::from_secs(seconds), condition);
            self.heard()
        }
    }

    fn condition(words: &str, numbers: &str) -> Condition {
        Condition {
            words: words.to_owned(),
            numbers: numbers.to_owned(),
            beat: Some(Duration::ZERO),
        }
    }

    #[test]
    fn a_reload_names_its_moment_in_the_same_datagram() {
        let mut manager = Manager::new(None);
        let now = Duration::from_micros(1_234_567);
        manager
            .service
            .change(now, ServiceState::Reloading, &condition("a", "b"));
        assert_eq!(
            manager.heard(),
            ["RELOADING=1\nMONOTONIC_USEC=1234567\nSTATUS=a, b"]
        );
    }

    #[test]
    fn time_is_asked_for_until_it_is_ready_and_while_it_stops() {
        let mut manager = Manager::new(None);
        let all = condition("x", "");
        let extension = "EXTEND_TIMEOUT_USEC=20000000";
        assert_eq!(manager.tick(100, &all), [extension, "STATUS=x"]);
        assert_eq!(manager.tick(104, &all), [""; 0]);
        assert_eq!(manager.tick(105, &all), [extension]);
        manager
            .service
            .change(Duration::from_secs(106), ServiceState::Ready, &all);
        let ready = format!("READY=1\nMAINPID={}\nSTATUS=x", std::process::id());
        assert_eq!(manager.heard(), [ready]);
        assert_eq!(manager.tick(200, &all), [""; 0]);
        manager
            .service
            .change(Duration::from_secs(201), ServiceState::Stopping, &all);
        assert_eq!(manager.heard(), ["STOPPING=1\nSTATUS=x"]);
        assert_eq!(manager.tick(202, &all), [extension]);
        manager
            .service
            .change(Duration::from_secs(203), ServiceState::Ready, &all);
        assert_eq!(manager.heard(), [""; 0], "stopping is final");
    }

    #[test]
    fn words_are_told_at_once_and_numbers_now_and_then() {
        let mut manager = Manager::new(None);
        manager.service.state = Some(ServiceState::Ready);
        assert_eq!(manager.tick(100, &condition("a", "1")), ["STATUS=a, 1"]);
        assert_eq!(manager.tick(101, &condition("a", "2")), [""; 0]);
        assert_eq!(manager.tick(110, &condition("a", "2")), ["STATUS=a, 2"]);
        assert_eq!(manager.tick(111, &condition("b", "2")), ["STATUS=b, 2"]);
    }

    #[test]
    fn the_watchdog_is_fed_while_a_worker_lives() {
        let mut manager = Manager::new(Some(Duration::from_secs(4)));
        manager.service.state = Some(ServiceState::Ready);
        let aged = |seconds| Condition {
            beat: Some(Duration::from_secs(seconds)),
            ..Condition::default()
        };
        assert_eq!(manager.tick(100, &aged(0)), ["WATCHDOG=1"]);
        assert_eq!(manager.tick(101, &aged(0)), [""; 0]);
        assert_eq!(manager.service.due(), Some(Duration::from_secs(102)));
        assert_eq!(manager.tick(102, &aged(4)), ["WATCHDOG=1"]);
        assert_eq!(manager.tick(104, &aged(5)), [""; 0], "stuck");
        assert_eq!(manager.tick(106, &Condition::default()), [""; 0], "gone");
    }
}
