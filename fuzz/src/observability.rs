//! What a client sent, as it stands in the access log.

#[allow(dead_code, reason = "the access log uses the rest")]
#[path = "../../src/observability/access/escape.rs"]
mod escape;
#[allow(dead_code, reason = "the logs use the rest")]
#[path = "../../src/observability/json.rs"]
mod json;
#[allow(dead_code, reason = "rgun ctl uses the rest")]
#[path = "../../src/observability/terminal.rs"]
mod terminal;

pub fn quoted(bytes: &[u8], longest: usize) -> Vec<u8> {
    let mut line = Vec::new();
    escape::push_quoted(&mut line, bytes, longest);
    line
}
