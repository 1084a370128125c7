//! Options of uvicorn, granian, hypercorn and uWSGI that rgun does not have, with what to write instead.
//! gunicorn's options are in `definition/gunicorn.rs`.

mod both;
mod granian;
mod hypercorn;
mod nobody;
mod uvicorn;
mod uwsgi;

/// An option of another server that may still be in a Dockerfile or unit file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    pub option: &'static str,
    /// Ends the sentence "`--host` …".
    pub verdict: &'static str,
    /// What to use instead.
    pub advice: &'static str,
}

/// The server that has these options.
struct ForeignServer {
    verdict: &'static str,
    /// With what to use instead.
    options: &'static [(&'static str, &'static str)],
}

const PROGRAMS: [ForeignServer; 6] = [
    both::PROGRAM,
    uvicorn::PROGRAM,
    granian::PROGRAM,
    hypercorn::PROGRAM,
    uwsgi::PROGRAM,
    nobody::PROGRAM,
];

/// `option` with its dashes, without a value.
#[must_use]
pub fn foreign(option: &str) -> Option<Foreign> {
    PROGRAMS.iter().find_map(|program| {
        let (option, advice) = (program.options.iter()).find(|(known, _)| *known == option)?;
        Some(Foreign {
            option,
            verdict: program.verdict,
            advice,
        })
    })
}

/// One that was probably meant by a misspelt option.
#[must_use]
pub fn foreign_near(option: &str) -> Option<Foreign> {
    let known = PROGRAMS
        .iter()
        .flat_map(|program| program.options)
        .map(|(known, _)| (strsim::damerau_levenshtein(known, option), *known));
    let (_, nearest) = known
        .filter(|(distance, known)| *distance <= if known.len() > 8 { 2 } else { 1 })
        .min()?;
    foreign(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::definitions;

    #[test]
    fn what_rgun_has_is_not_foreign() {
        for definition in definitions() {
            for long in definition.long.iter().chain(definition.aliases) {
                assert_eq!(foreign(&format!("--{long}")), None);
            }
            assert_eq!(
                definition
                    .short
                    .and_then(|short| foreign(&format!("-{short}"))),
                None
            );
        }
    }

    /// Advice that names an option which does not exist would be worse than none.
    #[test]
    fn advice_names_options_that_exist() {
        for (option, advice) in PROGRAMS.iter().flat_map(|program| program.options) {
            let words = advice.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'));
            for word in words.filter(|word| word.starts_with('-') && word.len() > 1) {
                let known = definitions().any(|definition| {
                    definition
                        .long
                        .is_some_and(|long| format!("--{long}") == word)
                        || definition
                            .short
                            .is_some_and(|short| format!("-{short}") == word)
                });
                assert!(known, "{option}: {word}");
            }
        }
    }
}
