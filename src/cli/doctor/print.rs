//! Prints findings as text or JSON. Names and messages come from files and programs, and are escaped for the terminal.

use std::fmt::Write;

use serde_json::json;

use crate::cli::report::{self, Colours};
use crate::doctor::{Finding, Severity};
use crate::observability::terminal;

const WARNINGS: u8 = 1;
const ERRORS: u8 = 3;

/// The worst last: the end is what a terminal shows.
pub fn text(findings: &[Finding], rules: usize) -> u8 {
    if findings.is_empty() {
        return report::print(&format!("ok: {rules} rules, nothing found\n"));
    }
    let colours = report::colours();
    let mut text = String::new();
    for finding in findings {
        let colour = colour(finding.severity, colours);
        let (bold, end) = (colours.bold, colours.end);
        let name = finding.severity.name();
        let [place, problem, fix] =
            [&finding.place, &finding.problem, &finding.fix].map(|it| shown(it));
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{colour}{name}:{end} {bold}{place}{end}: {problem} [{}]\n  why: {}\n  fix: {fix}\n",
            finding.rule, finding.why
        );
    }
    let counts: Vec<_> = [Severity::Error, Severity::Warning, Severity::Notice]
        .into_iter()
        .filter_map(|severity| {
            let count = of(findings, severity);
            let plural = if count == 1 { "" } else { "s" };
            (count > 0).then(|| format!("{count} {}{plural}", severity.name()))
        })
        .collect();
    let _ = writeln!(text, "{}", counts.join(", "));
    report::print(&text);
    exit_code(findings)
}

pub fn json(findings: &[Finding]) -> u8 {
    let document = json!({
        "findings": findings,
        "errors": of(findings, Severity::Error),
        "warnings": of(findings, Severity::Warning),
        "notices": of(findings, Severity::Notice),
    });
    report::print(&format!("{document:#}\n"));
    exit_code(findings)
}

fn of(findings: &[Finding], severity: Severity) -> usize {
    findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .count()
}

fn exit_code(findings: &[Finding]) -> u8 {
    match findings.iter().map(|finding| finding.severity).max() {
        None | Some(Severity::Notice) => 0,
        Some(Severity::Warning) => WARNINGS,
        Some(Severity::Error) => ERRORS,
    }
}

fn colour(severity: Severity, colours: Colours) -> &'static str {
    match severity {
        Severity::Notice => colours.green,
        Severity::Warning => colours.yellow,
        Severity::Error => colours.red,
    }
}

fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '\n' => shown.push(' '),
            _ if terminal::is_command(character) => terminal::push_shown(&mut shown, character),
            _ => shown.push(character),
        }
    }
    shown
}
