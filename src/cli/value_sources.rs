//! Where the values come from that a start can fail at, for its error.

use crate::config::{Given, Layers, Origin, Settings};
use crate::master;

/// Addresses and files of certificates as errors name them, with their sources.
pub(super) struct ValueSources {
    addresses: Vec<(String, String)>,
    certificate_files: Vec<(String, String)>,
}

impl ValueSources {
    pub(super) fn of(settings: &Settings, layers: &Layers) -> Self {
        let given = |name| layers.given(name).iter();
        let files = |name| given(name).filter(|given| !given.text.is_empty());
        let named = |value: String, given: &Given, spelling, name| {
            // What was typed just now needs no note.
            let noted = given.origin != Origin::CommandLine;
            noted.then(|| (value, given.origin.of(spelling, name)))
        };
        let addresses = settings.bind.iter().zip(given("bind"));
        let addresses = addresses
            .filter_map(|(bind, given)| named(bind.endpoint.to_string(), given, "--bind", "bind"));
        let mut certificate_files = Vec::new();
        if let Some(tls) = &settings.tls {
            let chains = tls.certificates.iter().zip(files("certfile"));
            certificate_files.extend(chains.filter_map(|(files, given)| {
                named(
                    files.chain.display().to_string(),
                    given,
                    "--certfile",
                    "certfile",
                )
            }));
            let keys = tls.certificates.iter().zip(files("keyfile"));
            certificate_files.extend(keys.filter_map(|(files, given)| {
                let key = files.key.as_ref()?;
                named(key.display().to_string(), given, "--keyfile", "keyfile")
            }));
            let authorities = tls
                .client_authorities
                .iter()
                .zip(files("ca_certs").next_back());
            certificate_files.extend(authorities.filter_map(|(file, given)| {
                named(file.display().to_string(), given, "--ca-certs", "ca_certs")
            }));
        }
        Self {
            addresses: addresses.collect(),
            certificate_files,
        }
    }

    /// A hint on the source, if the error is about one of them.
    pub(super) fn hint(&self, error: &master::Error) -> Option<String> {
        let (values, object, what) = match error {
            master::Error::System(error) => (&self.addresses, &error.object, "address"),
            master::Error::Certificates(problem) => {
                (&self.certificate_files, &problem.file, "file")
            }
            _ => return None,
        };
        let (_, source) = values.iter().find(|(value, _)| value == object)?;
        Some(format!("the {what} comes from {source}"))
    }
}
