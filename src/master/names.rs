//! The processes' titles in ps.

use crate::config::Settings;

pub fn master(settings: &Settings) -> String {
    format!("rgun: master [{}]", name(settings))
}

pub fn worker(settings: &Settings, slot: u32, generation: u64) -> String {
    format!("rgun: worker {slot} gen {generation} [{}]", name(settings))
}

pub fn mold(settings: &Settings, generation: u64) -> String {
    format!("rgun: mold gen {generation} [{}]", name(settings))
}

pub fn monitor(settings: &Settings) -> String {
    format!("rgun: monitor [{}]", name(settings))
}

pub fn watcher(settings: &Settings) -> String {
    format!("rgun: watcher [{}]", name(settings))
}

/// `--name`, or the app.
fn name(settings: &Settings) -> String {
    let app = || settings.app.to_string();
    settings.process_name.clone().unwrap_or_else(app)
}
