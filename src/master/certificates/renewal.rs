//! Loads the certificates at a start and an upgrade, and replaces them in all workers when their files have changed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::shared::SharedCertificates;
use super::state::{CertificateState, Certificates, CertificatesState, warn};
use super::watch::CertificateWatch;
use crate::config::{Settings, TlsSettings, WatchCertificates};
use crate::ipc::{self, ToWorker};
use crate::master::Error;
use crate::master::descriptors::{KeptDescriptors, copy};
use crate::master::shell::Shell;
use crate::sys::{Document, clock};
use crate::tls::{self, CertificateSummary, Material, Problem};

/// How long files must stay unchanged after a change: a pair is often written as two files, one after the other.
const SETTLE: Duration = Duration::from_millis(250);
/// Files that cannot be used then may still be incomplete; they are read once more before that is reported.
const SECOND_LOOK: Duration = Duration::from_secs(2);
/// Delay before a worker whose channel was full is notified again.
const NOTIFY_AGAIN: Duration = Duration::from_secs(1);

/// Why the files are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RenewalCause {
    /// The files have changed.
    Watch,
    Command,
}

impl fmt::Display for RenewalCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "the files have changed",
            Self::Command => "rgun ctl reload-certificates",
        })
    }
}

/// The certificates for a server without a master, if it uses TLS. They are not replaced when their files change.
///
/// # Errors
/// The file that cannot be used.
pub fn for_a_server_without_master(
    settings: &Settings,
) -> Result<Option<SharedCertificates>, Error> {
    let Some(tls) = &settings.tls else {
        return Ok(None);
    };
    let state = CertificateState::new()?;
    let certificates = state.certificates(tls)?;
    Ok(Some(certificates.shared(&state)))
}

/// `--check-config`: checks the files as a start would.
///
/// # Errors
/// The file that cannot be used.
pub fn check(settings: &Settings) -> Result<(), Error> {
    match &settings.tls {
        Some(tls) => CertificateState::new()?
            .load(tls)
            .map(drop)
            .map_err(Error::from),
        None => Ok(()),
    }
}

/// One line for each certificate: its expiry in seconds since 1970, and its name.
fn lines(summaries: &[CertificateSummary]) -> String {
    summaries
        .iter()
        .map(|summary| format!("{} {}\n", summary.expires, summary.name))
        .collect()
}

impl Shell<'_> {
    /// Called before anything is bound.
    pub(in crate::master) fn open_certificates(
        &mut self,
        settings: &Settings,
    ) -> Result<(), Error> {
        let Some(tls) = &settings.tls else {
            return Ok(());
        };
        let state = CertificateState::new()?;
        let certificates = state.certificates(tls)?;
        self.listening.certificates = Some(state);
        for generation_config in self.generations.generation_configs.values_mut() {
            generation_config.certificates = Some(certificates.clone());
        }
        self.follow_certificates();
        Ok(())
    }

    pub(in crate::master) fn certificates_state(
        &self,
        kept: &mut KeptDescriptors,
    ) -> Option<CertificatesState> {
        let state = self.listening.certificates.as_ref()?;
        let generation_configs = self.generations.generation_configs.iter();
        Some(CertificatesState {
            keys: kept.keep(&state.keys_memory),
            generations: generation_configs
                .filter_map(|(generation, generation_config)| {
                    let certificates = generation_config.certificates.as_ref()?;
                    Some((*generation, kept.keep(&*certificates.document)))
                })
                .collect(),
        })
    }

    /// # Errors
    /// A descriptor is not open, or what is behind it cannot be used.
    pub(in crate::master) fn restore_certificates(
        &mut self,
        restored: CertificatesState,
    ) -> Result<(), Error> {
        let state = CertificateState::restore(copy(restored.keys)?)?;
        for (generation, fd) in restored.generations {
            let document = Document::adopt(copy(fd)?);
            let Some(generation_config) = self.generations.generation_configs.get_mut(&generation)
            else {
                continue;
            };
            let Some(settings) = generation_config.settings.tls.clone() else {
                return Err(ipc::Error::Malformed("certificates without --certfile").into());
            };
            let material =
                Material::decode(&document.read()?).ok_or(ipc::Error::Malformed("certificates"))?;
            let loaded = tls::load(&settings, &material, state.keys, SystemTime::now())?;
            generation_config.certificates = Some(Certificates {
                settings,
                material: Arc::new(material),
                summaries: loaded.summaries.into(),
                document: Arc::new(document),
            });
        }
        self.listening.certificates = Some(state);
        self.follow_certificates();
        Ok(())
    }

    /// Those of a new generation; `None`: this server does not use TLS.
    pub(in crate::master) fn read_certificates(
        &self,
        settings: &Settings,
    ) -> Result<Option<Certificates>, Error> {
        match (&self.listening.certificates, &settings.tls) {
            (Some(state), Some(tls)) => state.certificates(tls).map(Some),
            _ => Ok(None),
        }
    }

    /// Called when generations have begun or ended: updates metrics and the watch for those that live.
    pub(in crate::master) fn follow_certificates(&mut self) {
        let Some(state) = &mut self.listening.certificates else {
            return;
        };
        let generation = self.supervisor.generation();
        let serving = self.generations.generation_configs.get(&generation);
        let summaries =
            serving.and_then(|generation_config| generation_config.certificates.as_ref());
        if let Some(certificates) = summaries
            && let Err(error) = state
                .expiry
                .replace(lines(&certificates.summaries).as_bytes())
        {
            tracing::warn!(%error, "metrics do not show when certificates expire");
        }
        let watched: Vec<&TlsSettings> = self
            .generations
            .generation_configs
            .values()
            .filter_map(|generation_config| generation_config.certificates.as_ref())
            .map(|certificates| &certificates.settings)
            .filter(|settings| settings.watch == WatchCertificates::Yes)
            .collect();
        if watched.is_empty() {
            state.watch = None;
            return;
        }
        if state.watch.is_none() {
            match CertificateWatch::open() {
                Ok(watch) => state.watch = Some(watch),
                Err(error) => {
                    tracing::warn!(%error, "changed certificates are not noticed; `rgun ctl reload-certificates` loads them");
                    return;
                }
            }
        }
        if let Some(watch) = &mut state.watch {
            watch.follow(watched.iter().flat_map(|settings| {
                let pairs = settings.certificates.iter();
                pairs
                    .flat_map(|files| [&files.chain, files.key()])
                    .chain(&settings.client_authorities)
            }));
        }
    }

    /// Called once per turn.
    pub(in crate::master) fn keep_certificates(&mut self) {
        let now = clock::monotonic();
        let Some(state) = &mut self.listening.certificates else {
            return;
        };
        if let Some(watch) = &mut state.watch
            && watch.has_changed()
        {
            state.settled_at = Some(now + SETTLE);
            state.looked = false;
        }
        if state.rotate_at <= now {
            state.rotate();
            self.look_at_certificates();
        }
        self.load_settled(now);
        self.notify_of_certificates(now);
    }

    /// Checks from time to time for certificates that are about to expire.
    fn look_at_certificates(&self) {
        for certificates in self
            .generations
            .generation_configs
            .values()
            .filter_map(|generation_config| generation_config.certificates.as_ref())
        {
            let Some(state) = &self.listening.certificates else {
                return;
            };
            let (settings, material) = (&certificates.settings, &certificates.material);
            if let Ok(loaded) = tls::load(settings, material, state.keys, SystemTime::now()) {
                loaded.warnings.iter().for_each(warn);
            }
        }
    }

    fn load_settled(&mut self, now: Duration) {
        let Some(state) = &mut self.listening.certificates else {
            return;
        };
        if state.settled_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let looked = std::mem::replace(&mut state.looked, true);
        // Links may have new targets now.
        self.follow_certificates();
        let Err(problem) = self.replace_certificates(RenewalCause::Watch) else {
            return;
        };
        let Some(state) = &mut self.listening.certificates else {
            return;
        };
        if looked {
            report(state, problem);
        } else {
            state.settled_at = Some(now + SECOND_LOOK);
        }
    }

    /// `rgun ctl reload-certificates`: returns what was done, or why nothing was.
    ///
    /// # Errors
    /// Why the new certificates cannot be used.
    pub(in crate::master) fn reload_certificates(&mut self) -> Result<String, String> {
        let Some(state) = &mut self.listening.certificates else {
            return Err("the server does not speak TLS; it needs --certfile".to_owned());
        };
        state.settled_at = None;
        match self.replace_certificates(RenewalCause::Command) {
            Ok(true) => Ok("new certificates are used".to_owned()),
            Ok(false) => Ok("the certificate files have not changed".to_owned()),
            Err(problem) => {
                let message = format!(
                    "certificates not replaced, the old ones are used: {problem} ({})",
                    problem.hint
                );
                if let Some(state) = &mut self.listening.certificates {
                    report(state, problem);
                }
                Err(message)
            }
        }
    }

    /// Reads the files of every generation, and replaces the certificates of all or of none. True: some have changed.
    fn replace_certificates(&mut self, cause: RenewalCause) -> Result<bool, Problem> {
        let Some(state) = &mut self.listening.certificates else {
            return Ok(false);
        };
        let mut replacements = Vec::new();
        for (generation, generation_config) in &self.generations.generation_configs {
            let Some(certificates) = &generation_config.certificates else {
                continue;
            };
            let (material, summaries) = state.load(&certificates.settings)?;
            if material != *certificates.material {
                replacements.push((*generation, material, summaries));
            }
        }
        state.reported = None;
        let changed = !replacements.is_empty();
        for (generation, material, summaries) in replacements {
            let generation_config = self.generations.generation_configs.get_mut(&generation);
            let Some(certificates) = generation_config
                .and_then(|generation_config| generation_config.certificates.as_mut())
            else {
                continue;
            };
            if let Err(error) = certificates.document.replace(&material.encode()) {
                tracing::error!(%error, "certificates not given to workers");
                continue;
            }
            for summary in &*summaries {
                let CertificateSummary {
                    name,
                    file,
                    expiry_date,
                    ..
                } = summary;
                tracing::info!(
                    name,
                    file,
                    expires = expiry_date,
                    %cause,
                    "certificate loaded"
                );
            }
            certificates.material = Arc::new(material);
            certificates.summaries = summaries;
        }
        if changed {
            state.to_notify = self
                .fleet
                .workers
                .iter()
                .map(|(incarnation, _)| incarnation)
                .collect();
            state.notify_at = Duration::ZERO;
            self.follow_certificates();
            self.notify_of_certificates(clock::monotonic());
        }
        Ok(changed)
    }

    fn notify_of_certificates(&mut self, now: Duration) {
        let Some(state) = &mut self.listening.certificates else {
            return;
        };
        if state.to_notify.is_empty() || state.notify_at > now {
            return;
        }
        state.notify_at = now + NOTIFY_AGAIN;
        let workers = &self.fleet.workers;
        state.to_notify.retain(|incarnation| {
            let worker = workers.get(*incarnation);
            let sent = worker.map(|worker| worker.channel.send(&ToWorker::LoadCertificates));
            // A worker that has exited, or is about to, needs no notification.
            matches!(sent, Some(Err(ipc::Error::Full)))
        });
    }
}

fn report(state: &mut CertificateState, problem: Problem) {
    if state.reported.as_ref() == Some(&problem) {
        return;
    }
    let Problem { file, reason, hint } = &problem;
    tracing::error!(
        file,
        reason,
        hint,
        "new certificates cannot be used, keeping the old ones"
    );
    state.reported = Some(problem);
}
