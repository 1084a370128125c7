//! The processes' titles in ps.

use crate::config::Settings;

pub fn master(settings: &Settings) -> String {
    format!("rgun: master [{}]", server(settings))
}

pub fn worker(settings: &Settings, slot: u32, generation: u64) -> String {
    format!(
        "rgun: worker {slot} gen {generation} [{}]",
        server(settings)
    )
}

pub fn mold(settings: &Settings, generation: u64) -> String {
    format!("rgun: mold gen {generation} [{}]", server(settings))
}

pub fn monitor(settings: &Settings) -> String {
    format!("rgun: monitor [{}]", server(settings))
}

pub fn watcher(settings: &Settings) -> String {
    format!("rgun: watcher [{}]", server(settings))
}

/// `--name`, or the app.
pub fn server(settings: &Settings) -> String {
    let app = || settings.app.to_string();
    settings.process_name.clone().unwrap_or_else(app)
}
