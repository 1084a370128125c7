//! The directories that are served without the app: those of the settings, and those that Django's settings name.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use super::Scripts;
use crate::config::{DjangoFiles, Settings, StaticMount};

/// Called with the app loaded: only then are Django's settings known.
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

/// Django puts the script name in front of a relative URL.
fn below_root<'p>(prefix: &'p str, root: &str) -> &'p str {
    match prefix.strip_prefix(root) {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => prefix,
    }
}
