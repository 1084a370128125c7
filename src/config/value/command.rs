//! Commands, split into words as a shell does, without expansion or redirection.

use super::{InvalidValue, ParsedValue};
use crate::config::{RunBefore, split};

/// Words that a shell would not pass to the program. (`;` is an argument of `find -exec`.)
const OPERATORS: [&str; 8] = ["&", "&&", "|", "||", "<", ">", ">>", "2>&1"];

pub(in crate::config) fn command(text: &str) -> ParsedValue<RunBefore> {
    let words = split(text).map_err(|_| InvalidValue::new("has a quote that is not closed"))?;
    if let Some(word) = words.iter().find(|word| OPERATORS.contains(&word.as_str())) {
        return Err(
            InvalidValue::new(format!("has a `{word}`, and is not run by a shell"))
                .hint("let a shell run it: sh -c '...'"),
        );
    }
    let mut words = words.into_iter();
    match words.next() {
        Some(program) if !program.is_empty() && !text.contains('\0') => Ok(RunBefore {
            program,
            arguments: words.collect(),
        }),
        Some(_) | None => Err(InvalidValue::new("is not a command")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_and_its_arguments() {
        let found = command("python manage.py migrate --database 'my db'").expect("well formed");
        assert_eq!(found.program, "python");
        assert_eq!(
            found.arguments,
            ["manage.py", "migrate", "--database", "my db"]
        );
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for text in ["", "  ", "''", "a 'b", "a\0b", "a && b", "a > b"] {
            assert!(command(text).is_err(), "{text:?}");
        }
        assert!(command("sh -c 'a && b > c'").is_ok() && command(r"find . -exec a {} \;").is_ok());
    }
}
