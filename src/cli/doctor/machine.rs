//! Reads the facts of the machine or container that this process runs in.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::config::ProcessEnvironment;
use crate::doctor::denials;
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
        denials: denials::read(&SECURITY_LOGS.map(end_of).concat()),
    }
}

/// Where auditd and the kernel's messages are; most are readable by root alone.
const SECURITY_LOGS: [&str; 3] = [
    "/var/log/kern.log",
    "/var/log/syslog",
    "/var/log/audit/audit.log",
];
/// What is older has been dealt with, or was rotated.
const RECENT: u64 = 1 << 20;

/// Of a regular file; a FIFO would be waited for.
fn end_of(path: &str) -> String {
    let read = || {
        let length = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
        let mut file = File::open(path).ok()?;
        file.seek(SeekFrom::Start(length.saturating_sub(RECENT)))
            .ok()?;
        let mut bytes = Vec::new();
        file.take(RECENT).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_default()
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
