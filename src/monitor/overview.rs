//! The numbers of `rgun ctl status` as a page for a browser: read-only, without a script, and without what clients have sent.

use std::fmt::Write;

use super::ratio::float;
use super::snapshot::Snapshot;
use crate::ipc::{CAUSES, Service};

/// The page loads nothing, runs nothing, and is shown in no frame.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;background:Canvas;color:CanvasText}\
h1{font-size:1.4rem}h2{font-size:1rem;margin:1.6rem 0 .3rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid color-mix(in srgb,CanvasText 20%,Canvas)}\
th:first-child,td:first-child{text-align:left}\
.good{color:light-dark(#176b2c,#7ee2a0)}.bad{color:light-dark(#a8071a,#ff8f8f)}small{opacity:.7}";

/// `app`: as `--name` or the settings call it.
pub fn page(app: &str, service: Service, snapshot: &Snapshot) -> String {
    let mut html = String::with_capacity(8 * 1024);
    let facts = &snapshot.facts;
    let serving = snapshot.states.get("serving").copied().unwrap_or(0);
    let (state, class) = match service {
        Service::Booting => ("booting", ""),
        Service::Ready => ("serving", "good"),
        Service::Reloading => ("reloading", ""),
        Service::Stopping => ("stopping", "bad"),
    };
    let app = escaped(app);
    // Writing to a string cannot fail.
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{app}: {state}</title><style>{STYLE}</style></head><body>\
         <h1>{app} <span class=\"{class}\">{state}</span></h1>\
         <p>{serving} of {} workers serve, generation {}, master pid {}, rgun {}</p>",
        facts.target,
        facts.generation,
        facts.pid,
        env!("CARGO_PKG_VERSION"),
    );
    html.push_str("<p>");
    for address in &snapshot.addresses {
        let _ = write!(html, "{} ", escaped(address));
    }
    html.push_str("</p>");
    requests(&mut html, snapshot);
    workers(&mut html, snapshot);
    companions(&mut html, snapshot);
    events(&mut html, snapshot);
    html.push_str(
        "<p><small>Read again every 5 seconds. For programs: <a href=\"/-/metrics\">/-/metrics</a>, \
         <a href=\"/-/ready\">/-/ready</a>, <a href=\"/-/live\">/-/live</a>, \
         <a href=\"/-/started\">/-/started</a></small></p></body></html>\n",
    );
    html
}

fn requests(html: &mut String, snapshot: &Snapshot) {
    let slots = || snapshot.slots.iter().map(|slot| &slot.counters);
    let mut status = [0; 6];
    let mut latency = [0; 28];
    for counters in slots() {
        sum(&mut status, &counters.status);
        sum(&mut latency, &counters.latency);
    }
    let in_flight: u64 = slots().map(crate::ipc::Counters::in_flight).sum();
    html.push_str("<h2>Requests since the start</h2>");
    let [none, _, ok, redirects, client, server] = status;
    let headings = [
        "answered",
        "2xx",
        "3xx",
        "4xx",
        "5xx",
        "no answer",
        "in flight",
        "median",
        "95 %",
        "99 %",
    ];
    begin(html, &headings);
    let total: u64 = status.iter().sum();
    let cells = [total, ok, redirects, client, server, none, in_flight].map(|n| n.to_string());
    let quantiles = [50, 95, 99].map(|percent| quantile(&latency, percent));
    row(html, "", cells.into_iter().chain(quantiles));
    html.push_str("</table>");
}

fn workers(html: &mut String, snapshot: &Snapshot) {
    /// As `rgun ctl status` has it.
    const STUCK_MS: u64 = 3_000;
    html.push_str("<h2>Workers</h2>");
    let headings = [
        "slot",
        "generation",
        "pid",
        "state",
        "requests",
        "in flight",
        "connections",
        "busy",
        "memory",
        "silent for",
    ];
    begin(html, &headings);
    for worker in &snapshot.workers {
        let slot = worker.slot.to_string();
        let its = snapshot.slots.iter().find(|other| other.name == slot);
        let busy = its.and_then(|slot| slot.busy_ratio);
        let mut sizes = snapshot.processes.iter();
        let size = sizes.find(|(kind, of, _)| *kind == "worker" && *of == slot);
        let memory = size.and_then(|(_, _, size)| size.resident);
        let stuck = worker.state == "serving" && worker.silent_ms > STUCK_MS;
        let class = match worker.state {
            _ if stuck => "bad",
            "serving" => "good",
            _ => "",
        };
        let cells = [
            slot,
            worker.generation.to_string(),
            worker.pid.to_string(),
            if stuck { "stuck" } else { worker.state }.to_owned(),
            worker.requests.to_string(),
            worker.in_flight.to_string(),
            worker.connections.to_string(),
            busy.map_or_else(|| "?".to_owned(), |busy| format!("{:.0} %", busy * 100.0)),
            memory.map_or_else(|| "?".to_owned(), megabytes),
            format!("{:.1} s", float(worker.silent_ms) / 1e3),
        ];
        row(html, class, cells);
    }
    html.push_str("</table>");
    for (kind, _, size) in snapshot
        .processes
        .iter()
        .filter(|(kind, ..)| *kind != "worker")
    {
        if let Some(bytes) = size.resident {
            let _ = write!(html, "<small>{kind}: {}</small> ", megabytes(bytes));
        }
    }
}

fn companions(html: &mut String, snapshot: &Snapshot) {
    if snapshot.companions.is_empty() {
        return;
    }
    html.push_str("<h2>Beside the workers</h2>");
    begin(html, &["name", "state", "restarts"]);
    for companion in &snapshot.companions {
        let (state, class) = if companion.runs {
            ("running", "good")
        } else {
            ("paused", "bad")
        };
        let cells = [
            companion.name.clone(),
            state.to_owned(),
            companion.restarts.to_string(),
        ];
        row(html, class, cells);
    }
    html.push_str("</table>");
}

fn events(html: &mut String, snapshot: &Snapshot) {
    let facts = &snapshot.facts;
    html.push_str("<h2>Since the start</h2>");
    begin(html, &["what", "how often"]);
    let reloads = [
        ("reloads that succeeded", facts.reloads),
        ("reloads that failed", facts.reloads_failed),
    ];
    for (what, count) in reloads {
        row(html, "", [what.to_owned(), count.to_string()]);
    }
    let restarts = CAUSES.iter().zip(facts.restarts);
    for (cause, count) in restarts.filter(|(_, count)| *count > 0) {
        row(
            html,
            "",
            [format!("workers replaced: {cause}"), count.to_string()],
        );
    }
    html.push_str("</table>");
}

fn begin(html: &mut String, headings: &[&str]) {
    html.push_str("<table><tr>");
    for heading in headings {
        let _ = write!(html, "<th>{heading}</th>");
    }
    html.push_str("</tr>");
}

fn row(html: &mut String, class: &str, cells: impl IntoIterator<Item = String>) {
    let _ = write!(html, "<tr class=\"{class}\">");
    for cell in cells {
        let _ = write!(html, "<td>{}</td>", escaped(&cell));
    }
    html.push_str("</tr>");
}

fn sum<const N: usize>(into: &mut [u64; N], counts: &[u64]) {
    for (sum, count) in into.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// The upper bound of the bucket that has it.
fn quantile(latency: &[u64], percent: u64) -> String {
    let total: u64 = latency.iter().sum();
    if total == 0 {
        return "-".to_owned();
    }
    let wanted = (total * percent).div_ceil(100);
    let mut seen = 0;
    let mut buckets = latency.iter();
    let bucket = buckets.position(|count| {
        seen += count;
        seen >= wanted
    });
    let micros = 1_u64 << bucket.unwrap_or(0).min(40);
    match micros {
        // The last bucket has no bound.
        _ if bucket.is_some_and(|bucket| bucket + 1 == latency.len()) => {
            format!("> {} s", micros / 2_000_000)
        }
        0..1_000 => "< 1 ms".to_owned(),
        1_000..1_000_000 => format!("< {} ms", micros / 1_000),
        _ => format!("< {:.1} s", float(micros) / 1e6),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

/// Text within an element or an attribute in quotes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if character.is_control() => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::companion::CompanionSample;
    use super::super::memory::MemoryReadings;
    use super::super::ratio::Ratios;
    use super::*;
    use crate::ipc::{Scoreboard, ScoreboardState};

    #[test]
    fn shows_numbers_and_escapes_names() {
        let board = Scoreboard::create(4).expect("a small mapping");
        let page_of_worker = board.acquire(1, 3).expect("a page");
        page_of_worker.set_state(ScoreboardState::Accepting);
        page_of_worker.beat(9_500);
        for status in [200, 404, 500] {
            let ticket = page_of_worker.request_started(b"GET", b"/secret", b"", 1);
            page_of_worker.request_finished(ticket, status, 3_000, 1);
        }
        let mut snapshot = Snapshot::take(
            &board.board(),
            &["unix:/run/<a>".to_owned()],
            &mut MemoryReadings::default(),
            &mut Ratios::default(),
            10_000,
        );
        snapshot.companions = CompanionSample::read(b"0 3 mail\n");
        let html = page("a&b \"<script>'", Service::Ready, &snapshot);
        for part in [
            "<title>a&amp;b &quot;&lt;script&gt;&#39;: serving</title>",
            "unix:/run/&lt;a&gt;",
            "<tr class=\"good\"><td>1</td><td>3</td>",
            "<td>mail</td><td>paused</td><td>3</td>",
            "<td>3</td><td>1</td><td>0</td><td>1</td><td>1</td><td>0</td><td>0</td><td>&lt; 4 ms</td>",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(
            !html.contains("<script") && !html.contains("secret"),
            "{html}"
        );
    }

    #[test]
    fn quantiles_are_bounds() {
        let mut latency = [0; 28];
        assert_eq!(quantile(&latency, 95), "-");
        (latency[3], latency[12], latency[21]) = (90, 8, 2);
        assert_eq!(quantile(&latency, 50), "< 1 ms");
        assert_eq!(quantile(&latency, 95), "< 4 ms");
        assert_eq!(quantile(&latency, 99), "< 2.1 s");
    }
}
