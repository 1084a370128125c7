//! The settings of the logs beyond level and files, read together. Checks that a file for Python's logging exists.

use std::path::{Path, PathBuf};

use super::Typed;
use crate::config::value::{self, InvalidValue, ParsedValue};
use crate::config::{
    AccessLines, BacklogMetric, Error, LineShape, Logging, Prints, PythonLogging, RequestIds,
    StatsdSettings, Stdio, SyslogSettings,
};
use crate::sys::open_at_once;

pub(super) fn logging(typed: &Typed<'_>, base: &Path) -> Result<Logging, Error> {
    let class = typed.value("logger_class", value::logger_class)?;
    Ok(Logging {
        format: typed.value("log_format", value::log_format)?,
        access: AccessLines {
            format: typed.value("access_log_format", |text| {
                value::access_format(&class.around(text))
            })?,
            sample: typed.value("access_log_sample", value::share)?,
            exclude: typed
                .list("access_log_exclude", value::path_patterns)?
                .concat(),
        },
        request_ids: match typed.value("request_id_header", value::identifier_name)? {
            name if typed.switch("request_id")? => RequestIds::Field(name),
            _ => RequestIds::Off,
        },
        python: python(typed, base)?,
        prints: if typed.switch("capture_output")? {
            Prints::ToErrorLog
        } else {
            Prints::Through
        },
        stdio: if typed.switch("enable_stdio_inheritance")? {
            Stdio::Inherited
        } else {
            Stdio::Silent
        },
        syslog: syslog(typed, class.syslog)?,
        line: class.line,
        statsd: statsd(typed)?,
    })
}

/// As gunicorn: the dictionary takes precedence, then JSON.
fn python(typed: &Typed<'_>, base: &Path) -> Result<Option<PythonLogging>, Error> {
    let file = |text: &str| existing(base.join(text));
    let json = typed.optional("logconfig_json", file)?;
    let ini = typed.optional("logconfig", file)?;
    let dict = typed.optional("logconfig_dict", |text| Ok(text.to_owned()))?;
    Ok(match (dict, json, ini) {
        (Some(dict), ..) => Some(PythonLogging::Dict(dict)),
        (None, Some(path), _) => Some(PythonLogging::JsonFile(path)),
        (None, None, Some(path)) => Some(PythonLogging::File(path)),
        (None, None, None) => None,
    })
}

fn existing(path: PathBuf) -> ParsedValue<PathBuf> {
    // Does not wait for the writer of a FIFO.
    match open_at_once(&path) {
        Ok(_) if path.is_dir() => Err(InvalidValue::new("is a directory")),
        Ok(_) => Ok(path),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(InvalidValue::new("does not exist"))
        }
        Err(error) => Err(InvalidValue::new(format!("cannot be read: {error}"))),
    }
}

fn syslog(typed: &Typed<'_>, line: Option<LineShape>) -> Result<Option<SyslogSettings>, Error> {
    let address = typed.value("syslog_addr", value::syslog_address)?;
    let facility = typed.value("syslog_facility", value::facility)?;
    if !typed.switch("syslog")? {
        return Ok(None);
    }
    // Without a name it is the app, as gunicorn has it.
    let text = |name| typed.last(name).map(|given| given.text.clone());
    let prefix = text("syslog_prefix").filter(|prefix| !prefix.is_empty());
    let process = || text("proc_name").or_else(|| text("wsgi_app"));
    Ok(Some(SyslogSettings {
        address,
        prefix: prefix.unwrap_or_else(|| process().unwrap_or_default().replace(':', ".")),
        facility,
        access: !typed.switch("disable_redirect_access_to_syslog")?,
        line,
    }))
}

fn statsd(typed: &Typed<'_>) -> Result<Option<StatsdSettings>, Error> {
    let prefix = typed.value("statsd_prefix", value::metric_prefix)?;
    let tags = typed.value("dogstatsd_tags", value::metric_tags)?;
    let address = typed.optional("statsd_host", value::statsd_address)?;
    let backlog = if typed.switch("enable_backlog_metric")? {
        BacklogMetric::Sent
    } else {
        BacklogMetric::No
    };
    Ok(address.map(|address| StatsdSettings {
        address,
        prefix,
        tags,
        backlog,
    }))
}
