//! Turns the typed text into complete, checked settings. Pure, except that it resolves the directory of `--chdir`.

mod companions;
mod compression;
mod files;
mod http2;
mod listening;
mod logging;
mod rollouts;
mod tls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::shown;
use super::support::refused;
use super::value::{self, InvalidValue, ParsedValue, WorkerCount};
use super::{
    AutoReload, ClientTimeouts, ControlSocket, Definition, Error, ErrorSubject, Factory, Given,
    Groups, Layers, Limits, LogTarget, Origin, PortSharing, ProcessEnvironment, ProcessMode,
    Recycling, RunAs, ScalingSettings, SendFile, Settings, WebSocket, WorkersByCpus, definition,
};

/// A higher number is taken for a typing error that would exhaust the machine. The master may support fewer (`master::capacity`).
pub const MOST_WORKERS: u32 = 1024;

/// The purpose of this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    Serve,
    /// Load everything as a start would, then exit.
    CheckConfig,
    /// The same, after the settings were printed.
    PrintConfig,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub mode: RunMode,
    pub settings: Settings,
}

/// The same layers and surroundings give the same settings; a reload calls it again.
pub fn resolve(
    layers: &Layers,
    process_environment: &ProcessEnvironment,
) -> Result<Resolved, Error> {
    refused(layers)?;
    let typed = Typed { layers };
    let chdir = typed.chdir(process_environment)?;
    // gunicorn changes directory first; relative paths of other settings start there.
    let base = chdir.as_deref().unwrap_or(&process_environment.directory);
    let class = typed.value("worker_class", value::worker_class)?;
    let workers = typed.value("workers", |text| {
        value::worker_count(text, process_environment.cpus, MOST_WORKERS)
    })?;
    let workers_by_cpus = typed
        .last("workers")
        .and_then(|given| WorkersByCpus::of(&given.text, MOST_WORKERS));
    let log = |dash: LogTarget| move |text: &str| Ok(value::log_target(text, dash.clone(), base));

    let env = typed.list("raw_env", value::environment_pair)?;
    let http2 = http2::http2(&typed)?;
    let tls = tls::tls(&typed, base, process_environment, http2.mode)?;
    let (bind, admin_bind) = listening::addresses(&typed, base)?;
    tls::check_binds(&typed, &bind, tls.as_ref())?;
    let settings = Settings {
        bind,
        plain_http: tls::plain_http(&typed, base, tls.as_ref())?,
        tls,
        umask: typed.value("umask", value::mask)?,
        backlog: typed.value("backlog", |text| {
            value::number(text, 1..=i32::MAX.unsigned_abs())
        })?,
        port_sharing: if typed.switch("reuse_port")? {
            PortSharing::BySlot
        } else {
            PortSharing::None
        },
        workers: workers.least,
        scaling: scaling(&typed, workers, workers_by_cpus.as_ref())?,
        workers_by_cpus,
        threads: typed.value("threads", value::threads)?,
        interface: class.interface,
        event_loop: match class.event_loop {
            Some(event_loop) if typed.last("asgi_loop").is_none() => event_loop,
            Some(_) | None => typed.value("asgi_loop", value::event_loop)?,
        },
        lifespan: typed.value("asgi_lifespan", value::lifespan)?,
        pythonpath: typed
            .optional("pythonpath", |text| Ok(value::directories(text, base)))?
            .unwrap_or_default(),
        // /dev/null: none, against one of a configuration file.
        pid_file: typed
            .optional("pidfile", |text| Ok(base.join(text)))?
            .filter(|path| path != Path::new("/dev/null")),
        place: if typed.switch("daemon")? {
            ProcessMode::Daemon
        } else {
            ProcessMode::Foreground
        },
        run_as: RunAs {
            user: typed.optional("user", owned)?,
            group: typed.optional("group", owned)?,
            groups: if typed.switch("initgroups")? {
                Groups::OfTheUser
            } else {
                Groups::None
            },
        },
        process_name: typed.optional("proc_name", owned)?,
        temporary_directory: typed
            .optional("worker_tmp_dir", |text| value::directory(&base.join(text)))?,
        spool_limit: typed.value("spool_limit", value::size)?,
        python: typed.optional("python", |text| {
            Ok(process_environment.directory.join(text))
        })?,
        timeout: limit(Some(typed.value("timeout", value::hang_timeout)?)),
        graceful_timeout: typed.value("graceful_timeout", value::duration)?,
        boot_timeout: typed.value("boot_timeout", value::positive_duration)?,
        request_timeout: limit(typed.optional("request_timeout", value::duration)?),
        recycling: recycling(&typed)?,
        run_before: typed.list("run_before", value::command)?,
        companions: companions::companions(&typed)?,
        run_before_timeout: limit(Some(typed.value("run_before_timeout", value::duration)?)),
        rollback_window: typed.value("rollback_window", value::duration)?,
        rollback_keep: rollouts::rollback_keep(&typed)?,
        preview_header: rollouts::preview_header(&typed)?,
        canary_cookie: typed.optional("canary_cookie", value::cookie_name)?,
        upgrade_mode: rollouts::upgrade_mode(&typed)?,
        upgrade_timeout: typed.value("upgrade_timeout", value::positive_duration)?,
        shutdown_delay: typed.value("shutdown_delay", value::duration)?,
        keepalive_drain: match (typed.switch("reload")?, typed.last("keepalive_drain")) {
            // An open browser's next request has to reach the new code.
            (true, None) => Duration::ZERO,
            (_, _) => typed.value("keepalive_drain", value::duration)?,
        },
        client: ClientTimeouts {
            first_byte: typed.value("first_byte_timeout", value::positive_duration)?,
            head: typed.value("header_timeout", value::positive_duration)?,
            body: typed.value("body_timeout", value::positive_duration)?,
            body_rate: typed.value("body_min_rate", value::size)?,
            write: typed.value("write_timeout", value::positive_duration)?,
            keep_alive: typed.value("keepalive", value::duration)?,
        },
        http2,
        websocket: WebSocket {
            mode: typed.value("ws", value::websockets)?,
            max_size: match typed.value("websocket_max_message_size", value::size)? {
                0 => usize::MAX,
                size => size.try_into().unwrap_or(usize::MAX),
            },
            ping_interval: Some(typed.value("ws_ping_interval", value::duration)?)
                .filter(|interval| !interval.is_zero()),
            ping_timeout: Some(typed.value("ws_ping_timeout", value::duration)?)
                .filter(|timeout| !timeout.is_zero()),
            compression: typed.value("ws_per_message_deflate", value::compression)?,
        },
        in_process: typed.switch("in_process")?,
        warm_up: typed.value("warm_up", value::warm_up)?,
        garbage_collection: typed.value("garbage_collection", value::garbage_collection)?,
        preload: rollouts::preload(&typed)?,
        refork_after: rollouts::refork_after(&typed)?,
        ready_path: typed.optional("ready_path", value::url_path)?,
        ready_host: typed.optional("ready_host", value::host_header)?,
        reload_surge: typed
            .optional("reload_surge", |text| value::number(text, 1..=MOST_WORKERS))?,
        reload: reload(&typed, process_environment)?,
        root_path: match (typed.last("root_path"), script_name(&typed)?) {
            (None, Some(prefix)) => prefix,
            _ => typed.value("root_path", value::root_path)?,
        },
        header_map: typed.value("header_map", value::header_map)?,
        forwarded_allow_ips: typed.value("forwarded_allow_ips", value::peers)?,
        forwarded_headers: typed.value("forwarded_headers", value::forwarded_headers)?,
        secure_scheme_headers: typed
            .value("secure_scheme_headers", value::secure_scheme_headers)?,
        forwarder_headers: typed.value("forwarder_headers", value::header_names)?,
        proxy_protocol: typed.value("proxy_protocol", value::proxy_protocol)?,
        proxy_allow_from: typed.value("proxy_allow_ips", value::peers)?,
        limits: Limits {
            request_line: typed.value("limit_request_line", value::longest)?,
            fields: typed.value("limit_request_fields", value::most_fields)?,
            field_size: typed.value("limit_request_field_size", value::longest)?,
            body: typed
                .optional("limit_request_body", value::size)?
                .filter(|limit| *limit > 0),
        },
        limit_concurrency: typed
            .optional("limit_concurrency", |text| {
                value::number(text, 0..=u32::MAX)
            })?
            .filter(|limit| *limit > 0),
        shed_wait: typed.optional("shed_wait", value::positive_duration)?,
        log_level: typed.value("loglevel", value::log_level)?,
        error_log: typed.value("errorlog", log(LogTarget::Stderr))?,
        access_log: typed.optional("accesslog", log(LogTarget::Stdout))?,
        admin_bind,
        logging: logging::logging(&typed, base)?,
        control_socket: typed.control_socket(base)?,
        sendfile: if typed.switch("sendfile")? {
            SendFile::Kernel
        } else {
            SendFile::App
        },
        pathsend: typed.switch("pathsend")?,
        files: files::files(&typed, base)?,
        compression: compression::compression(&typed)?,
        server_header: typed.switch("server_header")?,
        config_file: None,
        hooks: None,
        record: None,
        chdir,
        env,
        // Last: `--print-config` reports every other error, and works without an app.
        app: app(&typed)?,
    };
    let mode = if typed.switch("print_config")? || typed.switch("print_changed")? {
        RunMode::PrintConfig
    } else if typed.switch("check_config")? {
        RunMode::CheckConfig
    } else {
        RunMode::Serve
    };
    Ok(Resolved { mode, settings })
}

/// The control socket and the name of the server with these settings, for a client in the same environment.
///
/// # Errors
/// When one of those settings is wrong.
pub fn control(
    layers: &Layers,
    process_environment: &ProcessEnvironment,
) -> Result<(ControlSocket, Option<String>), Error> {
    let typed = Typed { layers };
    let chdir = typed.chdir(process_environment)?;
    let base = chdir.as_deref().unwrap_or(&process_environment.directory);
    Ok((
        typed.control_socket(base)?,
        typed.optional("proc_name", owned)?,
    ))
}

/// The layers, with a reader for each type of setting.
struct Typed<'a> {
    layers: &'a Layers,
}

impl Typed<'_> {
    fn chdir(&self, process_environment: &ProcessEnvironment) -> Result<Option<PathBuf>, Error> {
        self.optional("chdir", |text| {
            value::directory(&process_environment.directory.join(text))
        })
    }

    fn control_socket(&self, base: &Path) -> Result<ControlSocket, Error> {
        Ok(
            match self.optional("control_socket", |text| Ok(base.join(text)))? {
                _ if self.switch("control_socket_disable")? => ControlSocket::None,
                Some(path) => ControlSocket::At(path),
                None => ControlSocket::Usual,
            },
        )
    }

    fn last(&self, name: &'static str) -> Option<&Given> {
        self.layers.given(name).last()
    }

    /// The value given, or the default.
    fn value<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> ParsedValue<T>,
    ) -> Result<T, Error> {
        let definition = definition(name).expect("a test resolves all names");
        match self.last(name) {
            Some(given) => understand(definition, &given.text, &given.origin, parse),
            None => understand(
                definition,
                definition.default.expect("a test resolves all defaults"),
                &Origin::Default,
                parse,
            ),
        }
    }

    /// Whether it is on; an option that is given without a value is.
    fn switch(&self, name: &'static str) -> Result<bool, Error> {
        let definition = definition(name).expect("a test resolves all names");
        let default = definition.default.unwrap_or("false");
        let (text, origin) = match self.last(name) {
            Some(given) => (given.text.as_str(), &given.origin),
            None => (default, &Origin::Default),
        };
        understand(definition, text, origin, value::switch)
    }

    /// The value given; an empty one switches the setting off.
    fn optional<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> ParsedValue<T>,
    ) -> Result<Option<T>, Error> {
        let definition = definition(name).expect("a test resolves all names");
        match self.last(name) {
            Some(given) if !given.text.is_empty() => {
                understand(definition, &given.text, &given.origin, parse).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Every value of a repeated setting, or its default.
    fn list<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> ParsedValue<T>,
    ) -> Result<Vec<T>, Error> {
        let definition = definition(name).expect("a test resolves all names");
        let given = self.layers.given(name);
        let mut values = Vec::new();
        for Given { text, origin } in given {
            values.push(understand(definition, text, origin, &parse)?);
        }
        if let Some(default) = definition.default.filter(|_| given.is_empty()) {
            values.push(understand(definition, default, &Origin::Default, parse)?);
        }
        Ok(values)
    }
}

fn understand<T>(
    definition: &Definition,
    text: &str,
    origin: &Origin,
    parse: impl Fn(&str) -> ParsedValue<T>,
) -> Result<T, Error> {
    parse(text).map_err(
        |InvalidValue {
             problem,
             hint,
             understood,
             is_absent,
         }| {
            // Both the problem and the hint may quote the value.
            let (problem, hint) = (shown(&problem), hint.as_deref().map(shown));
            let (value, by) = (
                shown(text).into(),
                origin.of(&definition.spelling(), definition.name),
            );
            let subject = Box::new(ErrorSubject::of(origin, definition.name));
            if is_absent {
                Error::Absent {
                    origin: by,
                    value,
                    problem,
                    excerpt: origin.excerpt(),
                    hint,
                    subject,
                }
            } else if definition.kind.is_numeric() && origin.is_option() && !understood {
                Error::Number {
                    origin: by,
                    value,
                    problem,
                    hint,
                    subject,
                }
            } else {
                Error::Value {
                    origin: by,
                    value,
                    problem,
                    excerpt: origin.excerpt(),
                    hint,
                    subject,
                }
            }
        },
    )
}

fn app(typed: &Typed) -> Result<super::AppSpec, Error> {
    if typed.last("wsgi_app").is_none() {
        return Err(Error::NoApp);
    }
    let mut app = typed.value("wsgi_app", value::app)?;
    if typed.switch("factory")? && app.factory == Factory::Plain {
        app.factory = Factory::Call {
            arguments: String::new(),
        };
    }
    Ok(app)
}

/// The path that the app is mounted at, from the environment that is set for workers: gunicorn's read it from there,
/// whatever process has set it.
fn script_name(typed: &Typed) -> Result<Option<String>, Error> {
    let paths = typed.list("raw_env", |text| match value::environment_pair(text)? {
        (name, prefix) if name == "SCRIPT_NAME" => value::root_path(&prefix).map(Some),
        _ => Ok(None),
    })?;
    Ok(paths.into_iter().flatten().next_back())
}

fn recycling(typed: &Typed) -> Result<Recycling, Error> {
    let count = |text: &str| value::number(text, 0..=u32::MAX).map(u64::from);
    Ok(Recycling {
        requests: Some(typed.value("max_requests", count)?).filter(|limit| *limit > 0),
        requests_jitter: typed.value("max_requests_jitter", count)?,
        memory: typed
            .optional("max_worker_memory", value::size)?
            .filter(|limit| *limit > 0),
        lifetime: limit(typed.optional("max_worker_lifetime", value::duration)?),
        lifetime_jitter: typed.value("max_worker_lifetime_jitter", value::duration)?,
    })
}

/// Patterns are relative to where the program is started, as with gunicorn.
fn reload(
    typed: &Typed,
    process_environment: &ProcessEnvironment,
) -> Result<Option<AutoReload>, Error> {
    let engine = typed.value("reload_engine", value::reload_engine)?;
    let extra = typed.list("reload_extra_files", |text| {
        value::watched(&process_environment.directory.join(text))
    })?;
    Ok(typed
        .switch("reload")?
        .then_some(AutoReload { engine, extra }))
}

/// Zero means: no limit.
fn limit(given: Option<Duration>) -> Option<Duration> {
    given.filter(|limit| !limit.is_zero())
}

#[allow(clippy::unnecessary_wraps, reason = "the shape of a reader of values")]
fn owned(text: &str) -> ParsedValue<String> {
    Ok(text.to_owned())
}

/// `None`: the number of workers is fixed.
fn scaling(
    typed: &Typed<'_>,
    workers: WorkerCount,
    by_cpus: Option<&WorkersByCpus>,
) -> Result<Option<ScalingSettings>, Error> {
    let scaling = ScalingSettings {
        most: workers.most,
        wait: typed.value("scale_wait", value::milliseconds)?,
        idle: typed.value("scale_idle", value::positive_duration)?,
        memory: typed.optional("scale_memory", value::size)?,
    };
    // With more CPUs its ends may be apart.
    let may_grow = by_cpus.is_some_and(WorkersByCpus::is_range);
    Ok((workers.least < workers.most || may_grow).then_some(scaling))
}

/// Seconds, or a number with a unit, as the settings take them.
///
/// # Errors
/// Returns the problem as text that follows the value.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    value::duration(text).map_err(|InvalidValue { problem, hint, .. }| {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{problem}{hint}")
    })
}

/// The address of a preview, with the syntax of `--bind`: `what` names where it was given. A path is absolute: the
/// working directories of server and client may differ.
///
/// # Errors
/// Returns the problem, in one line.
pub fn preview_address(text: &str, what: &str) -> Result<super::Bind, String> {
    let no_base = std::path::Path::new("");
    let read = value::bind(text, no_base).and_then(|bind| match &bind.endpoint {
        super::Endpoint::Fd { .. } | super::Endpoint::FdName { .. } => {
            Err(InvalidValue::new("names a socket that is passed in")
                .hint("write HOST:PORT or unix:/PATH"))
        }
        super::Endpoint::Unix { path } if path.is_relative() => {
            Err(InvalidValue::new("is a relative path").hint("write unix:/PATH"))
        }
        super::Endpoint::Tcp { .. } | super::Endpoint::Unix { .. } => Ok(bind),
    });
    read.map_err(|InvalidValue { problem, hint, .. }| {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{what}: `{text}` {problem}{hint}")
    })
}

#[cfg(test)]
mod tests;
