//! The directories that are served without the app: those of the settings, and those of Django's settings.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::Scripts;
use crate::config::{DjangoFiles, Settings, StaticMount};

/// Called with the app loaded: Django's settings are not known before.
pub fn static_mounts(
    py: Python<'_>,
    scripts: &Scripts,
    settings: &Settings,
) -> PyResult<Vec<StaticMount>> {
    let mut mounts = settings.files.mounts.clone();
    for files in &settings.files.of_django {
        let kind = match files {
            DjangoFiles::Static => "STATIC",
            DjangoFiles::Media => "MEDIA",
        };
        let boot = scripts.boot.bind(py);
        let (prefix, directory): (String, std::path::PathBuf) =
            boot.call_method1("django_files", (kind,))?.extract()?;
        let prefix = below_root(&prefix, &settings.root_path);
        if mounts.iter().any(|mount| mount.prefix == prefix) {
            let text = format!("--static django: {prefix} is mounted already");
            return Err(PyValueError::new_err(text));
        }
        tracing::info!(
            prefix,
            directory = %directory.display(),
            "static files: {kind}_URL and {kind}_ROOT of Django's settings"
        );
        mounts.push(StaticMount::new(prefix.to_owned(), directory));
    }
    Ok(mounts)
}

/// Django prefixes a relative URL with the script name.
fn below_root<'p>(prefix: &'p str, root: &str) -> &'p str {
    match prefix.strip_prefix(root) {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => prefix,
    }
}
