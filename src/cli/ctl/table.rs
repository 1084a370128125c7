//! The status as a table.

use super::screen::Text;
use crate::cli::report::Colours;
use crate::master::control::protocol::{
    CompanionStatus, InFlightRequest, ScaleChange, ScalingStatus, Status, WorkerStatus,
};

/// A serving worker without a heartbeat for longer than that is stuck in its app; an idle one beats once a second.
const STUCK_MS: u64 = 3_000;
/// The most requests shown per worker.
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

/// Columns of words are left-aligned.
fn is_text(column: usize) -> bool {
    matches!(column, 3 | 11)
}

type Row = [Text; HEADINGS.len()];

/// Columns left out on a narrow terminal, in this order.
const SPARED: [usize; 8] = [10, 7, 1, 4, 9, 2, 6, 8];
/// Width to keep for a request's path.
const ROOM_FOR_A_REQUEST: usize = 24;

/// `columns`: of the terminal; `None`: unlimited.
pub fn table(status: &Status, colours: Colours, columns: Option<usize>) -> Text {
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
    let headings = HEADINGS.map(Text::line);
    let width = |column: usize| {
        let cells = rows.iter().map(|(row, _)| &row[column]);
        cells
            .chain([&headings[column]])
            .map(Text::columns)
            .max()
            .unwrap_or(0)
    };
    let mut widths: [Option<usize>; HEADINGS.len()] = std::array::from_fn(|n| Some(width(n)));
    if let Some(columns) = columns {
        spare(&mut widths, columns);
    }
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
    companions(&mut text, status, colours);
    if let Some(columns) = columns {
        text.cut_lines(columns);
    }
    text
}

/// What runs beside the workers, a line each.
fn companions(text: &mut Text, status: &Status, colours: Colours) {
    if !status.companions.is_empty() {
        text.end_line();
    }
    for companion in &status.companions {
        let paint = match companion.state.as_str() {
            "running" => colours.green,
            _ => colours.yellow,
        };
        let CompanionStatus {
            name,
            state,
            restarts,
            ..
        } = companion;
        text.append(format_args!("beside: {name}  "));
        text.styled(paint, format_args!("{state}"), colours.end);
        if let (Some(pid), Some(age_ms)) = (companion.pid, companion.age_ms) {
            text.append(format_args!("  pid {pid}  up {}", age(age_ms)));
        }
        if let Some(bytes) = companion.memory {
            text.append(format_args!("  {}", memory(bytes)));
        }
        if *restarts > 0 {
            text.append(format_args!("  {restarts} restarts"));
        }
        if let Some(command) = &companion.command {
            text.append(format_args!("  {command}"));
        }
        text.end_line();
    }
}

/// Leaves columns out until the rest fits, with some room for a request.
fn spare(widths: &mut [Option<usize>; HEADINGS.len()], columns: usize) {
    for column in SPARED {
        let (requests, others) = widths.split_last().expect("there are twelve");
        let others: usize = others.iter().flatten().map(|width| width + 2).sum();
        if others + requests.unwrap_or(0).min(ROOM_FOR_A_REQUEST) <= columns {
            return;
        }
        widths[column] = None;
    }
}

/// `(before each cell, before the state, after each)`.
fn line(
    text: &mut Text,
    row: &Row,
    widths: &[Option<usize>],
    paint: (&'static str, &'static str, &'static str),
) {
    let shown = row.iter().zip(widths).enumerate();
    for (column, (cell, width)) in
        shown.filter_map(|(n, (cell, width))| Some((n, (cell, (*width)?))))
    {
        let gap = width.saturating_sub(cell.columns());
        let before = if column == 3 { paint.1 } else { paint.0 };
        let after = if before.is_empty() { "" } else { paint.2 };
        let (left, right) = if is_text(column) { (0, gap) } else { (gap, 0) };
        text.pad(left);
        text.style(before);
        text.add(cell);
        text.style(after);
        text.pad(right + 2);
    }
    text.end_line();
}

fn by_load(scaling: &ScalingStatus) -> String {
    let ScalingStatus { least, most, last } = scaling;
    let Some(ScaleChange {
        from,
        to,
        reason,
        ago_ms,
        busy_percent,
        wait_p95_ms,
        ..
    }) = last
    else {
        return format!("{least}..{most}");
    };
    let ago = age(*ago_ms);
    format!(
        "{least}..{most}, {from} to {to} {ago} ago: {reason} ({busy_percent}% busy, p95 of the wait {wait_p95_ms} ms)"
    )
}

fn head(status: &Status, colours: Colours) -> Text {
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
    let mut text = Text::default();
    text.styled(colours.bold, format_args!("{app}"), colours.end);
    text.append(format_args!("  "));
    text.styled(paint, format_args!("{state}"), colours.end);
    text.append(format_args!(
        "  {serving} of {workers_wanted} workers  generation {generation}  up {up}  pid {pid}  rgun {version}"
    ));
    text.end_line();
    text.append(format_args!("{}", status.listeners.join(" ")));
    text.end_line();
    for mount in &status.static_files {
        text.append(format_args!("static: {mount}"));
        text.end_line();
    }
    if let Some(scaling) = &status.scaling {
        text.append(format_args!("workers by load: {}", by_load(scaling)));
        text.end_line();
    }
    if let Some(rollout) = &status.rollout
        && rollout.state != "reloading"
    {
        let slots = match rollout.slots {
            0 => String::new(),
            slots => format!(" in {slots} of {workers_wanted} slots"),
        };
        let preview = match rollout.preview.join(" ") {
            none if none.is_empty() => none,
            addresses => format!(", preview at {addresses}"),
        };
        text.styled(
            colours.yellow,
            format_args!(
                "generation {} {}{slots}{preview}",
                rollout.generation, rollout.state
            ),
            colours.end,
        );
        text.end_line();
    }
    if let Some(previous) = &status.previous {
        text.append(format_args!(
            "generation {} kept for a rollback for {} ({})",
            previous.generation,
            age(previous.left_ms),
            previous.kept
        ));
        text.end_line();
    }
    if reloads.succeeded + reloads.failed > 0 {
        text.append(format_args!(
            "reloads: {} succeeded, {} failed",
            reloads.succeeded, reloads.failed
        ));
        text.end_line();
    }
    if let Some(why) = &reloads.last_failure {
        let line = format_args!("the last reload failed: {why}");
        text.styled(colours.red, line, colours.end);
        text.end_line();
    }
    text.end_line();
    text
}

fn is_stuck(worker: &WorkerStatus) -> bool {
    worker.state == "serving" && worker.silent_ms > STUCK_MS
}

fn colour(worker: &WorkerStatus, colours: Colours) -> &'static str {
    match worker.state.as_str() {
        _ if is_stuck(worker) => colours.red,
        "serving" => colours.green,
        "hung" => colours.red,
        _ => colours.yellow,
    }
}

fn row(worker: &WorkerStatus) -> Row {
    let state = if is_stuck(worker) {
        format!("stuck {}", age(worker.silent_ms))
    } else {
        worker.state.clone()
    };
    [
        Text::line(&worker.slot.to_string()),
        Text::line(&worker.generation.to_string()),
        Text::line(&worker.pid.to_string()),
        Text::line(&state),
        Text::line(&age(worker.age_ms)),
        Text::line(&format!("{:.1}", worker.requests_per_second)),
        Text::line(&format!("{:.0}%", worker.busy * 100.0)),
        Text::line(&worker.connections.to_string()),
        Text::line(&worker.in_flight.to_string()),
        Text::line(&worker.memory.map_or_else(|| "?".to_owned(), memory)),
        Text::line(&worker.restarts.to_string()),
        worker.oldest.first().map(request).unwrap_or_default(),
    ]
}

fn request(request: &InFlightRequest) -> Text {
    let mut path: String = request.path.chars().take(LONGEST_PATH).collect();
    if request.path.chars().count() > LONGEST_PATH {
        path.push('…');
    }
    Text::line(&format!(
        "{} {path} ({})",
        request.method,
        age(request.age_ms)
    ))
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
