//! Lines of systemd's files.

pub struct JoinedLine {
    pub text: String,
    pub line: usize,
    pub last_line: usize,
}

/// CommandLines that a backslash continues joined, without comments.
pub fn read(text: &str) -> Vec<JoinedLine> {
    let mut found: Vec<JoinedLine> = Vec::new();
    let mut continues = false;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (content, goes_on) = match line.strip_suffix('\\') {
            Some(content) => (content.trim_end(), true),
            None => (line, false),
        };
        match found.last_mut().filter(|_| continues) {
            Some(begun) => {
                begun.text.push(' ');
                begun.text.push_str(content);
                begun.last_line = number + 1;
            }
            None => found.push(JoinedLine {
                text: content.to_owned(),
                line: number + 1,
                last_line: number + 1,
            }),
        }
        continues = goes_on;
    }
    found
}
