//! How much memory processes have, from /proc. Counting shared pages costs the kernel a walk over all of them: those numbers are
//! kept for a while, and a scrape takes only so long for new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::sys::process::resident;
use crate::sys::{Pid, clock};

/// How old a proportional size becomes before it is measured again.
const KEPT_MS: u64 = 15_000;
/// Probes wait for this long. With too many workers, the oldest sizes are measured, and the others by the next scrapes.
const BUDGET: Duration = Duration::from_millis(10);

/// When each was measured, and the result.
#[derive(Debug, Default)]
pub struct MemoryReadings {
    proportional: BTreeMap<Pid, (u64, Option<u64>)>,
}

/// In bytes; `None`: unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemorySize {
    pub resident: Option<u64>,
    /// Shared pages divided by the number of processes that share them.
    pub proportional: Option<u64>,
}

impl MemoryReadings {
    /// Measures again what is too old of `pids`, and removes all others.
    pub fn refresh(&mut self, pids: &BTreeSet<Pid>, now_ms: u64) {
        self.proportional.retain(|pid, _| pids.contains(pid));
        let measured = |pid: &Pid| self.proportional.get(pid).map(|(at, _)| *at);
        let is_old = |at: Option<u64>| at.is_none_or(|at| now_ms.saturating_sub(at) >= KEPT_MS);
        let mut due: Vec<(Option<u64>, Pid)> = pids
            .iter()
            .map(|pid| (measured(pid), *pid))
            .filter(|(at, _)| is_old(*at))
            .collect();
        due.sort();
        let began = clock::monotonic();
        for (_, pid) in due {
            self.proportional.insert(pid, (now_ms, proportional(pid)));
            if clock::monotonic().saturating_sub(began) >= BUDGET {
                break;
            }
        }
    }

    pub fn of(&self, pid: Pid) -> MemorySize {
        MemorySize {
            resident: resident(pid),
            proportional: self.proportional.get(&pid).and_then(|(_, size)| *size),
        }
    }
}

fn proportional(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some() {
        let mut memory = MemoryReadings::default();
        memory.refresh(&BTreeSet::from([Pid::this()]), 1_000);
        let size = memory.of(Pid::this());
        let (resident, proportional) = (size.resident.expect("proc"), size.proportional);
        assert!(resident > 1 << 20);
        if let Some(proportional) = proportional {
            assert!(proportional > 1 << 16 && proportional <= resident * 2);
        }
        memory.refresh(&BTreeSet::new(), 1_001);
        assert!(memory.proportional.is_empty());
    }

    #[test]
    fn a_size_is_kept_for_a_while() {
        let (mut memory, pids) = (MemoryReadings::default(), BTreeSet::from([Pid::this()]));
        let mut at = |now| {
            memory.refresh(&pids, now);
            memory.proportional.get(&Pid::this()).map(|(at, _)| *at)
        };
        assert_eq!(at(1_000), Some(1_000));
        assert_eq!(at(1_000 + KEPT_MS - 1), Some(1_000));
        assert_eq!(at(1_000 + KEPT_MS), Some(1_000 + KEPT_MS));
    }
}
