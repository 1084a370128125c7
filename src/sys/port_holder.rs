//! Which process has a listening socket at a port, as `/proc` shows it: for the hint below a bind that fails.

use std::fs;
use std::path::PathBuf;

/// How much of a command line is shown.
const LONGEST_TITLE: usize = 80;
/// A socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

#[derive(Debug, PartialEq, Eq)]
pub enum PortHolder {
    ThisProcess,
    /// `process 4711 (rgun: master [shop])`; of several (a server and its children) the oldest.
    Other(String),
}

/// `None`: there is none, it is in another network or process namespace, or it belongs to another user.
pub fn holder_of(port: u16) -> Option<PortHolder> {
    let sockets: Vec<PathBuf> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening(&table, port))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let this = std::process::id();
    if has_one_of(this, &sockets) {
        return Some(PortHolder::ThisProcess);
    }
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|pid| has_one_of(*pid, &sockets))?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    Some(PortHolder::Other(described(pid, &command_line)))
}

/// The links of the descriptors of sockets that listen there.
fn listening(table: &str, port: u16) -> Vec<PathBuf> {
    let end = format!(":{port:04X}");
    let rows = table.lines().map(str::split_ascii_whitespace);
    rows.filter_map(|mut row| {
        let address = row.nth(1)?;
        let state = row.nth(1)?;
        let inode = row.nth(5)?;
        let wanted = address.ends_with(&end) && state == LISTENS;
        wanted.then(|| format!("socket:[{inode}]").into())
    })
    .collect()
}

fn has_one_of(pid: u32, sockets: &[PathBuf]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        .any(|link| sockets.contains(&link))
}

fn described(pid: u32, command_line: &[u8]) -> String {
    let text = String::from_utf8_lossy(command_line);
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let title: String = text.chars().take(LONGEST_TITLE).map(shown).collect();
    match title.trim() {
        "" => format!("process {pid}"),
        title => format!("process {pid} ({title})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_sockets_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100\n   \
                     1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100\n   \
                     2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100\n";
        assert_eq!(listening(table, 8080), [PathBuf::from("socket:[4242]")]);
        assert!(listening(table, 80).is_empty());
        assert!(listening("", 8080).is_empty());
    }

    #[test]
    fn this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(holder_of(port), Some(PortHolder::ThisProcess));
        drop(listener);
        assert_eq!(holder_of(port), None);
    }

    #[test]
    fn titles_are_one_line() {
        assert_eq!(
            described(7, b"python\0-m\0http\n\0"),
            "process 7 (python -m http)"
        );
        assert_eq!(described(7, b""), "process 7");
    }
}
