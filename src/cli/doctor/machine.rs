//! Reads the facts of the machine or container that this process runs in.

use std::fs;
use std::path::Path;

use crate::config::ProcessEnvironment;
use crate::doctor::facts::Machine;
use crate::sys::{OutOfMemory, unix_seconds};

pub fn machine(process_environment: &ProcessEnvironment) -> Machine {
    let memory = OutOfMemory::of_this_process().usage();
    Machine {
        now: u64::try_from(unix_seconds()).unwrap_or(0),
        cpus: Some(process_environment.cpus),
        somaxconn: number("/proc/sys/net/core/somaxconn"),
        descriptors: descriptors(),
        memory: memory.map(|usage| usage.limit),
        tcp_migrate_req: number::<u32>("/proc/sys/net/ipv4/tcp_migrate_req").map(|on| on != 0),
        first_process: is_container()
            .then(|| text("/proc/1/comm"))
            .flatten()
            .map(|name| name.trim().to_owned()),
        logrotate: logrotate(),
    }
}

fn text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn number<T: std::str::FromStr>(path: &str) -> Option<T> {
    text(path)?.trim().parse().ok()
}

/// The hard limit: a start raises its own to that.
fn descriptors() -> Option<u64> {
    let limits = text("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

fn is_container() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
        || ["/.dockerenv", "/run/.containerenv"]
            .iter()
            .any(|mark| Path::new(mark).exists())
}

fn logrotate() -> String {
    let mut all = text("/etc/logrotate.conf").unwrap_or_default();
    for entry in fs::read_dir("/etc/logrotate.d")
        .into_iter()
        .flatten()
        .flatten()
    {
        all.push_str(&fs::read_to_string(entry.path()).unwrap_or_default());
    }
    all
}
