//! What SELinux and AppArmor refused to this program and to proxies, from the lines of the system's logs.

use super::facts::{Denial, SecurityModule};

/// More of them say nothing new.
const MOST: usize = 8;

/// Each access once, the newest last.
pub fn read(log: &str) -> Vec<Denial> {
    let mut found: Vec<Denial> = Vec::new();
    for denial in log.lines().filter_map(denial) {
        found.retain(|one| *one != denial);
        found.push(denial);
    }
    found.split_off(found.len().saturating_sub(MOST))
}

fn denial(line: &str) -> Option<Denial> {
    let (module, operation) = if line.contains("apparmor=\"DENIED\"") {
        (SecurityModule::AppArmor, field(line, "operation"))
    } else if line.contains("avc:") && line.contains("denied") {
        let operation = line
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'));
        (
            SecurityModule::SeLinux,
            operation.map(|(operation, _)| operation.trim().to_owned()),
        )
    } else {
        return None;
    };
    let program = field(line, "comm")?;
    let is_ours = ["rgun", "nginx", "caddy", "haproxy", "traefik", "envoy"]
        .iter()
        .any(|name| program.starts_with(name));
    let target = field(line, "path")
        .or_else(|| field(line, "name"))
        .or_else(|| field(line, "dest").map(|port| format!("port {port}")));
    is_ours.then(|| Denial {
        module,
        program,
        access: [operation, target]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" "),
    })
}

/// `name="text"`, or in hexadecimal where the text has a space or a quote.
fn field(line: &str, name: &str) -> Option<String> {
    let mut words = line.split(' ');
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?;
    if let Some(text) = value.strip_prefix('"') {
        return text.split('"').next().map(str::to_owned);
    }
    let is_hex = value.len() > 2
        && value.len().is_multiple_of(2)
        && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || name == "dest" {
        return Some(value.to_owned());
    }
    let bytes = (0..value.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(value.get(at..at + 2)?, 16).ok());
    String::from_utf8(bytes.collect()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_of_both_modules() {
        let log = "\
type=AVC msg=audit(1.2:3): avc:  denied  { connectto } for  pid=2 comm=\"nginx\" path=\"/run/shop.sock\" scontext=a tcontext=b tclass=unix_stream_socket permissive=0
type=AVC msg=audit(1.2:4): avc:  denied  { name_connect } for  pid=2 comm=\"nginx\" dest=8000 scontext=a tcontext=b
type=AVC msg=audit(1.2:5): avc:  denied  { read } for  pid=3 comm=\"sshd\" name=\"x\"
audit: type=1400 audit(1.2:6): apparmor=\"DENIED\" operation=\"open\" profile=\"shop\" name=\"/srv/shop/db\" pid=3 comm=7267756E3A206D6173746572 requested_mask=\"r\"
type=AVC msg=audit(1.2:7): avc:  denied  { connectto } for  pid=2 comm=\"nginx\" path=\"/run/shop.sock\"
type=AVC msg=audit(1.2:8): avc:  granted  { connectto } for  pid=2 comm=\"nginx\"
";
        let found = read(log);
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.module, &*one.program, &*one.access))
            .collect();
        assert_eq!(
            found,
            [
                (SecurityModule::SeLinux, "nginx", "name_connect port 8000"),
                (
                    SecurityModule::AppArmor,
                    "rgun: master",
                    "open /srv/shop/db"
                ),
                (SecurityModule::SeLinux, "nginx", "connectto /run/shop.sock"),
            ]
        );
        let many: String = (0..100)
            .map(|port| {
                format!("avc:  denied  {{ name_connect }} for comm=\"nginx\" dest={port}\n")
            })
            .collect();
        assert_eq!(read(&many).len(), MOST);
        assert_eq!(
            read("avc: denied\napparmor=\"DENIED\" comm=\n\u{1}").len(),
            0
        );
    }
}
