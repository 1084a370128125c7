//! The response for each request.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderValue,
};
use hyper::{Method, Request, Response, StatusCode, Version};

use super::companion::CompanionSample;
use super::exposition::Exposition;
use super::generations::GenerationTotals;
use super::memory::MemoryReadings;
use super::metrics;
use super::overview;
use super::probe::{Probe, ProbeVerdict};
use super::ratio::Ratios;
use super::snapshot::Snapshot;
use crate::ipc::Board;
use crate::sys::{Document, clock};

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// No path of ours is that long.
const LONGEST_PATH: usize = 1024;

pub type MonitorResponse = Response<Full<Bytes>>;

/// What is kept from one request to the next.
pub struct Answers {
    board: Board,
    app: String,
    addresses: Arc<[String]>,
    certificates: Option<Document>,
    companions: Option<Document>,
    memory: MemoryReadings,
    ratios: Ratios,
    generations: GenerationTotals,
}

/// The response is gathered from all pages and `/proc`.
pub fn is_costly<B>(request: &Request<B>) -> bool {
    matches!(request.uri().path(), "/-/" | "/-/metrics" | "/metrics")
}

impl Answers {
    pub fn new(
        board: Board,
        app: String,
        addresses: Arc<[String]>,
        [certificates, companions]: [Option<Document>; 2],
    ) -> Self {
        Self {
            board,
            app,
            addresses,
            certificates,
            companions,
            memory: MemoryReadings::default(),
            ratios: Ratios::default(),
            generations: GenerationTotals::default(),
        }
    }

    pub fn answer<B>(&mut self, request: &Request<B>) -> MonitorResponse {
        // RFC 9112 §3.2
        if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
            return text(StatusCode::BAD_REQUEST, "a request has a Host field");
        }
        if request.uri().path().len() > LONGEST_PATH {
            return text(StatusCode::URI_TOO_LONG, "the path is too long");
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            let methods = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, methods);
            return answer;
        }
        match request.uri().path() {
            "/-/" => self.overview(),
            "/-/live" => self.probe(Probe::Live),
            "/-/ready" => self.probe(Probe::Ready),
            "/-/started" => self.probe(Probe::Started),
            "/-/metrics" | "/metrics" => {
                let accepted = request.headers().get_all(ACCEPT).into_iter();
                self.metrics(Exposition::accepted(accepted.map(HeaderValue::as_bytes)))
            }
            _ => text(
                StatusCode::NOT_FOUND,
                "there are /-/, /-/live, /-/ready, /-/started and /-/metrics",
            ),
        }
    }

    fn probe(&self, probe: Probe) -> MonitorResponse {
        match probe.ask(&self.board, clock::monotonic_ms()) {
            ProbeVerdict::Yes => text(StatusCode::OK, "ok"),
            ProbeVerdict::No(why) => text(StatusCode::SERVICE_UNAVAILABLE, &why),
        }
    }

    fn snapshot(&mut self) -> Snapshot {
        let mut snapshot = Snapshot::take(
            &self.board,
            &self.addresses,
            &mut self.memory,
            &mut self.ratios,
            clock::monotonic_ms(),
        );
        if let Some(certificates) = &self.certificates {
            snapshot.expiry = certificates
                .read()
                .map(|text| expiry(&text))
                .unwrap_or_default();
        }
        snapshot.generations = self.generations.look(self.board.living());
        let companions = self.companions.as_ref().and_then(|all| all.read().ok());
        snapshot.companions = companions
            .map(|text| CompanionSample::read(&text))
            .unwrap_or_default();
        snapshot
    }

    fn overview(&mut self) -> MonitorResponse {
        let snapshot = self.snapshot();
        let page = overview::page(&self.app, self.board.service(), &snapshot);
        let mut answer = answer(StatusCode::OK, HTML, page);
        let policy = HeaderValue::from_static(overview::POLICY);
        answer.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        answer
    }

    fn metrics(&mut self, exposition: Exposition) -> MonitorResponse {
        match metrics::text(self.snapshot()) {
            Ok(text) => answer(
                StatusCode::OK,
                exposition.content_type(),
                exposition.render(text),
            ),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

fn text(status: StatusCode, text: &str) -> MonitorResponse {
    answer(status, TEXT, format!("{text}\n"))
}

fn answer(status: StatusCode, content_type: &'static str, body: String) -> MonitorResponse {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Names of certificates and when they expire, as the master has written them.
fn expiry(text: &[u8]) -> Vec<(String, u64)> {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .filter_map(|line| {
            let (seconds, name) = line.split_once(' ')?;
            Some((name.to_owned(), seconds.parse().ok()?))
        })
        .collect()
}
