//! `CONFIG_KWARGS` of uvicorn's worker class, translated to rgun's settings.

use std::path::Path;

use serde_json::{Map, Value};

use super::{ScriptAnswer, shown};
use crate::config::{Definition, Error, Origin, definition};

type Texts<'a> = &'a dyn Fn(&Definition, &Value) -> Result<Vec<String>, Error>;

/// Options without a counterpart, because rgun has no such choice.
const MEANINGLESS: [&str; 7] = [
    "http",
    "date_header",
    "use_colors",
    "callback_notify",
    "timeout_notify",
    "ws_max_queue",
    "reset_contextvars",
];

pub fn options(
    class: &str,
    options: &Map<String, Value>,
    script_answer: &mut ScriptAnswer,
    texts: Texts,
) -> Result<(), Error> {
    let origin = Origin::Python(format!("{}.CONFIG_KWARGS", shown(class)).into());
    for (option, value) in options {
        let setting = match option.as_str() {
            "loop" => "asgi_loop",
            "lifespan" => "asgi_lifespan",
            "ws" if value == "none" => "ws",
            "ws_max_size" => "websocket_max_message_size",
            "timeout_keep_alive" => "keepalive",
            "limit_max_requests" => "max_requests",
            "limit_max_requests_jitter" => "max_requests_jitter",
            "timeout_graceful_shutdown" => "graceful_timeout",
            "h11_max_incomplete_event_size" => "limit_request_field_size",
            "log_level" => "loglevel",
            "root_path"
            | "limit_concurrency"
            | "forwarded_allow_ips"
            | "backlog"
            | "factory"
            | "ws_ping_interval"
            | "ws_ping_timeout"
            | "ws_per_message_deflate"
            | "server_header"
            | "workers" => option,
            "log_config" if value.is_object() => "logconfig_dict",
            "log_config" => match value.as_str() {
                // As uvicorn distinguishes them.
                Some(path) if Path::new(path).extension() == Some("json".as_ref()) => {
                    "logconfig_json"
                }
                Some(_) => "logconfig",
                None => continue,
            },
            "proxy_headers" if value == false => "forwarded_headers",
            "access_log" if value == false => {
                // uvicorn's loggers then get no request, whatever `accesslog` of the file says.
                if let Some(access_log) = definition("accesslog") {
                    let none = String::new();
                    script_answer.layer.add(access_log, none, origin.clone());
                }
                continue;
            }
            "access_log" | "proxy_headers" | "ws" | "interface" => continue,
            _ if MEANINGLESS.contains(&option.as_str()) => continue,
            _ => {
                script_answer.warnings.push(format!(
                    "{origin}: `{}` has no counterpart here and no effect",
                    shown(option)
                ));
                continue;
            }
        };
        let Some(definition) = definition(setting) else {
            continue;
        };
        let texts = match (option.as_str(), value.as_str()) {
            ("ws", _) => vec!["off".to_owned()],
            ("proxy_headers", _) => vec![String::new()],
            ("loop", Some(name)) if !["auto", "asyncio", "uvloop"].contains(&name) => continue,
            ("log_level", Some("trace")) => vec!["debug".to_owned()],
            _ => texts(definition, value)?,
        };
        for text in texts {
            script_answer
                .class_options
                .add(definition, text, origin.clone());
        }
    }
    Ok(())
}
