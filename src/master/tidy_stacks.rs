//! Converts faulthandler's output into the form of the stacks that a worker reports itself: the last call last,
//! without frames of this program.

/// How faulthandler begins a thread's stack, after its name.
const NEWEST_FIRST: &str = " (most recent call first):";

pub fn tidy(text: &str) -> String {
    let mut out = String::new();
    let mut frames: Option<Vec<&str>> = None;
    for line in text.lines() {
        if let Some(thread) = line.strip_suffix(NEWEST_FIRST) {
            end(&mut out, frames.replace(Vec::new()));
            out.push_str(thread);
            out.push_str(":\n");
        } else if let Some(frames) = frames.as_mut().filter(|_| line.starts_with("  ")) {
            frames.push(line);
        } else {
            end(&mut out, frames.take());
            out.push_str(line);
            out.push('\n');
        }
    }
    end(&mut out, frames);
    out
}

fn end(out: &mut String, frames: Option<Vec<&str>>) {
    let Some(frames) = frames else { return };
    let before = out.len();
    for frame in frames.iter().rev().filter(|frame| !is_own(frame)) {
        out.push_str(frame);
        out.push('\n');
    }
    if out.len() == before {
        out.push_str("  (idle)\n");
    }
}

fn is_own(frame: &str) -> bool {
    let file = frame.split('"').nth(1).unwrap_or_default();
    file.starts_with("<rgun") || file.ends_with("/rgun/_hosted.py")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_is_last_and_is_the_apps() {
        let text = "Thread 0x7f01 (most recent call first):\n  File \"<rgun wsgi>\", line 1 in turn\n\n\
                    Current thread 0x7f02 [MainThread] (most recent call first):\n  File \"/srv/slow.py\", line 9 in wait\n  \
                    File \"/srv/app.py\", line 3 in app\n  File \"<rgun serve>\", line 7 in run\n  \
                    File \"/lib/rgun/_hosted.py\", line 40 in main\n";
        assert_eq!(
            tidy(text),
            "Thread 0x7f01:\n  (idle)\n\nCurrent thread 0x7f02 [MainThread]:\n  File \"/srv/app.py\", line 3 in app\n  \
             File \"/srv/slow.py\", line 9 in wait\n"
        );
    }

    #[test]
    fn what_is_no_stack_stays() {
        for text in ["", "Fatal Python error: none\n"] {
            assert_eq!(tidy(text), text);
        }
    }
}
