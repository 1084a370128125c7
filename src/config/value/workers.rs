//! How many workers: `4`, `auto`, `auto*2`, or a range of two of these.

use super::{InvalidValue, ParsedValue, number};

/// The workers that there are to be at the least and at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct WorkerCount {
    pub least: u32,
    pub most: u32,
}

const SHAPE: &str =
    "write a number, auto for one per available CPU, or a range, as in 2..8 or auto..auto*2";

/// `ceiling`: the most that a server can have.
pub(in crate::config) fn worker_count(
    text: &str,
    cpus: u32,
    ceiling: u32,
) -> ParsedValue<WorkerCount> {
    let count = |text: &str| one(text.trim(), cpus, ceiling);
    let Some((least, most)) = text.split_once("..") else {
        let number = count(text)?;
        return Ok(WorkerCount {
            least: number,
            most: number,
        });
    };
    if least.trim().is_empty() || most.trim().is_empty() {
        let end = match (least.trim().is_empty(), most.trim().is_empty()) {
            (true, true) => "either end",
            (true, false) => "its least number",
            _ => "its greatest number",
        };
        return Err(InvalidValue::new(format!("is a range without {end}"))
            .hint("write MIN..MAX, as in 2..8"));
    }
    let bound = |end: &str, text: &str| {
        count(text).map_err(|malformed| InvalidValue {
            problem: format!("has a range whose {end} {}", malformed.problem),
            ..malformed
        })
    };
    let (least, most) = (
        bound("least number", least)?,
        bound("greatest number", most)?,
    );
    if least > most {
        let problem = format!("is a range from {least} down to {most}");
        return Err(InvalidValue::new(problem)
            .hint("write MIN..MAX, as in 2..8")
            .understood());
    }
    Ok(WorkerCount { least, most })
}

fn one(text: &str, cpus: u32, ceiling: u32) -> ParsedValue<u32> {
    let Some(factor) = text.strip_prefix("auto") else {
        return number(text, 1..=ceiling).map_err(|malformed| match malformed.problem.as_str() {
            "is not a whole number" => malformed.hint(SHAPE),
            _ => malformed,
        });
    };
    let factor = match factor.trim() {
        "" => 1,
        factor => match factor.strip_prefix('*') {
            Some(factor) => number(factor, 1..=ceiling)
                .map_err(|_| InvalidValue::new("is no multiple of auto").hint(SHAPE))?,
            None => return Err(InvalidValue::new("is not a whole number").hint(SHAPE)),
        },
    };
    Ok(cpus.saturating_mul(factor).clamp(1, ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> ParsedValue<WorkerCount> {
        worker_count(text, 3, 1024)
    }

    #[test]
    fn numbers_and_ranges() {
        for (text, least, most) in [
            ("4", 4, 4),
            ("auto", 3, 3),
            ("auto*2", 6, 6),
            ("2..8", 2, 8),
            (" 2 .. 8 ", 2, 8),
            ("1..auto", 1, 3),
            ("auto..auto*2", 3, 6),
            ("auto .. auto * 2", 3, 6),
            ("1..auto*1000", 1, 1024),
            ("5..5", 5, 5),
        ] {
            assert_eq!(read(text), Ok(WorkerCount { least, most }), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_range_is_named() {
        for (text, problem) in [
            ("8..2", "is a range from 8 down to 2"),
            ("0..3", "has a range whose least number is less than 1"),
            ("-1..3", "has a range whose least number is less than 1"),
            ("..", "is a range without either end"),
            ("2..", "is a range without its greatest number"),
            ("..8", "is a range without its least number"),
            (
                "2..5000",
                "has a range whose greatest number is more than 1024",
            ),
            (
                "2..x",
                "has a range whose greatest number is not a whole number",
            ),
            (
                "2...8",
                "has a range whose greatest number is not a whole number",
            ),
            (
                "2..8..9",
                "has a range whose greatest number is not a whole number",
            ),
            ("2-8", "is not a whole number"),
            ("auto*0", "is no multiple of auto"),
            ("auto2", "is not a whole number"),
            ("", "is not a whole number"),
        ] {
            let malformed = read(text).expect_err("not a count");
            assert_eq!(malformed.problem, problem, "{text:?}");
        }
    }
}
