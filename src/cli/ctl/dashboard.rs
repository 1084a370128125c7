//! What the full screen shows and what its keys do: the table, a question, or a page of text. Keys and answers in, requests out.

use super::failure::CtlFailure;
use super::screen::{TerminalSize, Text};
use super::table;
use crate::cli::report::Colours;
use crate::master::control::protocol::{ControlRequest, ControlResponse, Status};

pub const CTRL_C: u8 = 3;
pub const CTRL_D: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
const ENTER: [u8; 2] = [b'\r', b'\n'];

const KEYS: &str = "q quit   s stacks   r reload   + - workers";
const KEYS_OF_PAGE: &str = "q quit   j k lines   space page   any other key: back";

/// What is to be done after a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    Redraw,
    Leave,
    /// The answer comes later, by `answered`.
    Request(ControlRequest),
}

#[derive(Debug, Default)]
pub struct Dashboard {
    view: View,
    /// A request that is not answered yet.
    running: Option<&'static str>,
    /// The result of the last one.
    message: Option<String>,
}

#[derive(Debug, Default)]
enum View {
    #[default]
    Table,
    /// Done on `y`.
    Confirm {
        question: String,
        request: ControlRequest,
    },
    /// A slot's number, as typed so far.
    Slot(String),
    Page {
        lines: Vec<String>,
        first: usize,
    },
}

impl Dashboard {
    pub fn key(&mut self, key: u8, status: &Status) -> Reaction {
        if key == CTRL_C || key == CTRL_D {
            return Reaction::Leave;
        }
        match std::mem::take(&mut self.view) {
            View::Table => self.key_of_table(key, status),
            View::Confirm { request, .. } => match key {
                b'y' | b'Y' => self.request(request),
                _ => Reaction::Redraw,
            },
            View::Slot(typed) => self.key_of_slot(key, typed),
            View::Page { lines, first } => self.key_of_page(key, lines, first),
        }
    }

    fn key_of_table(&mut self, key: u8, status: &Status) -> Reaction {
        self.message = None;
        match key {
            b'q' | b'Q' => return Reaction::Leave,
            _ if self.running.is_some() => {}
            b's' => self.view = View::Slot(String::new()),
            b'r' => {
                self.view = View::Confirm {
                    question: "replace all workers by new ones".to_owned(),
                    request: ControlRequest::Reload,
                }
            }
            b'+' | b'-' if status.scaling.is_some() => {
                self.message =
                    Some("the load decides; rgun ctl scale changes the bounds".to_owned());
            }
            b'+' | b'-' => {
                let now = status.workers_wanted;
                let workers = if key == b'+' {
                    now + 1
                } else {
                    now.saturating_sub(1)
                };
                if workers > 0 {
                    self.view = View::Confirm {
                        question: format!("{workers} workers instead of {now}"),
                        request: ControlRequest::Scale {
                            workers,
                            most: None,
                        },
                    };
                }
            }
            _ => {}
        }
        Reaction::Redraw
    }

    fn key_of_slot(&mut self, key: u8, mut typed: String) -> Reaction {
        if ENTER.contains(&key) {
            let slot = typed.parse().ok();
            return self.request(ControlRequest::Stacks { slot });
        }
        if BACKSPACE.contains(&key) {
            typed.pop();
        } else if key.is_ascii_digit() && typed.len() < 4 {
            typed.push(key.into());
        } else {
            return Reaction::Redraw;
        }
        self.view = View::Slot(typed);
        Reaction::Redraw
    }

    fn key_of_page(&mut self, key: u8, lines: Vec<String>, first: usize) -> Reaction {
        let last = lines.len().saturating_sub(1);
        let first = match key {
            b'q' | b'Q' => return Reaction::Leave,
            b'j' => (first + 1).min(last),
            b'k' => first.saturating_sub(1),
            b' ' => (first + 20).min(last),
            _ => return Reaction::Redraw,
        };
        self.view = View::Page { lines, first };
        Reaction::Redraw
    }

    fn request(&mut self, request: ControlRequest) -> Reaction {
        self.running = Some(match request {
            ControlRequest::Reload => "reloading ...",
            ControlRequest::Stacks { .. } => "asking for stacks ...",
            _ => "changing the number of workers ...",
        });
        Reaction::Request(request)
    }

    pub fn answered(&mut self, answer: Result<ControlResponse, CtlFailure>) {
        self.running = None;
        let response = match answer {
            Ok(response) => response,
            Err(failure) => {
                self.message = Some(failure.message);
                return;
            }
        };
        self.message = Some(response.message).filter(|message| !message.is_empty());
        let mut lines: Vec<String> = Vec::new();
        if let Some(traceback) = &response.traceback {
            lines.extend(self.message.iter().cloned());
            lines.extend(traceback.lines().map(str::to_owned));
        }
        for stacks in response.stacks.iter().flatten() {
            lines.push(format!("worker {} (pid {})", stacks.slot, stacks.pid));
            lines.extend(stacks.text.trim_end().lines().map(str::to_owned));
            lines.push(String::new());
        }
        if !lines.is_empty() {
            self.view = View::Page { lines, first: 0 };
        }
    }

    /// The whole screen.
    pub fn drawn(&self, status: &Status, colours: Colours, size: TerminalSize) -> Text {
        let room = size.lines.saturating_sub(2);
        let mut text = match &self.view {
            View::Page { lines, first } => page(lines, *first, room),
            View::Table | View::Confirm { .. } | View::Slot(_) => {
                table::table(status, colours, Some(size.columns))
            }
        };
        text.keep_lines(room);
        let (line, keys) = match &self.view {
            View::Confirm { question, .. } => (format!("{question}? y: yes"), ""),
            View::Slot(typed) => (format!("stacks of slot (Enter alone: all): {typed}"), ""),
            View::Page { .. } => (String::new(), KEYS_OF_PAGE),
            View::Table => {
                let running = self.running.map(str::to_owned);
                let line = running.or_else(|| self.message.clone());
                (line.unwrap_or_default(), KEYS)
            }
        };
        text.styled(colours.bold, format_args!("{line}"), colours.end);
        text.end_line();
        text.append(format_args!("{keys}"));
        text.end_line();
        text.cut_lines(size.columns);
        text
    }
}

fn page(lines: &[String], first: usize, room: usize) -> Text {
    let mut text = Text::default();
    for line in lines.iter().skip(first).take(room) {
        text.append(format_args!("{line}"));
        text.end_line();
    }
    text
}
