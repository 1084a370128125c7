//! The two text formats of metrics: OpenMetrics, and the older one of Prometheus that every scraper supports.

use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Version 0.0.4.
    Plain,
    OpenMetrics,
}

const OPEN_METRICS: &str = "application/openmetrics-text";

impl Exposition {
    /// The format by the `Accept` fields of a request (RFC 9110 §12.5.1): OpenMetrics only where it is named, with no lower weight.
    pub fn accepted<'f>(fields: impl Iterator<Item = &'f [u8]>) -> Self {
        let (mut open, mut plain) = (0, 0);
        for field in fields {
            let field = String::from_utf8_lossy(field).to_ascii_lowercase();
            for range in field.split(',') {
                let mut parts = range.split(';').map(str::trim);
                match parts.next() {
                    Some(OPEN_METRICS) => open = open.max(thousandths(parts)),
                    Some("text/plain" | "text/*" | "*/*") => plain = plain.max(thousandths(parts)),
                    _ => {}
                }
            }
        }
        if open > 0 && open >= plain {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// `text`: OpenMetrics.
    pub fn render(self, text: String) -> String {
        match self {
            Self::Plain => plain(&text),
            Self::OpenMetrics => text,
        }
    }
}

/// The weight among a range's parameters; one that is malformed counts as none.
fn thousandths<'p>(mut parameters: impl Iterator<Item = &'p str>) -> u32 {
    let Some(weight) = parameters.find_map(|parameter| parameter.strip_prefix("q=")) else {
        return 1000;
    };
    let (whole, decimals) = weight.split_once('.').unwrap_or((weight, ""));
    let weight = format!("{whole}{decimals:0<3}").parse();
    weight.ok().filter(|weight| *weight <= 1000).unwrap_or(0)
}

/// The older format: a counter's family has the name of its samples, `info` is a gauge, and there are no units and no end mark.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), said) => help = said,
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (name, kind): (Cow<'_, str>, &str) = match kind {
                    "counter" => (format!("{name}_total").into(), kind),
                    "info" => (format!("{name}_info").into(), "gauge"),
                    "unknown" => (name.into(), "untyped"),
                    _ => (name.into(), kind),
                };
                if let Some(said) = help.take() {
                    out.push_str(&format!("# HELP {name} {said}\n"));
                }
                out.push_str(&format!("# TYPE {name} {kind}\n"));
            }
            (Some("#"), ..) => {}
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_only_where_it_is_asked_for() {
        let accepted = |field: &str| Exposition::accepted([field.as_bytes()].into_iter());
        for field in [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8; q=0.6 , text/plain;q=0.4",
            "Application/OpenMetrics-Text, */*",
        ] {
            assert_eq!(accepted(field), Exposition::OpenMetrics, "{field}");
        }
        for field in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=0.3, text/plain;q=0.9",
            "application/openmetrics-text;q=nonsense, */*",
        ] {
            assert_eq!(accepted(field), Exposition::Plain, "{field}");
        }
        assert_eq!(Exposition::accepted([].into_iter()), Exposition::Plain);
    }

    #[test]
    fn families_have_the_names_that_each_format_gives_them() {
        let open = "# HELP a Told.\n# TYPE a counter\n# UNIT a seconds\na_total{x=\"# y\"} 1\n# HELP b This.\n# TYPE b info\nb_info{v=\"1\"} 1\n\
                    # TYPE c gauge\nc 2.5\n# EOF\n";
        assert_eq!(
            plain(open),
            "# HELP a_total Told.\n# TYPE a_total counter\na_total{x=\"# y\"} 1\n# HELP b_info This.\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
             # TYPE c gauge\nc 2.5\n"
        );
    }
}
