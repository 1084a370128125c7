//! Parsers of values, one file per type.

mod access_format;
mod address;
mod app;
mod choice;
mod ciphers;
mod command;
mod companion;
mod compression;
mod headers;
mod http2;
mod interface;
mod logger_class;
mod logging;
mod mount;
mod number;
mod peers;
mod place;
mod tls;
mod workers;

pub(super) use access_format::access_format;
pub(super) use address::{bind, own_address, separate_binds};
pub(super) use app::app;
pub(super) use choice::{
    compression, event_loop, garbage_collection, header_map, lifespan, log_level, proxy_protocol,
    reload_engine, rollback_keep, switch, upgrade_mode, warm_up, websockets,
};
pub(super) use ciphers::cipher_suites;
pub(super) use command::command;
pub(super) use companion::companions;
pub(super) use compression::{codings, media_types};
pub(super) use headers::{cookie_name, forwarded_headers, header_names, secure_scheme_headers};
pub(super) use http2::{
    frame_size, header_list_size, http_protocols, http2, http2_cleartext, window,
};
pub(super) use interface::worker_class;
pub(super) use logger_class::logger_class;
pub(super) use logging::{
    facility, identifier_name, log_format, metric_prefix, metric_tags, path_patterns, share,
    statsd_address, syslog_address,
};
pub(super) use mount::{Mounted, mount};
pub(super) use number::{
    duration, hang_timeout, longest, mask, milliseconds, most_fields, number, positive_duration,
    size, threads,
};
pub(super) use peers::peers;
pub(super) use place::{
    directories, directory, environment_pair, host_header, log_target, root_path, url_path, watched,
};
pub(super) use tls::{client_certificates, ssl_version, tls_version};
pub(super) use workers::{WorkerCount, worker_count};

/// Why a text is not a valid value: ends the sentence "`--workers`: `x` …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidValue {
    pub problem: String,
    pub hint: Option<String>,
    /// The text is well formed, but rgun does not support it.
    pub understood: bool,
    /// It names a path that this machine does not have.
    pub is_absent: bool,
}

impl InvalidValue {
    pub(super) fn new(problem: impl Into<String>) -> InvalidValue {
        InvalidValue {
            problem: problem.into(),
            hint: None,
            understood: false,
            is_absent: false,
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> InvalidValue {
        InvalidValue {
            hint: Some(hint.into()),
            ..self
        }
    }

    pub(super) fn absent(self) -> InvalidValue {
        InvalidValue {
            is_absent: true,
            ..self
        }
    }

    pub(super) fn understood(self) -> InvalidValue {
        InvalidValue {
            understood: true,
            ..self
        }
    }
}

pub(super) type ParsedValue<T> = Result<T, InvalidValue>;
