//! Loading the user's app. It does not call it.

use pyo3::prelude::*;

use super::Scripts;
use crate::config::{AppSpec, Factory, Interface, Settings};

/// How the app wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Asgi,
    Wsgi,
}

pub struct Loaded {
    pub app: Py<PyAny>,
    pub protocol: Protocol,
}

/// The user's modules can be imported from here on.
pub fn prepare_path(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<()> {
    let paths: Vec<_> = settings.pythonpath.iter().map(|p| p.as_os_str()).collect();
    let boot = scripts.boot.bind(py);
    boot.call_method1("prepare_path", (py.None(), paths))?;
    Ok(())
}

/// Imports the app as the settings say. Errors are the user's own exceptions, or `LoadError` of ours.
pub fn load(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<Loaded> {
    let boot = scripts.boot.bind(py);
    prepare_path(py, scripts, settings)?;
    let AppSpec {
        module,
        attribute,
        factory,
    } = &settings.app;
    let app = boot.call_method1(
        "load",
        (module, attribute.as_deref(), *factory == Factory::Call),
    )?;
    let kind: String = boot.call_method1("interface_of", (&app,))?.extract()?;
    let protocol = match settings.interface {
        Interface::Asgi => Protocol::Asgi,
        Interface::Wsgi => Protocol::Wsgi,
        Interface::Auto if kind == "wsgi" => Protocol::Wsgi,
        Interface::Auto => Protocol::Asgi,
    };
    let app = if protocol == Protocol::Asgi && kind == "asgi2" {
        boot.call_method1("asgi2", (app,))?
    } else {
        app
    };
    Ok(Loaded {
        app: app.unbind(),
        protocol,
    })
}
