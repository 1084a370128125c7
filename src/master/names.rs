//! Names: of the processes in ps, and of the files of a second master.

use std::path::{Path, PathBuf};

use crate::config::Settings;

pub fn master(settings: &Settings) -> String {
    format!("rgun: master [{}]", server(settings))
}

/// Of the second of two, until the first one has ended.
pub fn second_master(settings: &Settings) -> String {
    format!("rgun: master 2 [{}]", server(settings))
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

/// The name that the second master uses for a file of the first one's.
pub fn of_second(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".2");
    name.into()
}
