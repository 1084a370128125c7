//! Loads the user's app.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyModule, PyTuple};

use super::Scripts;
use crate::config::{AppSpec, Factory, Interface, Settings, WarmUp};
use crate::ipc::Phase;

/// Where a boot failed: in the user's code, or because the app that was named does not exist. gunicorn's exit codes
/// distinguish the two.
pub fn failed_phase(py: Python<'_>, scripts: &Scripts, error: &PyErr) -> Phase {
    let boot = scripts.boot.bind(py);
    let is = |name| {
        boot.getattr(name)
            .and_then(|kind| error.value(py).is_instance(&kind))
            .unwrap_or(false)
    };
    if is("LoadError") && !is("ModuleMissing") {
        Phase::Load
    } else {
        Phase::Import
    }
}

/// What an app has loaded of that which its first request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmth {
    Warm,
    /// Some of it can only be loaded with its event loop.
    LacksLoop,
}

/// Loads what the app would otherwise load at its first request. `event_loop`: of an ASGI app; it is not running yet.
///
/// # Errors
/// The user's own exceptions.
pub fn warm_up(
    py: Python<'_>,
    scripts: &Scripts,
    settings: &Settings,
    app: &Py<PyAny>,
    event_loop: Option<&Bound<'_, PyAny>>,
) -> PyResult<Warmth> {
    let lacks_loop = match settings.warm_up {
        WarmUp::Auto => scripts
            .framework
            .bind(py)
            .call_method1("warm_up", (app, event_loop))?
            .is_truthy()?,
        WarmUp::Off => false,
    };
    Ok(if lacks_loop {
        Warmth::LacksLoop
    } else {
        Warmth::Warm
    })
}

/// `ASGI (Django 5.2.1)`.
pub fn describe(py: Python<'_>, scripts: &Scripts, loaded: &Loaded) -> PyResult<String> {
    let framework: Option<String> = scripts
        .framework
        .bind(py)
        .call_method1("describe", (&loaded.app,))?
        .extract()?;
    let interface = match loaded.protocol {
        Protocol::Asgi => "ASGI",
        Protocol::Wsgi => "WSGI",
    };
    Ok(match framework {
        Some(framework) => format!("{interface} ({framework})"),
        None => interface.to_owned(),
    })
}

/// The Host header for a request that the worker makes to itself.
pub fn ready_host(py: Python<'_>, scripts: &Scripts, app: &Py<PyAny>) -> PyResult<String> {
    scripts
        .framework
        .bind(py)
        .call_method1("ready_host", (app,))?
        .extract()
}

/// The app's calling convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Asgi,
    Wsgi,
}

pub struct Loaded {
    pub app: Py<PyAny>,
    pub protocol: Protocol,
}

/// An app as a mold has loaded it. What is known of it is kept: to look at all parts of the app again would make each worker
/// copy their memory.
pub struct Preloaded {
    pub loaded: Loaded,
    pub description: String,
    pub warmth: Warmth,
}

impl Preloaded {
    #[must_use]
    pub fn again(&self, py: Python<'_>) -> Self {
        Self {
            loaded: Loaded {
                app: self.loaded.app.clone_ref(py),
                protocol: self.loaded.protocol,
            },
            description: self.description.clone(),
            warmth: self.warmth,
        }
    }
}

/// Closes what frameworks keep open between requests, and open again when it is needed.
pub fn close_idle(py: Python<'_>, scripts: &Scripts) -> PyResult<()> {
    let framework = scripts.framework.bind(py);
    framework.call_method0("close_idle").map(drop)
}

/// From here on the user's modules can be imported.
pub fn prepare_path(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<()> {
    prepare_path_of(scripts.boot.bind(py), settings)
}

fn prepare_path_of(boot: &Bound<'_, PyModule>, settings: &Settings) -> PyResult<()> {
    let paths: Vec<_> = settings.pythonpath.iter().map(|p| p.as_os_str()).collect();
    let nowhere = boot.py().None();
    boot.call_method1("prepare_path", (nowhere, paths))
        .map(drop)
}

/// Imports the app according to the settings. Errors are the user's own exceptions, or our `LoadError`.
pub fn load(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<Loaded> {
    let app = load_object(scripts.boot.bind(py), settings)?;
    recognise(py, scripts, settings, app)
}

/// A Python function that loads the app when it is called.
pub fn loader(py: Python<'_>, scripts: &Scripts, settings: &Arc<Settings>) -> PyResult<Py<PyAny>> {
    let (boot, settings) = (scripts.boot.clone_ref(py), Arc::clone(settings));
    let load = PyCFunction::new_closure(
        py,
        Some(c"load"),
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            load_object(boot.bind(args.py()), &settings)
        },
    )?;
    Ok(load.into_any().unbind())
}

fn load_object(boot: &Bound<'_, PyModule>, settings: &Settings) -> PyResult<Py<PyAny>> {
    prepare_path_of(boot, settings)?;
    let AppSpec {
        module,
        attribute,
        factory,
    } = &settings.app;
    let arguments = match factory {
        Factory::Call { arguments } => Some(arguments),
        Factory::Plain => None,
    };
    let app = boot.call_method1("load", (module, attribute.as_deref(), arguments))?;
    Ok(app.unbind())
}

/// Detects the protocol of an app.
pub fn recognise(
    py: Python<'_>,
    scripts: &Scripts,
    settings: &Settings,
    app: Py<PyAny>,
) -> PyResult<Loaded> {
    let boot = scripts.boot.bind(py);
    let app = app.into_bound(py);
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
