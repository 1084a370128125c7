//! The limit on open descriptors: raised for the master, restored for the programs and workers that it starts.

use std::sync::OnceLock;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{Error, Result};

/// The soft limit that this process was started with.
static INHERITED: OnceLock<u64> = OnceLock::new();

/// Raises the soft limit to `wanted`, or as far as the hard one allows; never lowers it. Returns the new limit.
///
/// # Errors
/// The system's: the limit is unchanged.
pub fn raise_descriptor_limit(wanted: u64) -> Result<u64> {
    let failed = |call| move |e| Error::new(call, "RLIMIT_NOFILE", e);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed("getrlimit"))?;
    INHERITED.get_or_init(|| soft);
    let raised = wanted.min(hard).max(soft);
    if raised > soft {
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard).map_err(failed("setrlimit"))?;
    }
    Ok(raised)
}

/// In a child: programs that use select(2), or that close every descriptor they could have, rely on a low limit.
pub fn restore_descriptor_limit() {
    if let (Some(soft), Ok((_, hard))) = (INHERITED.get(), getrlimit(Resource::RLIMIT_NOFILE)) {
        // Lowering it cannot fail; descriptors above it stay open.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, *soft, hard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_raised_up_to_the_hard_one_and_restored() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux has it");
        assert_eq!(raise_descriptor_limit(1).expect("nothing to do"), soft);
        assert_eq!(raise_descriptor_limit(u64::MAX).expect("allowed"), hard);
        restore_descriptor_limit();
        let restored = getrlimit(Resource::RLIMIT_NOFILE).expect("Linux has it");
        assert_eq!(restored, (soft, hard));
    }
}
