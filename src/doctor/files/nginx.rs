//! nginx's `proxy_pass` directives, with the settings that apply to each, and the upstream that it names.

use std::collections::HashMap;
use std::time::Duration;

use super::{CertificatePlace, Contents, quantity};
use crate::doctor::facts::{Pass, Upstream};

/// nginx's own defaults.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(60);
const DEEPEST: usize = 32;

#[derive(Debug, Default)]
struct Directive {
    line: usize,
    name: String,
    arguments: Vec<String>,
    block: Vec<Directive>,
}

impl Directive {
    fn argument(&self) -> &str {
        self.arguments.first().map_or("", String::as_str)
    }
}

pub fn read(place: &str, text: &str, contents: &mut Contents) -> Result<(), String> {
    let mut tokens = tokens(text)?.into_iter();
    let directives = block(&mut tokens, 0)?;
    let mut upstreams = HashMap::new();
    collect(&directives, &mut upstreams);
    certificates(place, &directives, &mut contents.certificates);
    let outer = Inherited {
        read_timeout: READ_TIMEOUT,
        ..Inherited::default()
    };
    walk(place, &directives, &outer, &upstreams, &mut contents.passes);
    Ok(())
}

fn certificates(place: &str, directives: &[Directive], found: &mut Vec<CertificatePlace>) {
    for one in directives {
        // A variable's value, and what another program hands over, is not known.
        let is_file = one.argument().starts_with('/') && !one.argument().contains('$');
        if one.name == "ssl_certificate" && is_file {
            found.push(CertificatePlace {
                place: format!("{place}:{}", one.line),
                file: one.argument().to_owned(),
            });
        }
        certificates(place, &one.block, found);
    }
}

/// The settings that nested blocks inherit.
#[derive(Clone, Default)]
struct Inherited {
    http_version: Option<String>,
    headers: Vec<(String, String)>,
    read_timeout: Duration,
}

impl Inherited {
    fn with(&self, block: &[Directive]) -> Inherited {
        let mut level = self.clone();
        // Headers of an outer level apply only if a level sets none itself.
        if block.iter().any(|one| one.name == "proxy_set_header") {
            level.headers.clear();
        }
        for one in block {
            match one.name.as_str() {
                "proxy_http_version" => level.http_version = Some(one.argument().to_owned()),
                "proxy_read_timeout" => {
                    let given = quantity::duration(one.argument());
                    level.read_timeout = given.unwrap_or(level.read_timeout);
                }
                "proxy_set_header" => {
                    let value = one.arguments.get(1).cloned().unwrap_or_default();
                    let name = one.argument().to_ascii_lowercase();
                    level.headers.push((name, value));
                }
                _ => {}
            }
        }
        level
    }
}

fn collect(directives: &[Directive], upstreams: &mut HashMap<String, Upstream>) {
    for one in directives {
        if one.name == "upstream" {
            upstreams.insert(one.argument().to_owned(), upstream(one));
        }
        collect(&one.block, upstreams);
    }
}

fn upstream(directive: &Directive) -> Upstream {
    let mut upstream = Upstream {
        name: directive.argument().to_owned(),
        keepalive_timeout: KEEPALIVE_TIMEOUT,
        ..Upstream::default()
    };
    for one in &directive.block {
        match one.name.as_str() {
            "server" => upstream.servers.push(one.argument().to_owned()),
            "keepalive" => upstream.keepalive = one.argument().parse().unwrap_or(0),
            "keepalive_timeout" => {
                let given = quantity::duration(one.argument());
                upstream.keepalive_timeout = given.unwrap_or(KEEPALIVE_TIMEOUT);
            }
            _ => {}
        }
    }
    upstream
}

fn walk(
    place: &str,
    directives: &[Directive],
    outer: &Inherited,
    upstreams: &HashMap<String, Upstream>,
    passes: &mut Vec<Pass>,
) {
    let level = outer.with(directives);
    for one in directives {
        if one.name == "proxy_pass" {
            let target = one.argument().to_owned();
            let host = target
                .split_once("://")
                .map_or(target.as_str(), |(_, host)| host);
            let host = host.split('/').next().unwrap_or_default();
            passes.push(Pass {
                place: format!("{place}:{}", one.line),
                upstream: upstreams.get(host).cloned(),
                target,
                http_version: level.http_version.clone(),
                headers: level.headers.clone(),
                read_timeout: level.read_timeout,
            });
        }
        walk(place, &one.block, &level, upstreams, passes);
    }
}

#[derive(Debug)]
enum NginxToken {
    Word(usize, String),
    End,
    Open,
    Close(usize),
}

fn tokens(text: &str) -> Result<Vec<NginxToken>, String> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().peekable();
    let mut line = 1;
    while let Some(character) = characters.next() {
        match character {
            '\n' => line += 1,
            _ if character.is_whitespace() => {}
            '#' => while characters.next_if(|&next| next != '\n').is_some() {},
            ';' => tokens.push(NginxToken::End),
            '{' => tokens.push(NginxToken::Open),
            '}' => tokens.push(NginxToken::Close(line)),
            '"' | '\'' => {
                let begin = line;
                let mut word = String::new();
                loop {
                    match characters.next() {
                        None => return Err(format!("line {begin}: a quote is not closed")),
                        Some(next) if next == character => break,
                        Some('\\') => word.extend(characters.next()),
                        Some(next) => {
                            line += usize::from(next == '\n');
                            word.push(next);
                        }
                    }
                }
                tokens.push(NginxToken::Word(begin, word));
            }
            _ => {
                let mut word = String::from(character);
                // `${name}` is part of a word.
                let mut in_variable = false;
                while let Some(&next) = characters.peek() {
                    let begins = next == '{' && word.ends_with('$');
                    let ends = next == '}' && in_variable;
                    if next.is_whitespace() || (";{}".contains(next) && !begins && !ends) {
                        break;
                    }
                    in_variable = (in_variable || begins) && !ends;
                    word.push(next);
                    characters.next();
                }
                tokens.push(NginxToken::Word(line, word));
            }
        }
    }
    Ok(tokens)
}

fn block(
    tokens: &mut std::vec::IntoIter<NginxToken>,
    depth: usize,
) -> Result<Vec<Directive>, String> {
    if depth > DEEPEST {
        return Err("blocks are nested too deeply".to_owned());
    }
    let mut directives = Vec::new();
    let mut current: Option<Directive> = None;
    loop {
        match tokens.next() {
            None if depth == 0 && current.is_none() => return Ok(directives),
            None => return Err("the file ends within a directive or a block".to_owned()),
            Some(NginxToken::Word(line, word)) => match &mut current {
                Some(directive) => directive.arguments.push(word),
                None => {
                    current = Some(Directive {
                        line,
                        name: word,
                        ..Directive::default()
                    });
                }
            },
            Some(NginxToken::End) => directives.extend(current.take()),
            Some(NginxToken::Open) => {
                let mut directive = current.take().unwrap_or_default();
                directive.block = block(tokens, depth + 1)?;
                directives.push(directive);
            }
            Some(NginxToken::Close(_)) if depth > 0 && current.is_none() => return Ok(directives),
            Some(NginxToken::Close(line)) => {
                return Err(format!("line {line}: an unexpected `}}`"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(place: &str, text: &str) -> Result<Vec<Pass>, String> {
        let mut contents = Contents::default();
        super::read(place, text, &mut contents)?;
        Ok(contents.passes)
    }

    #[test]
    fn files_of_certificates() {
        let text = "server {\n    ssl_certificate /etc/a.pem;\n    ssl_certificate_key /etc/a.key;\n    ssl_certificate /etc/$b;\n}\n";
        let mut contents = Contents::default();
        super::read("site.conf", text, &mut contents).expect("nginx");
        let [one] = &contents.certificates[..] else {
            panic!("{contents:?}");
        };
        assert_eq!((&*one.place, &*one.file), ("site.conf:2", "/etc/a.pem"));
    }

    const SITE: &str = r#"
# a comment; with { signs }
upstream app {
    server unix:/run/app.sock fail_timeout=0;
    keepalive 32;
    keepalive_timeout 90s;
}
server {
    proxy_set_header Host $host;
    proxy_read_timeout 2m;
    location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
    }
    location ~ "^/own{1,2}" {
        proxy_set_header X-Forwarded-Proto "https";
        proxy_pass http://${backend}:8000/path;
    }
}
"#;

    #[test]
    fn a_site() {
        let passes = read("site.conf", SITE).expect("nginx");
        let [first, second] = &passes[..] else {
            panic!("{passes:?}");
        };
        assert_eq!(
            (&*first.place, &*first.target),
            ("site.conf:12", "http://app")
        );
        let upstream = first.upstream.as_ref().expect("named");
        assert_eq!(upstream.servers, ["unix:/run/app.sock"]);
        assert_eq!(
            (upstream.keepalive, upstream.keepalive_timeout.as_secs()),
            (32, 90)
        );
        assert_eq!(first.http_version.as_deref(), Some("1.1"));
        assert_eq!(first.read_timeout.as_secs(), 120);
        assert_eq!(first.header("host"), Some("$host"));
        assert_eq!(second.target, "http://${backend}:8000/path");
        assert!(second.upstream.is_none() && second.header("host").is_none());
        assert_eq!(second.header("x-forwarded-proto"), Some("https"));
    }

    #[test]
    fn what_cannot_be_read() {
        for text in ["server {", "}", "a 'b", "proxy_pass http://a", "a }"] {
            assert!(read("a.conf", text).is_err(), "{text}");
        }
        assert!(read("a.conf", "").is_ok_and(|passes| passes.is_empty()));
        assert!(read("a.conf", &"a {".repeat(1000)).is_err());
    }
}
