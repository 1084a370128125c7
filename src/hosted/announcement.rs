//! What a program that starts the server wants to be printed once its addresses are open: `manage.py rgun` has the text of runserver.

use std::io::Write;

use crate::sys::process::remove_variable;

/// Lines of text. One with `{address}` is printed for each address.
const VARIABLE: &str = "__RGUN_ANNOUNCEMENT";

pub struct StartAnnouncement(String);

impl StartAnnouncement {
    /// Taken from the environment, which the workers inherit.
    pub fn of_this_process() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        remove_variable(VARIABLE);
        Self(text)
    }

    /// On standard output; it is no failure where that is closed.
    pub fn print(&self, addresses: &[String]) {
        let mut output = std::io::stdout();
        let text = filled(&self.0, addresses);
        drop(
            output
                .write_all(text.as_bytes())
                .and_then(|()| output.flush()),
        );
    }
}

fn filled(text: &str, addresses: &[String]) -> String {
    let mut filled = String::new();
    for line in text.lines() {
        if !line.contains("{address}") {
            filled.push_str(line);
            filled.push('\n');
            continue;
        }
        for address in addresses {
            let end = if address.starts_with("unix:") {
                ""
            } else {
                "/"
            };
            filled.push_str(&line.replace("{address}", &format!("{address}{end}")));
            filled.push('\n');
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_line() {
        let addresses = [
            "http://127.0.0.1:8000".to_owned(),
            "unix:/run/a.sock".to_owned(),
        ];
        assert_eq!(
            filled("Django\nServing at {address}\nQuit", &addresses),
            "Django\nServing at http://127.0.0.1:8000/\nServing at unix:/run/a.sock\nQuit\n"
        );
        assert_eq!(filled("", &addresses), "");
    }
}
