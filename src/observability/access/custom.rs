//! Access log lines in a custom format, and as JSON.

use std::io::Write;

use super::escape::{Longest, Quoting, push_quoted, whole};
use super::{LoggedRequest, push_number, push_peer, user};
use crate::config::{Align, Atom, Conversion, FormatPiece};
use crate::observability::relay::{ATOMS, RelayItem};
use crate::observability::stamp::RenderedTime;

/// Values that do not come from the request.
pub(super) struct Around<'a> {
    pub stamp: &'a mut RenderedTime,
    pub pid: u32,
    pub longest: Longest,
    pub quoting: Quoting,
}

/// gunicorn's `%` format, compiled.
pub(super) fn push_pieces(
    line: &mut Vec<u8>,
    pieces: &[FormatPiece],
    request: &LoggedRequest<'_>,
    around: &mut Around<'_>,
) {
    for piece in pieces {
        match piece {
            FormatPiece::Text(text) => line.extend_from_slice(text.as_bytes()),
            FormatPiece::Atom(atom, conversion) => {
                let start = line.len();
                push_atom(line, atom, request, around);
                if *conversion != Conversion::default() {
                    convert(line, start, *conversion, atom.is_number());
                }
            }
        }
    }
    line.push(b'\n');
}

/// As `push_pieces`, for a format that is JSON. If a line is longer than a pipe takes whole, its values are cut shorter, not its
/// end.
pub(super) fn push_json_pieces(
    line: &mut Vec<u8>,
    pieces: &[FormatPiece],
    request: &LoggedRequest<'_>,
    around: &mut Around<'_>,
    room: usize,
) {
    let start = line.len();
    // Values are shortened three times at most.
    for _ in 0..4 {
        line.truncate(start);
        push_pieces(line, pieces, request, around);
        if line.len() - start <= room {
            return;
        }
        around.longest = around.longest.less();
    }
}

fn push_atom(
    line: &mut Vec<u8>,
    atom: &Atom,
    request: &LoggedRequest<'_>,
    around: &mut Around<'_>,
) {
    let (longest, quoting) = (around.longest, around.quoting);
    let micros = u64::try_from(request.duration.as_micros()).unwrap_or(u64::MAX);
    let details = request.details;
    let field = |line: &mut Vec<u8>, value: Option<&[u8]>| {
        quoting.push(line, value.unwrap_or(b"-"), longest.field);
    };
    match atom {
        Atom::Client => push_peer(line, request.peer),
        Atom::User => match request.authorization.and_then(user::basic) {
            Some(user) => quoting.push(line, &user, longest.user),
            None => line.push(b'-'),
        },
        Atom::Time => line.extend_from_slice(around.stamp.now().as_bytes()),
        Atom::RequestLine => push_request_line(line, request, longest, quoting),
        Atom::Status => push_number(line, request.status),
        Atom::Method => push_or_dash(line, request.method, longest.method, quoting),
        Atom::Path => match details {
            Some(details) => quoting.push(line, &details.path(), longest.target),
            None => line.push(b'-'),
        },
        Atom::Query => match details {
            Some(details) => quoting.push(line, details.query(), longest.target),
            None => line.push(b'-'),
        },
        Atom::Protocol => {
            push_or_dash(line, request.version.as_bytes(), longest.method, quoting);
        }
        Atom::Length => push_number(line, request.bytes),
        Atom::Referer => field(line, request.referer),
        Atom::UserAgent => field(line, request.user_agent),
        Atom::Seconds => push_number(line, micros / 1_000_000),
        Atom::Milliseconds => push_number(line, micros / 1_000),
        Atom::Microseconds => push_number(line, micros),
        // Writing to a vector cannot fail.
        Atom::DecimalSeconds => drop(write!(
            line,
            "{}.{:06}",
            micros / 1_000_000,
            micros % 1_000_000
        )),
        Atom::Pid => drop(write!(line, "<{}>", around.pid)),
        Atom::RequestField(name) => field(line, details.and_then(|d| d.request_field(name))),
        Atom::ResponseField(name) => field(line, details.and_then(|d| d.response_field(name))),
        Atom::Environ(name) => {
            let value = details.and_then(|d| d.environ(name));
            field(line, value.as_deref());
        }
    }
}

fn push_or_dash(line: &mut Vec<u8>, value: &[u8], longest: usize, quoting: Quoting) {
    if value.is_empty() {
        line.push(b'-');
    } else {
        quoting.push(line, value, longest);
    }
}

/// `GET /path HTTP/1.1`; a dash where it was not understood.
pub(super) fn push_request_line(
    line: &mut Vec<u8>,
    request: &LoggedRequest<'_>,
    longest: Longest,
    quoting: Quoting,
) {
    if request.method.is_empty() && request.target.is_empty() {
        line.push(b'-');
    } else {
        quoting.push(line, request.method, longest.method);
        line.push(b' ');
        quoting.push(line, request.target, longest.target);
        line.push(b' ');
        line.extend_from_slice(request.version.as_bytes());
    }
}

/// Width and precision, of what stands behind `start`. An escape is never cut in two.
fn convert(line: &mut Vec<u8>, start: usize, conversion: Conversion, is_number: bool) {
    if let Some(precision) = conversion.precision.filter(|_| !is_number)
        && line.len() - start > precision
    {
        let end = start + whole(&line[start..], precision);
        line.truncate(end);
    }
    let missing = conversion.width.saturating_sub(line.len() - start);
    let padding = match conversion.align {
        Align::Left => {
            line.resize(line.len() + missing, b' ');
            return;
        }
        Align::Right => b' ',
        Align::Zeros => b'0',
    };
    line.splice(start..start, std::iter::repeat_n(padding, missing));
}

/// The line, gunicorn's atoms and all fields, for Python's loggers.
pub(super) fn relayed(
    line: String,
    request: &LoggedRequest<'_>,
    around: &mut Around<'_>,
) -> RelayItem {
    let atoms = [
        Some(Atom::Client),
        None,
        Some(Atom::User),
        Some(Atom::Time),
        Some(Atom::RequestLine),
        Some(Atom::Status),
        Some(Atom::Method),
        Some(Atom::Path),
        Some(Atom::Query),
        Some(Atom::Protocol),
        Some(Atom::Length),
        Some(Atom::Length),
        Some(Atom::Referer),
        Some(Atom::UserAgent),
        Some(Atom::Seconds),
        Some(Atom::Microseconds),
        Some(Atom::Milliseconds),
        Some(Atom::DecimalSeconds),
        Some(Atom::Pid),
    ];
    debug_assert_eq!(atoms.len(), ATOMS.len());
    let mut common = RenderedTime::common();
    let mut around = Around {
        // The format's own settings may differ.
        stamp: &mut common,
        quoting: Quoting::Apache,
        ..*around
    };
    let mut text = |atom: Option<Atom>| {
        let mut bytes = Vec::new();
        match atom {
            Some(atom) => push_atom(&mut bytes, &atom, request, &mut around),
            None => bytes.push(b'-'),
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    RelayItem::Access {
        line,
        atoms: atoms.into_iter().map(&mut text).collect(),
        fields: fields(request, around.longest),
    }
}

/// `{name}i` of the request, `{name}o` of the response, `{name}e` of the environ.
fn fields(request: &LoggedRequest<'_>, longest: Longest) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Some(details) = request.details else {
        return found;
    };
    let mut add = |name: &str, kind: char, value: &[u8]| {
        let mut bytes = Vec::new();
        push_quoted(&mut bytes, value, longest.field);
        let value = String::from_utf8_lossy(&bytes).into_owned();
        found.push((format!("{{{name}}}{kind}"), value));
    };
    details.request_fields(&mut |name, value| add(name, 'i', value));
    details.response_fields(&mut |name, value| add(name, 'o', value));
    details.environ_all(&mut |name, value| add(name, 'e', value));
    found
}
