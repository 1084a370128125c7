//! Detects a fork of this process: such a child shares the descriptors of its parent.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static WATCHED: Once = Once::new();
static IS_CHILD: AtomicBool = AtomicBool::new(false);

extern "C" fn in_child() {
    IS_CHILD.store(true, Relaxed);
}

/// From here on `is_forked_child` is true in every child that is forked without exec, by whatever library, and false in this
/// process. Called by a worker and by a mold after their own fork.
pub fn watch_forks() {
    IS_CHILD.store(false, Relaxed);
    WATCHED.call_once(|| {
        // SAFETY: the handler is a function of this library, which is never unloaded, and only stores to an atomic.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// This process was forked after `watch_forks`, by code of the app's. One load: cheap enough for each request.
pub fn is_forked_child() -> bool {
    IS_CHILD.load(Relaxed)
}
