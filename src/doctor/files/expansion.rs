//! Variables in the texts of deployment files: `${NAME:-default}` of shells, compose and Dockerfiles, systemd's and Kubernetes' forms.
//!
//! `None` as a result: the text depends on a variable whose value is not known.

type VariableLookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Of defaults within defaults.
const DEEPEST: usize = 8;

/// A character after which the next one is literal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// compose: `$$`
    Dollar,
    /// Dockerfiles and shells: `\$`
    Backslash,
}

/// `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:+other}`, `${NAME+other}`, `${NAME:?message}`.
pub fn expanded(text: &str, escape: Escape, lookup: VariableLookup<'_>) -> Option<String> {
    expand(text, escape, lookup, 0)
}

fn expand(text: &str, escape: Escape, lookup: VariableLookup<'_>, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let mut output = String::new();
    let mut rest = text;
    while let Some(place) = rest.find(['$', '\\']) {
        let (before, from) = rest.split_at(place);
        output.push_str(before);
        let mut characters = from.chars();
        let first = characters.next()?;
        let after = characters.as_str();
        match (first, escape, characters.next()) {
            ('\\', Escape::Backslash, Some(next)) => {
                output.push(next);
                rest = characters.as_str();
            }
            ('\\', _, _) => {
                output.push('\\');
                rest = after;
            }
            (_, Escape::Dollar, Some('$')) => {
                output.push('$');
                rest = characters.as_str();
            }
            (_, _, Some('{')) => {
                let inside = characters.as_str();
                let end = closing(inside)?;
                output.push_str(&braced(inside.get(..end)?, escape, lookup, depth)?);
                rest = inside.get(end + 1..)?;
            }
            // A command's output, or the number of a process.
            (_, Escape::Backslash, Some('(' | '$' | '!' | '?' | '@' | '*' | '#')) => return None,
            _ => {
                let (name, others) = name(after);
                if name.is_empty() {
                    output.push('$');
                } else {
                    output.push_str(&lookup(name)?);
                }
                rest = others;
            }
        }
    }
    output.push_str(rest);
    Some(output)
}

/// What stands between the braces.
fn braced(
    inside: &str,
    escape: Escape,
    lookup: VariableLookup<'_>,
    depth: usize,
) -> Option<String> {
    let (name, operation) = name(inside);
    let value = lookup(name);
    let (needs_text, operation) = match operation.strip_prefix(':') {
        Some(operation) => (true, operation),
        None => (false, operation),
    };
    let set = value.clone().filter(|text| !needs_text || !text.is_empty());
    let mut characters = operation.chars();
    let operator = characters.next();
    let word = characters.as_str();
    match operator {
        None => value,
        Some('-' | '=') => match set {
            Some(value) => Some(value),
            None => expand(word, escape, lookup, depth + 1),
        },
        Some('+') => match set {
            Some(_) => expand(word, escape, lookup, depth + 1),
            None => Some(String::new()),
        },
        Some('?') => set,
        // `${NAME%suffix}` and the like.
        Some(_) => None,
    }
}

/// The place of the brace that closes an opened one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (place, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(place),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn name(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    text.split_at(end.unwrap_or(text.len()))
}

/// A word of a shell's command, which is several where a variable's value is.
pub fn shell_word(text: &str, lookup: VariableLookup<'_>) -> Option<Vec<String>> {
    if text.contains('`') {
        return None;
    }
    let output = expanded(text, Escape::Backslash, lookup)?;
    if text.contains('$') {
        return Some(output.split_whitespace().map(str::to_owned).collect());
    }
    Some(vec![text.to_owned()])
}

/// systemd.service(5), "Command lines": a word that is `$NAME` becomes as many words as the value has.
pub fn systemd_word(text: &str, lookup: VariableLookup<'_>) -> Option<Vec<String>> {
    let text = specifiers(text)?;
    if let Some(rest) = text.strip_prefix('$')
        && !rest.is_empty()
        && name(rest).1.is_empty()
    {
        let value = lookup(rest)?;
        return crate::config::split(&value).ok();
    }
    bracketed(&text, ['{', '}'], lookup).map(|word| vec![word])
}

/// systemd.unit(5), "Specifiers": only the ones that are the same for every unit of the system.
pub fn specifiers(text: &str) -> Option<String> {
    let mut output = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            output.push(character);
            continue;
        }
        match characters.next() {
            Some('%') => output.push('%'),
            Some('t') => output.push_str("/run"),
            Some('S') => output.push_str("/var/lib"),
            Some('C') => output.push_str("/var/cache"),
            Some('L') => output.push_str("/var/log"),
            Some('E') => output.push_str("/etc"),
            Some('T') => output.push_str("/tmp"),
            Some('V') => output.push_str("/var/tmp"),
            _ => return None,
        }
    }
    Some(output)
}

/// `$(NAME)`; `$$` is one `$`.
pub fn kubernetes(text: &str, lookup: VariableLookup<'_>) -> Option<String> {
    bracketed(text, ['(', ')'], lookup)
}

/// A `$` and a name between these brackets is a variable; `$$` is one `$`.
fn bracketed(text: &str, [open, close]: [char; 2], lookup: VariableLookup<'_>) -> Option<String> {
    let mut output = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        output.push_str(before);
        if let Some(others) = after.strip_prefix('$') {
            output.push('$');
            rest = others;
        } else if let Some((name, others)) = after
            .strip_prefix(open)
            .and_then(|inside| inside.split_once(close))
        {
            output.push_str(&lookup(name)?);
            rest = others;
        } else {
            output.push('$');
            rest = after;
        }
    }
    output.push_str(rest);
    Some(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let known = match name {
            "PORT" => "8000",
            "EMPTY" => "",
            "OPTS" => "-w 2",
            _ => return None,
        };
        Some(known.to_owned())
    }

    #[test]
    fn the_forms_of_compose() {
        for (text, expected) in [
            ("plain", Some("plain")),
            (":$PORT", Some(":8000")),
            ("${PORT}/", Some("8000/")),
            ("${ABSENT}", None),
            ("$ABSENT", None),
            ("${ABSENT:-9000}", Some("9000")),
            ("${ABSENT-9000}", Some("9000")),
            ("${EMPTY:-9000}", Some("9000")),
            ("${EMPTY-9000}", Some("")),
            ("${PORT:-9000}", Some("8000")),
            ("${ABSENT:-${PORT}}", Some("8000")),
            ("${ABSENT:-${ALSO:-1}}x", Some("1x")),
            ("${PORT:+yes}", Some("yes")),
            ("${ABSENT:+yes}", Some("")),
            ("${PORT:?must be set}", Some("8000")),
            ("${ABSENT:?must be set}", None),
            ("$$PORT", Some("$PORT")),
            ("a\\b $ 5", Some("a\\b $ 5")),
            ("${PORT", None),
        ] {
            let found = expanded(text, Escape::Dollar, &lookup);
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        let deep = "${A:-".repeat(100) + &"}".repeat(100);
        assert_eq!(expanded(&deep, Escape::Dollar, &lookup), None);
    }

    #[test]
    fn words_of_a_shell_and_of_systemd() {
        let words = |found: Option<Vec<String>>| found.map(|found| found.join("|"));
        for (text, shell, systemd) in [
            ("-b", Some("-b"), Some("-b")),
            (":${PORT}", Some(":8000"), Some(":8000")),
            ("$OPTS", Some("-w|2"), Some("-w|2")),
            ("${OPTS}", Some("-w|2"), Some("-w 2")),
            (":$PORT", Some(":8000"), Some(":$PORT")),
            ("$ABSENT", None, None),
            ("$(nproc)", None, Some("$(nproc)")),
            ("`nproc`", None, Some("`nproc`")),
            ("%%(h)s", Some("%%(h)s"), Some("%(h)s")),
            ("%i.sock", Some("%i.sock"), None),
        ] {
            let found = words(shell_word(text, &lookup));
            assert_eq!(found.as_deref(), shell, "{text}");
            let found = words(systemd_word(text, &lookup));
            assert_eq!(found.as_deref(), systemd, "{text}");
        }
    }

    #[test]
    fn references_of_kubernetes() {
        for (text, expected) in [
            (":$(PORT)", Some(":8000")),
            ("$$(PORT)", Some("$(PORT)")),
            ("$PORT", Some("$PORT")),
            ("$(ABSENT)", None),
        ] {
            assert_eq!(kubernetes(text, &lookup).as_deref(), expected, "{text}");
        }
    }
}
