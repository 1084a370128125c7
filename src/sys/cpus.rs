//! The CPUs that the kernel lets this process run on. Quotas are in `config/cpus.rs`.

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

/// CPUs in the affinity mask. `std::thread::available_parallelism` would mix in the quota, rounded down.
#[must_use]
pub fn affinity() -> usize {
    match sched_getaffinity(Pid::from_raw(0)) {
        Ok(set) => (0..CpuSet::count())
            .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
            .count(),
        // EINVAL: more CPUs than the mask has room for.
        Err(_) => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn at_least_the_one_that_runs_this() {
        assert!(super::affinity() >= 1);
    }
}
