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
use crate::master::generations::Generations;
use crate::master::listening::Listening;
use crate::master::shell::Shell;
use crate::master::supervisor::Generation;
use crate::master::workers::Workers;
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

/// Called before anything is bound.
pub fn open(
    generations: &mut Generations<'_>,
    listening: &mut Listening,
    serving: Generation,
    settings: &Settings,
) -> Result<(), Error> {
    let Some(tls) = &settings.tls else {
        return Ok(());
    };
    let state = CertificateState::new()?;
    let certificates = state.certificates(tls)?;
    listening.certificates = Some(state);
    for config in generations.values_mut() {
        config.certificates = Some(certificates.clone());
    }
    follow(generations, listening, serving);
    Ok(())
}

pub fn state(
    generations: &Generations<'_>,
    listening: &Listening,
    kept: &mut KeptDescriptors,
) -> Option<CertificatesState> {
    let state = listening.certificates.as_ref()?;
    Some(CertificatesState {
        keys: kept.keep(&state.keys_memory),
        generations: generations
            .iter()
            .filter_map(|(generation, config)| {
                let certificates = config.certificates.as_ref()?;
                Some((generation, kept.keep(&*certificates.document)))
            })
            .collect(),
    })
}

/// # Errors
/// A descriptor is not open, or what is behind it cannot be used.
pub fn restore(
    generations: &mut Generations<'_>,
    listening: &mut Listening,
    serving: Generation,
    restored: CertificatesState,
) -> Result<(), Error> {
    let state = CertificateState::restore(copy(restored.keys)?)?;
    for (generation, fd) in restored.generations {
        let document = Document::adopt(copy(fd)?);
        let Some(config) = generations.get_mut(generation) else {
            continue;
        };
        let Some(settings) = config.settings.tls.clone() else {
            return Err(ipc::Error::Malformed("certificates without --certfile").into());
        };
        let material =
            Material::decode(&document.read()?).ok_or(ipc::Error::Malformed("certificates"))?;
        let loaded = tls::load(&settings, &material, state.keys, SystemTime::now())?;
        config.certificates = Some(Certificates {
            settings,
            material: Arc::new(material),
            summaries: loaded.summaries.into(),
            document: Arc::new(document),
        });
    }
    listening.certificates = Some(state);
    follow(generations, listening, serving);
    Ok(())
}

/// Those of a new generation; `None`: this server does not use TLS.
pub fn read(listening: &Listening, settings: &Settings) -> Result<Option<Certificates>, Error> {
    match (&listening.certificates, &settings.tls) {
        (Some(state), Some(tls)) => state.certificates(tls).map(Some),
        _ => Ok(None),
    }
}

/// Called when generations have begun or ended: updates metrics and the watch for those that live.
pub fn follow(generations: &Generations<'_>, listening: &mut Listening, serving: Generation) {
    if let Some(state) = &mut listening.certificates {
        show_and_watch(state, generations, serving);
    }
}

fn show_and_watch(
    state: &mut CertificateState,
    generations: &Generations<'_>,
    serving: Generation,
) {
    let serving = generations.get(serving);
    if let Some(certificates) = serving.and_then(|config| config.certificates.as_ref())
        && let Err(error) = state
            .expiry
            .replace(lines(&certificates.summaries).as_bytes())
    {
        tracing::warn!(%error, "metrics do not show when certificates expire");
    }
    let watched: Vec<&TlsSettings> = generations
        .values()
        .filter_map(|config| config.certificates.as_ref())
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

/// Called when the files may have changed, or something else is due.
pub fn advance(shell: &mut Shell<'_>) {
    let now = clock::monotonic();
    let Some(state) = &mut shell.listening.certificates else {
        return;
    };
    let (generations, workers) = (&mut shell.generations, &shell.fleet.workers);
    let serving = shell.supervisor.generation();
    if let Some(watch) = &mut state.watch
        && watch.has_changed()
    {
        state.settled_at = Some(now + SETTLE);
        state.looked = false;
    }
    if state.rotate_at <= now {
        state.rotate();
        look(state, generations);
    }
    if state.settled_at.take_if(|at| *at <= now).is_some() {
        load_settled(state, generations, workers, serving, now);
    }
    notify(state, workers, now);
}

/// Checks from time to time for certificates that are about to expire.
fn look(state: &CertificateState, generations: &Generations<'_>) {
    let all = generations
        .values()
        .filter_map(|config| config.certificates.as_ref());
    for certificates in all {
        let (settings, material) = (&certificates.settings, &certificates.material);
        if let Ok(loaded) = tls::load(settings, material, state.keys, SystemTime::now()) {
            loaded.warnings.iter().for_each(warn);
        }
    }
}

fn load_settled(
    state: &mut CertificateState,
    generations: &mut Generations<'_>,
    workers: &Workers,
    serving: Generation,
    now: Duration,
) {
    let looked = std::mem::replace(&mut state.looked, true);
    // Links may have new targets now.
    show_and_watch(state, generations, serving);
    let cause = RenewalCause::Watch;
    if let Err(problem) = replace(state, generations, workers, serving, cause) {
        if looked {
            report(state, problem);
        } else {
            state.settled_at = Some(now + SECOND_LOOK);
        }
    }
}

/// `rgun ctl reload-certificates`: returns what was done, or why nothing was.
///
/// # Errors
/// Why the new certificates cannot be used.
pub fn reload(shell: &mut Shell<'_>) -> Result<String, String> {
    let Some(state) = &mut shell.listening.certificates else {
        return Err("the server does not speak TLS; it needs --certfile".to_owned());
    };
    let (generations, workers) = (&mut shell.generations, &shell.fleet.workers);
    state.settled_at = None;
    let (serving, cause) = (shell.supervisor.generation(), RenewalCause::Command);
    match replace(state, generations, workers, serving, cause) {
        Ok(true) => Ok("new certificates are used".to_owned()),
        Ok(false) => Ok("the certificate files have not changed".to_owned()),
        Err(problem) => {
            let message = format!(
                "certificates not replaced, the old ones are used: {problem} ({})",
                problem.hint
            );
            report(state, problem);
            Err(message)
        }
    }
}

/// Reads the files of every generation, and replaces the certificates of all or of none. True: some have changed.
fn replace(
    state: &mut CertificateState,
    generations: &mut Generations<'_>,
    workers: &Workers,
    serving: Generation,
    cause: RenewalCause,
) -> Result<bool, Problem> {
    let mut replacements = Vec::new();
    for (generation, config) in generations.iter() {
        let Some(certificates) = &config.certificates else {
            continue;
        };
        let (material, summaries) = state.load(&certificates.settings)?;
        if material != *certificates.material {
            replacements.push((generation, material, summaries));
        }
    }
    state.reported = None;
    let changed = !replacements.is_empty();
    for (generation, material, summaries) in replacements {
        let config = generations.get_mut(generation);
        let Some(certificates) = config.and_then(|config| config.certificates.as_mut()) else {
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
        state.to_notify = workers.iter().map(|(incarnation, _)| incarnation).collect();
        state.notify_at = Duration::ZERO;
        show_and_watch(state, generations, serving);
        notify(state, workers, clock::monotonic());
    }
    Ok(changed)
}

fn notify(state: &mut CertificateState, workers: &Workers, now: Duration) {
    if state.to_notify.is_empty() || state.notify_at > now {
        return;
    }
    state.notify_at = now + NOTIFY_AGAIN;
    state.to_notify.retain(|incarnation| {
        let worker = workers.get(*incarnation);
        let sent = worker.map(|worker| worker.channel.send(&ToWorker::LoadCertificates));
        // A worker that has exited, or is about to, needs no notification.
        matches!(sent, Some(Err(ipc::Error::Full)))
    });
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
