//! Deliberate faults: each must break a law in some random history. A survivor shows a law that is not checked.

use super::histories::history;
use crate::master::supervisor::mutation::Mutation;

/// More than for the correct supervisor, because some faults need a rare constellation.
const HISTORIES: u64 = 20_000;

fn killers(mutation: Mutation) -> Option<(u64, String)> {
    (0..HISTORIES).find_map(|seed| Some((seed, history(seed, Some(mutation)).err()?)))
}

#[test]
fn every_fault_is_caught() {
    let survivors: Vec<_> = Mutation::ALL
        .iter()
        .filter(|mutation| match killers(**mutation) {
            Some((seed, law)) => {
                println!("{mutation:?}: seed {seed}: {law:.150}");
                false
            }
            None => true,
        })
        .collect();
    assert!(
        survivors.is_empty(),
        "these faults go unnoticed: {survivors:?}"
    );
}
