//! Hop-by-hop headers, which an app must not set (PEP 3333). They are dropped, as with gunicorn, and a warning is
//! logged.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Those of RFC 9110 §7.6.1 that would change the framing. `Connection: close` is honored by the HTTP layer, and
/// `Upgrade` belongs to a 426.
const NAMES: [&[u8]; 4] = [
    b"transfer-encoding",
    b"keep-alive",
    b"proxy-connection",
    b"te",
];

static SAID: AtomicU8 = AtomicU8::new(0);

/// Whether a header of that name is dropped. Logged once for each name.
pub fn is(name: &[u8]) -> bool {
    // By length first: few names need a comparison.
    if !matches!(name.len(), 2 | 10 | 16 | 17) {
        return false;
    }
    let Some(index) = NAMES
        .iter()
        .position(|known| name.eq_ignore_ascii_case(known))
    else {
        return false;
    };
    let bit = 1 << index;
    if SAID.fetch_or(bit, Relaxed) & bit == 0 {
        let name = String::from_utf8_lossy(name);
        tracing::warn!(%name, "hop-by-hop header of the app dropped: the server frames its responses");
    }
    true
}
