//! Parsers of nginx's, systemd's, compose's, Kubernetes' and Docker's files, as far as the rules need them. Text in, facts out.

mod compose;
mod container;
mod env_file;
pub mod expansion;
mod ingress;
mod joined_lines;
mod kubernetes;
mod nginx;
mod postgres;
mod probes;
mod quantity;
mod unit;
mod unit_lines;
mod words;
mod yaml;

pub use postgres::MOST_CONNECTIONS;
pub use words::is_program;

use super::deployment::{Deployment, VariableMaps};
use super::facts::{LoadBalancer, Pass, PostgresServer};

/// The content of files.
#[derive(Debug, Default)]
pub struct Contents {
    pub deployments: Vec<Deployment>,
    pub passes: Vec<Pass>,
    pub certificates: Vec<CertificatePlace>,
    pub load_balancers: Vec<LoadBalancer>,
    pub postgres: Vec<PostgresServer>,
    pub autoscalers: Vec<Autoscaler>,
    /// ConfigMaps and Secrets, which workloads of other files may refer to.
    pub maps: VariableMaps,
    /// Files of a known kind that cannot be parsed, with the reason.
    pub unreadable: Vec<(String, String)>,
}

/// A directive that names the file of a certificate.
#[derive(Debug)]
pub struct CertificatePlace {
    pub place: String,
    pub file: String,
}

/// Of a workload in another file.
#[derive(Debug)]
pub struct Autoscaler {
    pub workload: String,
    pub most_replicas: u32,
}

/// A file to parse, and the files that it names.
pub struct SourceFile<'a> {
    /// As messages name it.
    pub place: &'a str,
    pub text: &'a str,
    /// The text of another file; its path is relative to this one's directory.
    pub beside: &'a dyn Fn(&str) -> Option<String>,
}

impl SourceFile<'_> {
    /// How messages name another file.
    fn place_beside(&self, path: &str) -> String {
        let path = path.strip_prefix("./").unwrap_or(path);
        match self.place.rsplit_once('/') {
            Some((directory, _)) if !path.starts_with('/') => format!("{directory}/{path}"),
            _ => path.to_owned(),
        }
    }
}

/// Adds the content of a file. `false`: it is of an unknown kind. `Err`: of a known kind, but it cannot be parsed.
pub fn read(file: &SourceFile<'_>, contents: &mut Contents) -> Result<bool, String> {
    let name = file.place.rsplit('/').next().unwrap_or(file.place);
    let is = |extension: &str| {
        name.rsplit_once('.')
            .is_some_and(|(_, own)| own == extension)
    };
    if is("service") {
        contents.deployments.extend(unit::read(file));
    } else if is("yaml") || is("yml") {
        for document in yaml::documents(file.text)? {
            match document
                .get("services")
                .filter(|services| !services.fields().is_empty())
            {
                Some(services) => compose::read(file, services, contents),
                None => kubernetes::read(file, &document, contents),
            }
        }
    } else if name.starts_with("Dockerfile")
        || name.starts_with("Containerfile")
        || is("Dockerfile")
    {
        contents.deployments.extend(container::read(file));
    } else if is("conf") || file.text.contains("proxy_pass") {
        nginx::read(file.place, file.text, contents)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}
