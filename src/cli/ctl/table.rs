//! The status as a table for people. It asks nobody.

use std::fmt::Write;

use crate::cli::report::Colours;
use crate::master::control::protocol::{InFlight, Status, Worker};

/// A worker that serves and gave no sign of life for longer than that is stuck in its app; an idle one beats once a second.
const STUCK_MS: u64 = 3_000;
/// So many requests of a worker are named.
const NAMED: usize = 5;
const LONGEST_PATH: usize = 60;

const HEADINGS: [&str; 12] = [
    "SLOT",
    "GEN",
    "PID",
    "STATE",
    "AGE",
    "REQ/S",
    "BUSY",
    "CONNS",
    "IN FLIGHT",
    "MEMORY",
    "RESTARTS",
    "OLDEST REQUESTS",
];

/// Columns that are words stand at the left.
fn is_text(column: usize) -> bool {
    matches!(column, 3 | 11)
}

type Row = [String; HEADINGS.len()];

/// Writing to a `String` cannot fail.
pub fn table(status: &Status, colours: Colours) -> String {
    let mut text = head(status, colours);
    let mut rows: Vec<(Row, &'static str)> = Vec::new();
    for worker in &status.workers {
        rows.push((row(worker), colour(worker, colours)));
        for more in worker.oldest.iter().skip(1).take(NAMED - 1) {
            let mut row = Row::default();
            row[HEADINGS.len() - 1] = request(more);
            rows.push((row, ""));
        }
    }
    let headings = HEADINGS.map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().map(|(row, _)| &row[column]);
        cells
            .chain([&headings[column]])
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    line(
        &mut text,
        &headings,
        &widths,
        (colours.bold, colours.bold, colours.end),
    );
    for (row, colour) in &rows {
        let end = if colour.is_empty() { "" } else { colours.end };
        line(&mut text, row, &widths, ("", colour, end));
    }
    text
}

/// `(before each cell, before the state, after each)`.
fn line(text: &mut String, row: &Row, widths: &[usize], paint: (&str, &str, &str)) {
    let mut out = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let gap = " ".repeat(width - cell.chars().count());
        let before = if column == 3 { paint.1 } else { paint.0 };
        let after = if before.is_empty() { "" } else { paint.2 };
        let cell = format!("{before}{cell}{after}");
        let _ = if is_text(column) {
            write!(out, "{cell}{gap}  ")
        } else {
            write!(out, "{gap}{cell}  ")
        };
    }
    text.push_str(out.trim_end());
    text.push('\n');
}

fn head(status: &Status, colours: Colours) -> String {
    let Status {
        version,
        pid,
        app,
        state,
        generation,
        workers_wanted,
        reloads,
        ..
    } = status;
    let (bold, end) = (colours.bold, colours.end);
    let paint = match state.as_str() {
        "serving" => colours.green,
        "stopping" => colours.red,
        _ => colours.yellow,
    };
    let serving = status
        .workers
        .iter()
        .filter(|worker| worker.state == "serving")
        .count();
    let up = age(status.uptime_ms);
    let listeners = status.listeners.join(" ");
    let mut text = format!(
        "{bold}{app}{end}  {paint}{state}{end}  {serving} of {workers_wanted} workers  generation {generation}  up {up}  \
         pid {pid}  rgun {version}\n{listeners}\n"
    );
    if reloads.succeeded + reloads.failed > 0 {
        let _ = writeln!(
            text,
            "reloads: {} succeeded, {} failed",
            reloads.succeeded, reloads.failed
        );
    }
    if let Some(why) = &reloads.last_failure {
        let _ = writeln!(text, "{}the last reload failed: {why}{end}", colours.red);
    }
    text.push('\n');
    text
}

fn is_stuck(worker: &Worker) -> bool {
    worker.state == "serving" && worker.silent_ms > STUCK_MS
}

fn colour(worker: &Worker, colours: Colours) -> &'static str {
    match worker.state.as_str() {
        _ if is_stuck(worker) => colours.red,
        "serving" => colours.green,
        "hung" => colours.red,
        _ => colours.yellow,
    }
}

fn row(worker: &Worker) -> Row {
    let state = if is_stuck(worker) {
        format!("stuck {}", age(worker.silent_ms))
    } else {
        worker.state.clone()
    };
    [
        worker.slot.to_string(),
        worker.generation.to_string(),
        worker.pid.to_string(),
        state,
        age(worker.age_ms),
        format!("{:.1}", worker.requests_per_second),
        format!("{:.0}%", worker.busy * 100.0),
        worker.connections.to_string(),
        worker.in_flight.to_string(),
        worker.memory.map_or_else(|| "?".to_owned(), memory),
        worker.restarts.to_string(),
        worker.oldest.first().map(request).unwrap_or_default(),
    ]
}

fn request(request: &InFlight) -> String {
    // A path is a client's choice: nothing of it may move the cursor.
    let clean = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    };
    let mut path: String = clean(&request.path).chars().take(LONGEST_PATH).collect();
    if request.path.chars().count() > LONGEST_PATH {
        path.push('…');
    }
    format!(
        "{} {path} ({})",
        clean(&request.method),
        age(request.age_ms)
    )
}

/// `640 ms`, `7.3 s`, `4 m 12 s`, `3 h 20 m`, `12 d 4 h`.
fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} m {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

fn memory(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}
