//! The data for metrics at one moment: read from the scoreboard and from `/proc`.

use std::collections::{BTreeMap, HashMap};

use super::companion::CompanionSample;
use super::generations::GenerationSample;
use super::memory::{MemoryReadings, MemorySize};
use super::ratio::Ratios;
use super::row::PageRow;
use crate::ipc::{Board, Counters, Page, ScoreboardState, ServiceFacts};
use crate::sys::Pid;

/// Everything at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub facts: ServiceFacts,
    pub addresses: Vec<String>,
    pub slots: Vec<SlotSnapshot>,
    pub states: BTreeMap<&'static str, u64>,
    pub processes: Vec<(&'static str, String, MemorySize)>,
    /// Certificates by name, and when they expire in seconds since 1970.
    pub expiry: Vec<(String, u64)>,
    pub companions: Vec<CompanionSample>,
    pub generations: Vec<GenerationSample>,
    /// By slot, and during a reload by generation.
    pub workers: Vec<PageRow>,
}

#[derive(Debug)]
pub struct SlotSnapshot {
    pub name: String,
    pub counters: Counters,
    pub connections: u64,
    /// Milliseconds since the last heartbeat; `None`: no worker.
    pub silent_ms: Option<u64>,
    pub busy_ratio: Option<f64>,
}

impl Snapshot {
    pub fn take(
        board: &Board,
        addresses: &[String],
        memory: &mut MemoryReadings,
        ratios: &mut Ratios,
        now: u64,
    ) -> Self {
        let living: Vec<Page> = board.living().collect();
        let mut states: BTreeMap<_, u64> = STATES.iter().map(|(_, name)| (*name, 0)).collect();
        for page in &living {
            *states.entry(state_name(page.state())).or_default() += 1;
        }
        let rows = living.iter();
        let rows = rows.map(|page| PageRow::of(*page, state_name(page.state()), now));
        let mut rows: Vec<PageRow> = rows.collect();
        rows.sort_by_key(|row| (row.slot, row.generation, row.pid));
        let slots = slots(board, &living);
        let work: Vec<(u32, u64, u64)> = slots
            .iter()
            .map(|(slot, counters, own)| {
                let threads = own.iter().map(Page::threads).max().unwrap_or(1);
                (*slot, counters.busy_us, threads)
            })
            .collect();
        let ratios = ratios.look(now, &work);
        let slots = slots
            .into_iter()
            .map(|(slot, counters, own)| SlotSnapshot {
                name: slot.to_string(),
                counters,
                connections: own.iter().map(Page::connections).sum(),
                silent_ms: own
                    .iter()
                    .map(|page| now.saturating_sub(page.heartbeat()))
                    .min(),
                busy_ratio: ratios.get(&slot).copied(),
            })
            .collect();
        let facts = board.facts();
        let pid = |pid: u64| i32::try_from(pid).ok().and_then(Pid::new);
        let own = u64::try_from(Pid::this().as_raw()).unwrap_or(0);
        let all = living.iter().map(Page::pid).chain([facts.pid, own]);
        memory.refresh(&all.filter_map(pid).collect(), now);
        let size = |number: u64| pid(number).map(|pid| memory.of(pid));
        let mut processes = Vec::new();
        for (kind, pid) in [("master", facts.pid), ("monitor", own)] {
            processes.extend(size(pid).map(|size| (kind, String::new(), size)));
        }
        let mut workers: BTreeMap<u64, MemorySize> = BTreeMap::new();
        for page in &living {
            if let Some(size) = size(page.pid()) {
                let sum = workers.entry(page.slot()).or_default();
                let add =
                    |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
                sum.resident = add(sum.resident, size.resident);
                sum.proportional = add(sum.proportional, size.proportional);
            }
        }
        processes.extend(
            workers
                .into_iter()
                .map(|(slot, size)| ("worker", slot.to_string(), size)),
        );
        Self {
            facts,
            addresses: addresses.to_vec(),
            slots,
            states,
            processes,
            expiry: Vec::new(),
            companions: Vec::new(),
            generations: Vec::new(),
            workers: rows,
        }
    }
}

/// Slots with a worker, with its pages, or with counts of earlier workers: a slot that was shown once stays, so that no sum
/// decreases. There may be thousands, and a probe waits behind them.
fn slots(board: &Board, living: &[Page]) -> Vec<(u32, Counters, Vec<Page>)> {
    let mut own: HashMap<u64, Vec<Page>> = HashMap::new();
    for page in living {
        own.entry(page.slot()).or_default().push(*page);
    }
    (0..)
        .zip(board.counters())
        .map(|(slot, counters)| (slot, counters, own.remove(&u64::from(slot))))
        .filter(|(_, counters, own)| own.is_some() || counters.accepted + counters.requests > 0)
        .map(|(slot, counters, own)| (slot, counters, own.unwrap_or_default()))
        .collect()
}

const STATES: [(ScoreboardState, &str); 5] = [
    (ScoreboardState::Booting, "booting"),
    (ScoreboardState::Ready, "standby"),
    (ScoreboardState::Accepting, "serving"),
    (ScoreboardState::Draining, "draining"),
    (ScoreboardState::Exiting, "exiting"),
];

fn state_name(state: Option<ScoreboardState>) -> &'static str {
    let state = state.unwrap_or(ScoreboardState::Booting);
    let found = STATES.iter().find(|(known, _)| *known == state);
    found.map_or("booting", |(_, name)| name)
}
