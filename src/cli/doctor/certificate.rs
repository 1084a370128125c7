//! Reads when the certificates of a file expire.

use std::fs;
use std::path::Path;

use crate::doctor::facts::ServedCertificate;
use crate::tls::summaries;

/// Chains of certificates are far smaller.
const LARGEST: u64 = 1 << 20;

/// Nothing of a file that is not there or cannot be read. `place`: what names it.
pub fn served(place: &str, file: &Path) -> Vec<ServedCertificate> {
    let about = fs::metadata(file).ok();
    // A FIFO would be waited for.
    let about = about.filter(|about| about.is_file() && about.len() <= LARGEST);
    let bytes = about.and_then(|_| fs::read(file).ok()).unwrap_or_default();
    let found = summaries(&file.display().to_string(), &bytes).into_iter();
    found
        .map(|summary| ServedCertificate {
            place: place.to_owned(),
            file: summary.file,
            name: summary.name,
            expires: summary.expires,
            expiry_date: summary.expiry_date,
        })
        .collect()
}
