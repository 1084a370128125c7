//! Scans a source file for what it uses: paths of this crate and of others, `unsafe`. It parses comments, strings and `use` trees.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Used {
    /// A path from the root of this crate.
    Inside(String),
    /// A path that begins with the name of another crate.
    Outside(String),
    Unsafe,
}

pub fn uses(module: &str, text: &str) -> Vec<Used> {
    let tokens = without_tests(tokens(&bare(text)));
    let mut used = resolved_paths(module, &paths(&tokens));
    used.extend(
        tokens
            .iter()
            .any(|token| token == "unsafe")
            .then_some(Used::Unsafe),
    );
    used
}

/// What a file needs of this crate for its own code, and what it only hands on by `pub use`: paths from the root.
#[derive(Debug, Default)]
pub struct Names {
    pub needed: Vec<String>,
    pub exported: Vec<String>,
}

pub fn names_of(module: &str, text: &str) -> Names {
    let tokens = without_tests(tokens(&bare(text)));
    let (exports, own): (Vec<_>, Vec<_>) = paths(&tokens)
        .into_iter()
        .partition(|path| path.from == From::Export);
    let inside = |paths: &[Path]| -> Vec<String> {
        let used = resolved_paths(module, paths).into_iter();
        used.filter_map(|used| match used {
            Used::Inside(path) => Some(path),
            Used::Outside(_) | Used::Unsafe => None,
        })
        .collect()
    };
    let mut exported = inside(&exports);
    // `pub use child::Name`
    let relative = exports
        .iter()
        .filter(|path| resolved(module, &path.names).is_none());
    exported.extend(relative.map(|path| format!("{module}::{}", path.names.join("::"))));
    Names {
        needed: inside(&own),
        exported,
    }
}

/// Names of the types that a file defines: structs, enums, unions, traits and aliases, outside of functions and `impl` blocks.
pub fn types_of(text: &str) -> Vec<String> {
    const KINDS: [&str; 5] = ["struct", "enum", "union", "trait", "type"];
    let tokens = without_tests(tokens(&bare(text)));
    let mut found = Vec::new();
    // For each open brace: whether it is a module's.
    let mut open = Vec::new();
    for (position, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => open.push(position >= 2 && tokens[position - 2] == "mod"),
            "}" => drop(open.pop()),
            kind if KINDS.contains(&kind) && open.iter().all(|is_module| *is_module) => {
                let name = tokens.get(position + 1);
                found.extend(
                    name.filter(|name| name.starts_with(char::is_uppercase))
                        .cloned(),
                );
            }
            _ => {}
        }
    }
    found
}

/// Names of the types that a file gives methods of their own: by `impl` blocks without a trait, outside of functions.
pub fn implemented(text: &str) -> Vec<String> {
    let tokens = without_tests(tokens(&bare(text)));
    let mut found = Vec::new();
    for position in (0..tokens.len()).filter(|position| tokens[*position] == "impl") {
        let is_item = match position
            .checked_sub(1)
            .map(|before| tokens[before].as_str())
        {
            None | Some("{" | "}" | ";" | "]" | "unsafe") => true,
            Some(_) => false,
        };
        let head = tokens[position + 1..]
            .iter()
            .take_while(|token| *token != "{");
        let head: Vec<_> = without_generics(head).collect();
        if is_item && !head.contains(&"for") {
            let path = head.iter().take_while(|token| **token != "where");
            found.extend(
                path.filter(|token| is_name(token))
                    .last()
                    .map(|name| (*name).to_owned()),
            );
        }
    }
    found
}

/// Without what stands in angle brackets.
fn without_generics<'a>(tokens: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    let mut depth = 0_usize;
    let mut before = "";
    tokens.map(String::as_str).filter(move |token| {
        // The arrow of a function type is none.
        let closes = *token == ">" && before != "-";
        before = token;
        match *token {
            "<" => depth += 1,
            _ if closes => depth = depth.saturating_sub(1),
            _ => return depth == 0,
        }
        false
    })
}

fn resolved_paths(module: &str, paths: &[Path]) -> Vec<Used> {
    // `use std::process;` makes `process::exit` mean `std::process::exit`.
    let imported: Vec<_> = paths
        .iter()
        .filter(|path| path.from != From::Code)
        .map(|path| path.names.clone())
        .collect();
    let mut used = Vec::new();
    for Path { names, from } in paths {
        let written = names.clone();
        let written = match imported.iter().find(|import| {
            *from == From::Code && import.len() > 1 && import.last() == names.first()
        }) {
            Some(import) => import.iter().chain(&written[1..]).cloned().collect(),
            None => written,
        };
        used.extend(resolved(module, &written));
    }
    used
}

fn resolved(module: &str, names: &[String]) -> Option<Used> {
    let first = names.first()?.as_str();
    let mut base: Vec<&str> = module
        .split("::")
        .filter(|name| !["lib", "main"].contains(name))
        .collect();
    let rest = match first {
        "crate" => {
            base.clear();
            &names[1..]
        }
        "self" => &names[1..],
        "super" => {
            let ups = names.iter().take_while(|name| *name == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            &names[ups..]
        }
        "std" | "core" | "alloc" => {
            return Some(Used::Outside(format!("std::{}", names[1..].join("::"))));
        }
        _ if DEPENDENCIES.contains(&first) => return Some(Used::Outside(names.join("::"))),
        _ => return None,
    };
    let path: Vec<_> = base
        .into_iter()
        .chain(rest.iter().map(String::as_str))
        .collect();
    (!path.is_empty()).then(|| Used::Inside(path.join("::")))
}

/// Names that begin a path into another crate. A local of that name followed by `::` would be taken for it; there is none.
const DEPENDENCIES: &[&str] = &[
    "bytes",
    "clap",
    "httparse",
    "httpdate",
    "hyper",
    "itoa",
    "libc",
    "memchr",
    "nix",
    "parking_lot",
    "pyo3",
    "rgun",
    "rustls",
    "serde",
    "signal_hook",
    "smallvec",
    "socket2",
    "strsim",
    "thiserror",
    "tokio",
    "toml",
    "tracing",
];

struct Path {
    names: Vec<String>,
    from: From,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Use,
    /// `pub use`, of any visibility.
    Export,
    Code,
}

fn paths(tokens: &[String]) -> Vec<Path> {
    let mut found = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        if tokens[position] == "use" {
            let before = position
                .checked_sub(1)
                .map(|before| tokens[before].as_str());
            // The parenthesis of `pub(super)`.
            let from = match before {
                Some("pub" | ")") => From::Export,
                _ => From::Use,
            };
            position = tree(tokens, position + 1, from, &[], &mut found);
        } else if is_name(&tokens[position])
            && tokens.get(position + 1).is_some_and(|token| token == "::")
        {
            let (names, end) = names(tokens, position);
            found.push(Path {
                names,
                from: From::Code,
            });
            position = end;
        } else {
            position += 1;
        }
    }
    found
}

/// One branch of a `use` tree from `position` on; the position after it.
fn tree(
    tokens: &[String],
    position: usize,
    from: From,
    before: &[String],
    found: &mut Vec<Path>,
) -> usize {
    let start = position + usize::from(tokens.get(position).is_some_and(|token| token == "::"));
    let (mut here, mut end) = names(tokens, start);
    if here.last().is_some_and(|name| name == "self") && !before.is_empty() {
        here.pop();
    }
    let path: Vec<_> = before.iter().cloned().chain(here).collect();
    if tokens.get(end).is_some_and(|token| token == "{") {
        end += 1;
        while tokens.get(end).is_some_and(|token| token != "}") {
            end = tree(tokens, end, from, &path, found);
            end += usize::from(tokens.get(end).is_some_and(|token| token == ","));
        }
        return end + 1;
    }
    if !path.is_empty() {
        found.push(Path { names: path, from });
    }
    // `as name`, `*`.
    while tokens
        .get(end)
        .is_some_and(|token| ![",", "}", ";"].contains(&token.as_str()))
    {
        end += 1;
    }
    end.max(position + 1)
}

/// `a::b::c` from `position` on, also `a::b::` before a brace; the position after it.
fn names(tokens: &[String], mut position: usize) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    while tokens.get(position).is_some_and(|token| is_name(token)) {
        names.push(tokens[position].clone());
        position += 1;
        if tokens.get(position).is_none_or(|token| token != "::") {
            break;
        }
        position += 1;
    }
    (names, position)
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Takes out `#[cfg(test)]` items: they may build their surroundings from anything.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut position = 0;
    while position < tokens.len() {
        if tokens[position..].iter().take(MARK.len()).eq(MARK.iter()) {
            position = end_of_item(&tokens, position + MARK.len());
        } else {
            kept.push(tokens[position].clone());
            position += 1;
        }
    }
    kept
}

/// After its `;`, or after the braces that close it.
fn end_of_item(tokens: &[String], mut position: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(position) {
        position += 1;
        match token.as_str() {
            "{" => depth += 1,
            "}" if depth <= 1 => return position,
            "}" => depth -= 1,
            ";" if depth == 0 => return position,
            _ => {}
        }
    }
    position
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_name(rest) || first.is_numeric() {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// Without comments and without what stands in quotes.
fn bare(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest, '"'),
            'r' | 'b' | 'c' if !bare.ends_with(|c: char| c.is_alphanumeric() || c == '_') => {
                raw_text(rest).unwrap_or(0)
            }
            // A lifetime has no second quote.
            '\'' if rest[1..].starts_with('\\') || rest.chars().nth(2) == Some('\'') => {
                quoted(rest, '\'')
            }
            _ => 0,
        };
        if skipped > 0 {
            bare.push(' ');
            rest = &rest[skipped..];
        } else {
            bare.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    bare
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while position < text.len() {
        match &text.as_bytes()[position..] {
            [b'/', b'*', ..] => (depth, position) = (depth + 1, position + 2),
            [b'*', b'/', ..] => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            break;
        }
    }
    position
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (position, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return position + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `br#"…"#`: what follows the prefix decides whether it is one.
fn raw_text(text: &str) -> Option<usize> {
    let prefix = text
        .find(|c: char| !"rbc".contains(c))
        .filter(|length| text[..*length].contains('r'))?;
    let hashes = text[prefix..].find(|c: char| c != '#')?;
    text[prefix + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = prefix + hashes + 1;
    text[start..]
        .find(&end)
        .map(|position| start + position + end.len())
}
