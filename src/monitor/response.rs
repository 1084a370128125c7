//! Which path is answered with what. It does not know how answers travel.

use std::sync::Arc;

use super::memory::Memory;
use super::metrics;
use super::probe::{Probe, Verdict};
use super::ratio::Ratios;
use super::snapshot::Snapshot;
use crate::ipc::Board;
use crate::sys::clock;

const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: String,
}

impl Answer {
    fn text(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: text.into() + "\n",
        }
    }

    pub fn not_allowed() -> Self {
        Self::text(405, "only GET and HEAD")
    }
}

/// What is remembered from one question to the next.
pub struct Answers {
    board: Board,
    addresses: Arc<[String]>,
    memory: Memory,
    ratios: Ratios,
}

impl Answers {
    pub fn new(board: Board, addresses: Arc<[String]>) -> Self {
        Self {
            board,
            addresses,
            memory: Memory::default(),
            ratios: Ratios::default(),
        }
    }

    pub fn answer(&mut self, path: &[u8]) -> Answer {
        match path {
            b"/-/live" => self.probe(Probe::Live),
            b"/-/ready" => self.probe(Probe::Ready),
            b"/-/started" => self.probe(Probe::Started),
            b"/-/metrics" | b"/metrics" => self.metrics(),
            _ => Answer::text(
                404,
                "there are /-/live, /-/ready, /-/started and /-/metrics",
            ),
        }
    }

    fn probe(&self, probe: Probe) -> Answer {
        match probe.ask(&self.board, clock::monotonic_ms()) {
            Verdict::Yes => Answer::text(200, "ok"),
            Verdict::No(why) => Answer::text(503, why),
        }
    }

    fn metrics(&mut self) -> Answer {
        let snapshot = Snapshot::take(
            &self.board,
            &self.addresses,
            &mut self.memory,
            &mut self.ratios,
            clock::monotonic_ms(),
        );
        match metrics::text(snapshot) {
            Ok(body) => Answer {
                status: 200,
                content_type: metrics::CONTENT_TYPE,
                body,
            },
            Err(error) => Answer::text(500, error.to_string()),
        }
    }
}
