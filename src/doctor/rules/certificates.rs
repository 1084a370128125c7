//! Certificates that this server or nginx presents.

use crate::doctor::facts::DeploymentFacts;
use crate::doctor::finding::{Finding, Severity};

/// Automatic renewals happen a month before the end: one that is later has failed.
const SOON: u64 = 14 * 86_400;

pub fn expiry(facts: &DeploymentFacts, findings: &mut Vec<Finding>) {
    let now = facts.machine.now;
    for certificate in &facts.certificates {
        let (severity, ends) = if now >= certificate.expires {
            (Severity::Error, "expired")
        } else if now + SOON >= certificate.expires {
            (Severity::Warning, "expires")
        } else {
            continue;
        };
        findings.push(Finding {
            severity,
            rule: "certificate-expiry",
            place: certificate.place.clone(),
            problem: format!(
                "the certificate for {} {ends} on {} ({})",
                certificate.name, certificate.expiry_date, certificate.file
            ),
            why: "clients refuse the connection, and browsers show a page that warns of the site",
            fix: "renew it (`certbot renew`, or what else writes the file), and look why that did not happen by itself".to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn the_end_of_a_certificate() {
        for (left, expected) in [
            (15 * 86_400, None),
            (13 * 86_400, Some(Severity::Warning)),
            (0, Some(Severity::Error)),
        ] {
            let found = found(|facts| facts.certificates[0].expires = facts.machine.now + left);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|severity| ("certificate-expiry", severity))
                .collect();
            assert_eq!(found, expected, "{left}");
        }
    }
}
