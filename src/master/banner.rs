//! The banner on a terminal once the server is up, in place of the log of its start.

use std::fmt::Write;

use super::generations::Generations;
use super::listening::Listening;
use super::reporting::Reporting;
use crate::observability;
use crate::observability::colour::Style;

/// Addresses with a line of their own: the whole stays within six lines.
const SHOWN: usize = 3;

/// On a terminal: prints the banner. Elsewhere the log has all of it.
pub fn show(generations: &Generations<'_>, listening: &Listening, reporting: &Reporting) {
    let settings = &generations.first;
    observability::show_start(|style| {
        let start = StartMessage {
            app: settings.app.to_string(),
            description: &reporting.description,
            workers: (settings.workers, settings.most_workers()),
            config_file: settings.config_file.as_deref(),
            addresses: &listening.addresses,
        };
        start.banner(style)
    });
}

struct StartMessage<'a> {
    app: String,
    description: &'a str,
    /// At the least, and at the most.
    workers: (u32, u32),
    config_file: Option<&'a str>,
    addresses: &'a [String],
}

impl StartMessage<'_> {
    fn banner(&self, Style { bold, dim, end }: Style) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let mut text = format!("  {bold}rgun {version}{end}  {}\n  ", self.app);
        if !self.description.is_empty() {
            text.push_str(self.description);
            text.push_str(" \u{b7} ");
        }
        // Writing to a `String` cannot fail.
        let _ = match self.workers {
            (1, 1) => write!(text, "1 worker"),
            (least, most) if least == most => write!(text, "{least} workers"),
            (least, most) => write!(text, "{least} to {most} workers"),
        };
        if let Some(file) = self.config_file {
            let _ = write!(text, " \u{b7} {file}");
        }
        text.push('\n');
        for address in self.addresses.iter().take(SHOWN) {
            let _ = writeln!(text, "  {bold}{address}{end}");
        }
        let _ = match self.addresses.len().saturating_sub(SHOWN) {
            0 => write!(text, "  {dim}"),
            more => write!(text, "  {dim}and {more} more; "),
        };
        let _ = writeln!(
            text,
            "Ctrl-C stops, `rgun ctl status` shows what it does{end}"
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(addresses: &[&str], config_file: Option<&str>, style: Style) -> String {
        let addresses: Vec<_> = addresses.iter().map(|&a| a.to_owned()).collect();
        let start = StartMessage {
            app: "site.asgi:application".to_owned(),
            description: "ASGI (Django 5.2), uvloop, Python 3.11.7",
            workers: (4, 4),
            config_file,
            addresses: &addresses,
        };
        start.banner(style)
    }

    #[test]
    fn an_url_has_a_line_of_its_own() {
        let shown = banner(&["http://127.0.0.1:8000"], Some("rgun.toml"), Style::PLAIN);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            shown,
            format!(
                "  rgun {version}  site.asgi:application\n  \
                 ASGI (Django 5.2), uvloop, Python 3.11.7 \u{b7} 4 workers \u{b7} rgun.toml\n  \
                 http://127.0.0.1:8000\n  \
                 Ctrl-C stops, `rgun ctl status` shows what it does\n"
            )
        );
        assert!(shown.lines().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn six_lines_at_most() {
        let many = [
            "http://0.0.0.0:80",
            "https://0.0.0.0:443",
            "unix:a",
            "unix:b",
            "unix:c",
        ];
        let shown = banner(&many, None, Style::PLAIN);
        assert_eq!(shown.lines().count(), 6);
        assert!(shown.contains("and 2 more;"), "{shown}");
    }

    #[test]
    fn emphasis_ends_in_its_line() {
        let shown = banner(&["http://127.0.0.1:8000"], None, Style::COLOURED);
        for line in shown.lines().filter(|line| line.contains('\x1b')) {
            assert!(line.contains("\x1b[0m"), "{line:?}");
        }
    }
}
