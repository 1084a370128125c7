//! Splits a variable into words as a shell does (and Python's `shlex.split`, which gunicorn uses), without expansion.

/// A quote was opened and not closed, or the text ends in a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unbalanced;

pub fn split(text: &str) -> Result<Vec<String>, Unbalanced> {
    let mut words = Vec::new();
    // `None` between words: `''` is a word, a space is not.
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(Unbalanced)? {
                        '\'' => break,
                        inside => word.push(inside),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next().ok_or(Unbalanced)? {
                        '"' => break,
                        '\\' => match characters.next().ok_or(Unbalanced)? {
                            escaped @ ('"' | '\\') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        inside => word.push(inside),
                    }
                }
            }
            '\\' => word
                .get_or_insert_default()
                .push(characters.next().ok_or(Unbalanced)?),
            plain => word.get_or_insert_default().push(plain),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_a_shell_splits() {
        for (text, words) in [
            ("", &[][..]),
            ("  -w 4\t--bind=:80\n", &["-w", "4", "--bind=:80"]),
            (r#"-e A="b c" -e 'D=e f'"#, &["-e", "A=b c", "-e", "D=e f"]),
            (r#"'' "" a''b"#, &["", "", "ab"]),
            (r#"a\ b "c\"d\n\\" 'e\f'"#, &["a b", r#"c"d\n\"#, r"e\f"]),
            ("größe", &["größe"]),
        ] {
            assert_eq!(
                split(text).as_deref(),
                Ok(words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>()
                    .as_slice()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_is_not_closed_is_refused() {
        for text in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(text), Err(Unbalanced), "{text:?}");
        }
    }
}
