//! How much memory processes have, from /proc. Counting shared pages costs the kernel a walk over all of them, so that number is
//! kept for a while.

use std::collections::BTreeMap;
use std::fs;

use crate::sys::Pid;
use crate::sys::process::resident;

/// How old a proportional size may be.
const KEPT_MS: u64 = 15_000;

#[derive(Debug, Default)]
pub struct Memory {
    proportional: BTreeMap<Pid, (u64, Option<u64>)>,
}

/// In bytes; `None`: nobody tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    pub resident: Option<u64>,
    /// Shared pages divided by who shares them.
    pub proportional: Option<u64>,
}

impl Memory {
    pub fn of(&mut self, pid: Pid, now_ms: u64) -> Size {
        let kept = self
            .proportional
            .get(&pid)
            .filter(|(at, _)| now_ms.saturating_sub(*at) < KEPT_MS);
        let proportional = if let Some((_, kept)) = kept {
            *kept
        } else {
            let found = proportional(pid);
            self.proportional.insert(pid, (now_ms, found));
            found
        };
        Size {
            resident: resident(pid),
            proportional,
        }
    }

    /// Forgets who was not asked about for long.
    pub fn forget(&mut self, now_ms: u64) {
        self.proportional
            .retain(|_, (at, _)| now_ms.saturating_sub(*at) < 2 * KEPT_MS);
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
        let mut memory = Memory::default();
        let size = memory.of(Pid::this(), 1_000);
        let (resident, proportional) = (size.resident.expect("proc"), size.proportional);
        assert!(resident > 1 << 20);
        if let Some(proportional) = proportional {
            assert!(proportional > 1 << 16 && proportional <= resident * 2);
        }
        memory.forget(1_000 + 2 * KEPT_MS);
        assert!(memory.proportional.is_empty());
    }
}
