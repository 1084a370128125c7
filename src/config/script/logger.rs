//! A logger class of the user's: the attributes that rgun supports, and alternatives for the methods that it does not.

use serde_json::Value;

use super::shown;
use crate::config::Error;

const THEIRS: [&str; 2] = [
    "gunicorn.glogging.Logger",
    "gunicorn.instrument.statsd.Statsd",
];

/// The alternative to overriding a method.
fn instead(method: &str) -> &'static str {
    match method {
        "access" | "access_log_enabled" | "_compute_access_log_enabled" => {
            "--access-log-exclude and --access-log-sample choose what the access log has"
        }
        "atoms" | "atoms_wrapper_class" | "_get_user" => {
            "--access-log-format has %({name}i)s, %({name}o)s and %({name}e)s, or json"
        }
        "now" => "--access-log-format json has RFC 3339 times",
        "reopen_files" | "close_on_exec" => "SIGUSR1 reopens the files",
        "critical" | "error" | "warning" | "info" | "debug" | "exception" | "log" => {
            "--log-level chooses messages, and --log-config or logconfig_dict give gunicorn.error filters and handlers"
        }
        _ => {
            "--log-config or logconfig_dict give gunicorn.error and gunicorn.access their filters, formatters and handlers; \
             --log-format json needs none"
        }
    }
}

/// The setting's text: the class, with its attributes if it has any.
pub fn setting(
    file: &str,
    class: &str,
    ancestors: &[String],
    overrides: &[String],
    attributes: &Value,
) -> Result<String, Error> {
    let is_theirs = ancestors.iter().any(|one| THEIRS.contains(&one.as_str()));
    if THEIRS.contains(&class) || !is_theirs {
        // Not derived from gunicorn's: the setting rejects it by its name.
        return Ok(class.to_owned());
    }
    if overrides.is_empty() {
        return Ok(format!("{} {attributes}", shown(class)));
    }
    let mut ways: Vec<&str> = overrides.iter().map(|name| instead(name)).collect();
    ways.sort_unstable();
    ways.dedup();
    Err(Error::File {
        place: file.to_owned(),
        problem: format!(
            "logger_class: {} overrides {}, and logs are written without Python",
            shown(class),
            shown(&overrides.join(", "))
        ),
        excerpt: None,
        hint: Some(ways.join("; ")),
    })
}
