//! The settings of TLS, read together.

use std::path::{Path, PathBuf};

use super::{Typed, understand};
use crate::config::value::{self, InvalidValue, ParsedValue};
use crate::config::{
    Bind, CertificateFiles, ClientCertificates, Error, Http2, Origin, PlainHttp,
    ProcessEnvironment, Protection, RedirectPort, TlsSettings, WatchCertificates, definition,
};

/// `base`: where relative paths start. `None`: no certificate is named.
pub(super) fn tls(
    typed: &Typed<'_>,
    base: &Path,
    process_environment: &ProcessEnvironment,
    http2: Http2,
) -> Result<Option<TlsSettings>, Error> {
    let file = |text: &str| file(text, base, process_environment);
    for name in ["certfile", "keyfile", "ca_certs"] {
        refuse_empty(typed, name)?;
    }
    let present = |name| -> Result<Vec<PathBuf>, Error> {
        let files = typed.list(name, |text| match text {
            "" => Ok(None),
            text => file(text).map(Some),
        })?;
        Ok(files.into_iter().flatten().collect())
    };
    let (chains, keys) = (present("certfile")?, present("keyfile")?);
    let client_authorities = typed.optional("ca_certs", file)?;
    let client_certificates = typed.value("cert_reqs", value::client_certificates)?;
    let oldest = match typed.optional("ssl_version", value::ssl_version)? {
        Some(version) if typed.last("tls_min_version").is_none() => version,
        _ => typed.value("tls_min_version", value::tls_version)?,
    };
    let cipher_suites = typed
        .optional("ciphers", value::cipher_suites)?
        .unwrap_or_default();
    let watch = if typed.switch("no_tls_watch")? {
        WatchCertificates::No
    } else {
        WatchCertificates::Yes
    };
    if chains.is_empty() {
        if !keys.is_empty() {
            return Err(
                complaint(typed, "keyfile", "is a key without a certificate")
                    .hinted("name the certificate with --certfile FILE"),
            );
        }
        // Files may list every setting, with empty values.
        let typed_in_vain = [
            "ca_certs",
            "cert_reqs",
            "tls_min_version",
            "ssl_version",
            "ciphers",
        ]
        .into_iter()
        .find(|name| {
            typed
                .last(name)
                .is_some_and(|given| given.origin.is_option())
        });
        return match typed_in_vain {
            None => Ok(None),
            Some(name) => Err(
                complaint(typed, name, "has no effect without a certificate")
                    .hinted("name one with --certfile FILE --keyfile FILE, or leave it out"),
            ),
        };
    }
    if typed.last("ssl_context").is_some() {
        return Err(complaint(typed, "ssl_context", "is not supported")
            .hinted("set ca_certs, cert_reqs, ciphers and tls_min_version instead"));
    }
    if client_certificates != ClientCertificates::NotRequested && client_authorities.is_none() {
        return Err(complaint(
            typed,
            "cert_reqs",
            "needs to know whose certificates to accept",
        )
        .hinted("name the authorities with --ca-certs FILE"));
    }
    // A single file contains its key; with several, a missing key is indistinguishable from one in the wrong place.
    if !keys.is_empty() && keys.len() != chains.len() {
        let counts = format!(
            "is one of {} keys for {} certificates",
            keys.len(),
            chains.len()
        );
        return Err(complaint(typed, "keyfile", &counts)
            .hinted("give --certfile and --keyfile in pairs, or name files that contain both"));
    }
    let mut keys = keys.into_iter();
    Ok(Some(TlsSettings {
        certificates: chains
            .into_iter()
            .map(|chain| CertificateFiles {
                key: keys.next().filter(|key| *key != chain),
                chain,
            })
            .collect(),
        client_authorities,
        client_certificates,
        cipher_suites,
        oldest,
        http2,
        watch,
    }))
}

pub(super) fn plain_http(
    typed: &Typed<'_>,
    base: &Path,
    tls: Option<&TlsSettings>,
) -> Result<PlainHttp, Error> {
    let redirect = typed.optional("redirect_https", |text| match text {
        "auto" | "true" => Ok(Some(RedirectPort::OfListener)),
        "false" => Ok(None),
        port => value::number(port, 1..=u32::from(u16::MAX))
            .map(|port| Some(RedirectPort::Given(port as u16))),
    })?;
    let redirect = redirect.flatten();
    if redirect.is_some() && tls.is_none() {
        return Err(complaint(
            typed,
            "redirect_https",
            "leads to TLS and there is no certificate",
        )
        .hinted("name one with --certfile FILE --keyfile FILE"));
    }
    Ok(PlainHttp {
        redirect,
        challenges: typed.optional("acme_challenge_dir", |text| {
            value::directory(&base.join(text))
        })?,
    })
}

/// A bind with TLS although there is no certificate.
pub(super) fn check_binds(
    typed: &Typed<'_>,
    binds: &[Bind],
    tls: Option<&TlsSettings>,
) -> Result<(), Error> {
    if tls.is_some()
        || binds
            .iter()
            .all(|bind| bind.protection != Some(Protection::Tls))
    {
        return Ok(());
    }
    Err(
        complaint(typed, "bind", "speaks TLS and there is no certificate")
            .hinted("name one with --certfile FILE --keyfile FILE"),
    )
}

/// A variable that is not set, in an option or in another variable, would make a server without TLS. Files may list every setting,
/// with empty values.
fn refuse_empty(typed: &Typed<'_>, name: &'static str) -> Result<(), Error> {
    let given = typed.layers.given(name);
    let is_typed = |origin: &Origin| origin.is_option() || matches!(origin, Origin::Variable(_));
    match given
        .iter()
        .find(|one| one.text.is_empty() && is_typed(&one.origin))
    {
        None => Ok(()),
        Some(_) => Err(complaint(typed, name, "names no file")
            .hinted("leave the option, or the variable, out for none")),
    }
}

/// `credential:NAME` is a file that systemd has put there (systemd.exec(5), LoadCredential=).
fn file(text: &str, base: &Path, process_environment: &ProcessEnvironment) -> ParsedValue<PathBuf> {
    let Some(name) = text.strip_prefix("credential:") else {
        return Ok(base.join(text));
    };
    if name.is_empty() || name.contains('/') || name == ".." {
        return Err(InvalidValue::new("is not the name of a credential")
            .hint("as in credential:site.key, with LoadCredential=site.key:… in the unit"));
    }
    match process_environment.variables.get("CREDENTIALS_DIRECTORY") {
        Some(directory) if !directory.is_empty() => Ok(Path::new(directory).join(name)),
        _ => Err(
            InvalidValue::new("needs $CREDENTIALS_DIRECTORY").hint(format!(
                "systemd sets it with LoadCredential={name}:PATH in the unit"
            )),
        ),
    }
}

/// Settings that are valid one by one but contradict each other; reported where the last value of one was given.
struct Complaint<'a> {
    typed: &'a Typed<'a>,
    name: &'static str,
    problem: String,
}

fn complaint<'a>(typed: &'a Typed<'a>, name: &'static str, problem: &str) -> Complaint<'a> {
    Complaint {
        typed,
        name,
        problem: problem.to_owned(),
    }
}

impl Complaint<'_> {
    fn hinted(self, hint: &str) -> Error {
        let definition = definition(self.name).expect("a test resolves all names");
        let given = self.typed.last(self.name);
        let (text, origin) = given.map_or(("", &crate::config::Origin::Default), |given| {
            (given.text.as_str(), &given.origin)
        });
        let refused = |_: &str| -> ParsedValue<()> {
            Err(InvalidValue::new(self.problem.clone()).hint(hint))
        };
        understand(definition, text, origin, refused).expect_err("it is refused")
    }
}
