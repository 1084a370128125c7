//! Companions that run on while another program goes on in this one's place: their processes and the pipes of their output.

use std::collections::BTreeMap;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

use super::lines::PartialLine;
use super::output::CompanionOutput;
use super::processes::{CompanionProcesses, Running};
use crate::ipc;
use crate::master::Error;
use crate::master::descriptors::{KeptDescriptors, copy};
use crate::master::supervisor::CompanionId;
use crate::sys::Pid;
use crate::sys::signals::SignalNumber;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CompanionsState {
    running: Vec<KeptRunning>,
    restarts: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptRunning {
    companion: CompanionId,
    pid: i32,
    name: String,
    command: String,
    born_ms: u64,
    #[serde(default)]
    reopen: Option<i32>,
    /// `None`: it was closed.
    pipe: Option<RawFd>,
    /// What has come of its last line.
    partial: PartialLine,
}

impl CompanionProcesses {
    pub fn state(&self, kept: &mut KeptDescriptors) -> CompanionsState {
        let running = self.running.iter();
        CompanionsState {
            running: running
                .map(|(companion, running)| KeptRunning {
                    companion: *companion,
                    pid: running.pid.as_raw(),
                    name: running.name.clone(),
                    command: running.command.clone(),
                    born_ms: running.born_ms,
                    reopen: running.reopen.map(SignalNumber::as_raw),
                    pipe: running.output.pipe().map(|pipe| kept.keep(pipe)),
                    partial: running.output.partial_line(),
                })
                .collect(),
            restarts: self.restarts.clone(),
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: CompanionsState) -> Result<Self, Error> {
        let mut running = BTreeMap::new();
        for kept in state.running {
            let pid = Pid::new(kept.pid);
            let pid = pid.ok_or(ipc::Error::Malformed("a companion without a process"))?;
            let pipe = kept.pipe.map(copy).transpose()?;
            let its = Running {
                pid,
                output: CompanionOutput::restore(&kept.name, pipe, kept.partial),
                name: kept.name,
                command: kept.command,
                born_ms: kept.born_ms,
                reopen: kept.reopen.map(SignalNumber::from_raw),
            };
            running.insert(kept.companion, its);
        }
        Ok(Self {
            running,
            restarts: state.restarts,
            shown: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use super::*;
    use crate::sys::{close_inherited, pipe_from_program};

    #[test]
    fn what_was_written_is_read_again_and_a_begun_line_goes_on() {
        let (ours, theirs) = pipe_from_program().expect("descriptors");
        let mut theirs = std::fs::File::from(theirs);
        let mut before = CompanionProcesses::default();
        theirs.write_all(b"first\nsec").expect("there is room");
        let mut output = CompanionOutput::new("beat", ours);
        output.hear(Duration::from_secs(9));
        let running = Running {
            pid: Pid::this(),
            name: "beat".to_owned(),
            command: "celery beat".to_owned(),
            born_ms: 77,
            reopen: Some(SignalNumber::USR1),
            output,
        };
        before.running.insert(CompanionId(3), running);
        before.restarts.insert("beat".to_owned(), 5);
        let mut kept = KeptDescriptors::default();
        let text = serde_json::to_string(&before.state(&mut kept)).expect("it has a form");
        // The exec closes what belongs to the program before; what was kept is open until all is copied.
        let after = CompanionProcesses::restore(serde_json::from_str(&text).expect("just written"));
        let after = after.expect("open");
        std::mem::forget(before);
        close_inherited(kept.numbers());
        let its = after.get(CompanionId(3)).expect("it was there");
        assert_eq!((its.pid, its.born_ms), (Pid::this(), 77));
        assert_eq!(its.reopen, Some(SignalNumber::USR1));
        assert_eq!(
            (its.name.as_str(), its.command.as_str()),
            ("beat", "celery beat")
        );
        assert_eq!(after.restarts_of("beat"), 5);
        assert!(its.output.watched().is_some());
        let mut again = KeptDescriptors::default();
        let mut lines = its.output.partial_line().into_lines();
        let mut logged = Vec::new();
        lines.push(b"ond\n", |line| logged.push(line.to_owned()));
        assert_eq!(logged, ["second"]);
        assert_eq!(after.state(&mut again).running.len(), 1);
    }
}
