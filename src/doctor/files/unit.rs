//! A systemd service that runs this program.

use super::{quantity, starts_rgun, unshelled};
use crate::doctor::facts::{Deployment, Manager};

/// `None`: it runs another program.
pub fn read(place: &str, text: &str) -> Option<Deployment> {
    let entries = entries(text);
    let last = |wanted: &str| {
        let mut found = entries.iter().filter(|(name, _)| name == wanted);
        found.next_back().map(|(_, value)| value.as_str())
    };
    let start = last("ExecStart")?;
    // systemd.service(5): these characters in front of the path change how it is run.
    let words = crate::config::split(start.trim_start_matches(['-', '@', ':', '+', '!'])).ok()?;
    let (command, has_shell) = unshelled(words);
    if !starts_rgun(&command) {
        return None;
    }
    Some(Deployment {
        place: place.to_owned(),
        manager: Manager::Systemd,
        command,
        has_shell,
        stop: last("TimeoutStopSec")
            .or_else(|| last("TimeoutSec"))
            .and_then(quantity::duration),
        kind: Some(last("Type").unwrap_or("simple").to_owned()),
        memory: last("MemoryMax").and_then(quantity::bytes),
        server: None,
    })
}

/// Of all sections, with lines that a backslash continues joined.
fn entries(text: &str) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    let mut joined = String::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(begun) = line.strip_suffix('\\') {
            joined.push_str(begun);
            joined.push(' ');
            continue;
        }
        joined.push_str(line);
        if let Some((name, value)) = joined.split_once('=') {
            entries.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        joined.clear();
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_service() {
        let text = "[Unit]\nDescription=a\n[Service]\n# Type=simple\nType=notify\nExecStart=/usr/bin/env rgun \\\n  app:app -w 2\nTimeoutStopSec=1min\nMemoryMax=1G\n";
        let found = read("a.service", text).expect("it runs rgun");
        assert_eq!(
            found.command,
            ["/usr/bin/env", "rgun", "app:app", "-w", "2"]
        );
        assert_eq!(found.stop, Some(Duration::from_secs(60)));
        assert_eq!(found.kind.as_deref(), Some("notify"));
        assert_eq!(found.memory, Some(1 << 30));
        let plain = read(
            "a.service",
            "[Service]\nExecStart=-/bin/sh -c 'rgun app:app'\n",
        );
        let plain = plain.expect("it runs rgun");
        assert_eq!((plain.kind.as_deref(), plain.stop), (Some("simple"), None));
        assert!(plain.has_shell);
        assert!(read("a.service", "[Service]\nExecStart=/usr/bin/celery\n").is_none());
        assert!(read("a.service", "").is_none());
    }
}
