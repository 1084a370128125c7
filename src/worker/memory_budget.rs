//! Budgets of a worker: for the memory that output to slow clients may use, beyond which it waits in files, and for
//! those files.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// In bytes.
const MOST: usize = 32 * 1024 * 1024;

#[derive(Debug)]
pub struct MemoryBudget {
    left: AtomicUsize,
}

/// A part of the budget; returned when it is dropped.
#[derive(Debug)]
pub struct BudgetShare {
    of: Arc<MemoryBudget>,
    size: usize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            left: AtomicUsize::new(most),
        }
    }

    /// `None`: not enough is left.
    pub fn take(self: &Arc<Self>, size: usize) -> Option<BudgetShare> {
        let mut share = BudgetShare {
            of: self.clone(),
            size: 0,
        };
        share.grow(size).then_some(share)
    }
}

impl BudgetShare {
    /// False: not enough is left, and the share is unchanged.
    pub fn grow(&mut self, more: usize) -> bool {
        let taken = (self.of.left).fetch_update(Relaxed, Relaxed, |left| left.checked_sub(more));
        if taken.is_ok() {
            self.size += more;
        }
        taken.is_ok()
    }

    /// Grows to at least `size`. False: not enough is left, and the share is unchanged.
    pub fn reach(&mut self, size: usize) -> bool {
        self.grow(size.saturating_sub(self.size))
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.of.left.fetch_add(self.size, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more_than_all() {
        let memory_budget = Arc::new(MemoryBudget::default());
        let mut share = memory_budget.take(MOST - 1).expect("all but one");
        assert!(memory_budget.take(2).is_none());
        assert!(!share.grow(2) && share.grow(1));
        assert!(memory_budget.take(1).is_none());
        assert!(share.reach(MOST) && share.reach(1) && !share.reach(MOST + 1));
        drop(share);
        assert!(memory_budget.take(MOST).is_some());
    }
}
