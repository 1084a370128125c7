//! The command of a Dockerfile.

use super::{starts_rgun, unshelled};
use crate::doctor::facts::{Deployment, Manager};

/// `None`: it starts another program.
pub fn read(place: &str, text: &str) -> Option<Deployment> {
    let joined = text.replace("\\\n", " ");
    let mut last = None;
    for line in joined.lines() {
        let Some((instruction, rest)) = line.trim().split_once(char::is_whitespace) else {
            continue;
        };
        let is_command = ["CMD", "ENTRYPOINT"]
            .iter()
            .any(|name| instruction.eq_ignore_ascii_case(name));
        if is_command
            && let Some(found) = command(rest.trim()).filter(|(words, _)| starts_rgun(words))
        {
            last = Some(found);
        }
    }
    let (command, has_shell) = last?;
    Some(Deployment {
        place: place.to_owned(),
        manager: Manager::Image,
        command,
        has_shell,
        stop: None,
        kind: None,
        memory: None,
        server: None,
    })
}

/// The words, and whether a shell stays as the parent process.
fn command(text: &str) -> Option<(Vec<String>, bool)> {
    if text.starts_with('[') {
        return serde_json::from_str(text).ok().map(unshelled);
    }
    // The shell form: `/bin/sh -c "..."`.
    Some(unshelled(vec!["/bin/sh".into(), "-c".into(), text.into()]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_command() {
        for (text, shell) in [
            ("FROM a\nCMD [\"rgun\", \"app:app\"]\n", false),
            ("CMD rgun app:app\n", true),
            ("CMD exec rgun app:app\n", false),
            ("ENTRYPOINT rgun \\\n  app:app\n", true),
            ("CMD [\"sh\", \"-c\", \"rgun app:app\"]\n", true),
        ] {
            let found = read("Dockerfile", text).expect(text);
            assert_eq!(found.has_shell, shell, "{text}");
            assert!(found.command.contains(&"app:app".to_owned()), "{text}");
        }
        for text in ["", "FROM python\n", "CMD [\"celery\"]\n", "CMD [broken\n"] {
            assert!(read("Dockerfile", text).is_none(), "{text}");
        }
    }
}
