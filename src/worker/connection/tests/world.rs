//! The network side of a worker in memory: clients and apps follow a story, on a virtual clock.

use std::cell::Cell;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::{Layer, Layers, Origin, ProcessEnvironment, definition, resolve};
use crate::http::{BodyEnd, RequestHead};
use crate::ipc::Scoreboard;
use crate::sys::epoll::Readiness;
use crate::worker::connection::{Conn, ConnectionMode, RequestSink};
use crate::worker::connection_table::ConnectionTable;
use crate::worker::exchange::{
    Backpressure, Exchange, Received, RequestHandler, Requests, SendError,
};
use crate::worker::key::RequestKey;
use crate::worker::network::{App, Network};
use crate::worker::timers::TICK_MS;
use crate::worker::transport::{Far, memory};
use crate::worker::turn_budget::TurnBudget;

/// The time as the turn's budget sees it: so many microseconds pass until the next look at it.
const LOOK_US: u64 = 1_000;
thread_local!(static LOOKS: Cell<u64> = const { Cell::new(0) });

/// What was reported to the app's side.
#[derive(Default)]
pub struct Heard {
    pub requests: Vec<(Exchange, RequestHead)>,
    pub readable: Vec<RequestKey>,
    pub writable: Vec<RequestKey>,
    pub cancelled: Vec<RequestKey>,
}

struct Recorder(Arc<Mutex<Heard>>);

impl RequestHandler for Recorder {
    fn request(&self, exchange: Exchange, head: RequestHead) {
        self.0.lock().requests.push((exchange, head));
    }
}

impl App for Recorder {
    fn takes_websockets(&self) -> bool {
        true
    }
    fn readable(&self, key: RequestKey) {
        self.0.lock().readable.push(key);
    }
    fn writable(&self, key: RequestKey) {
        self.0.lock().writable.push(key);
    }
    fn cancel(&self, key: RequestKey) -> bool {
        self.0.lock().cancelled.push(key);
        true
    }
    fn quiet(&self) {}
}

pub struct World {
    pub net: Arc<Network>,
    requests: Arc<Box<dyn RequestSink>>,
    pub heard: Arc<Mutex<Heard>>,
    table: ConnectionTable,
    clients: Vec<Client>,
    now: u64,
    _scoreboard: Scoreboard,
}

/// A client and its connection.
#[derive(Clone)]
pub struct Client {
    pub far: Far,
    pub conn: Arc<Conn>,
}

impl Client {
    pub fn mode(&self) -> ConnectionMode {
        self.conn.lock().mode
    }

    /// Bytes that wait for the client, and bytes that wait for the app.
    pub fn kept(&self) -> (usize, usize) {
        let s = self.conn.lock();
        (s.out.len(), s.stream.body.buffered())
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(&[])
    }

    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut layer = Layer::default();
        for (name, text) in [("wsgi_app", "site:app")].iter().chain(settings) {
            layer.add(definition(name).expect(name), *text, Origin::CommandLine);
        }
        let process_environment = ProcessEnvironment {
            variables: std::collections::BTreeMap::new(),
            directory: "/srv".into(),
            cpus: 1,
        };
        let resolved = resolve(&Layers::new(vec![layer]), &process_environment).expect("settings");
        let scoreboard = Scoreboard::create(1).expect("memory");
        let page = scoreboard.acquire(0, 1).expect("a page");
        let mut net = Network::new(Arc::new(resolved.settings), page).expect("descriptors");
        net.turn_budget = TurnBudget::on(|| LOOKS.replace(LOOKS.get() + LOOK_US));
        let heard = Arc::<Mutex<Heard>>::default();
        let recorder = Arc::new(Recorder(heard.clone()));
        net.set_app(recorder.clone());
        let requests = Requests::default();
        requests.set_handler(recorder);
        Self {
            now: net.now(),
            net: Arc::new(net),
            requests: Arc::new(Box::new(Arc::new(requests))),
            heard,
            table: ConnectionTable::new(),
            clients: Vec::new(),
            _scoreboard: scoreboard,
        }
    }

    /// A client whose kernel takes `room` bytes that it does not read.
    pub fn connect(&mut self, room: usize) -> Client {
        self.connect_through(room, 0)
    }

    /// As `connect`, with a layer between that holds back `stages` bytes.
    pub fn connect_through(&mut self, room: usize, stages: usize) -> Client {
        let (transport, far) = memory(room, stages);
        let conn = self
            .table
            .add(|key| Conn::new(&self.net, &self.requests, key, transport, None, Some(0)));
        let client = Client { far, conn };
        self.clients.push(client.clone());
        client.conn.look();
        client
    }

    /// One turn of the reactor: delivers all readiness events, resumes connections that had used up their share, and frees the
    /// places of those that have closed.
    pub fn turn(&mut self) {
        self.net.next_turn(self.now);
        for client in &self.clients {
            let Some(conn) = self.table.find(client.conn.key) else {
                continue;
            };
            let [ended, reset] = client.far.has_left();
            conn.ready(Readiness {
                token: conn.key.token(),
                readable: true,
                writable: true,
                read_closed: ended || reset,
                closed: reset,
            });
        }
        self.net.resume_unfinished(|key| {
            if let Some(conn) = self.table.find_any(key) {
                conn.go_on();
            }
        });
        for key in self.net.agenda.closed.lock().drain(..) {
            self.table.remove(key);
        }
    }

    /// Turns until nothing is left to do. Panics if that never happens.
    pub fn settle(&mut self) {
        let mut unread = usize::MAX;
        for _ in 0..100_000 {
            self.turn();
            // Each piece that arrives is an edge of its own.
            let before = std::mem::replace(&mut unread, self.unread());
            if unread >= before && self.net.agenda.unfinished.lock().is_empty() {
                return;
            }
        }
        panic!("the connections do not come to rest");
    }

    /// Bytes that clients have sent and connections have not read.
    fn unread(&self) -> usize {
        self.clients.iter().map(|client| client.far.unread()).sum()
    }

    /// Time passes, with checks of the deadlines on the way.
    pub fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.now < until {
            self.now = (self.now + TICK_MS).min(until);
            self.net.next_turn(self.now);
            let due = self.net.agenda.timers.lock().take_due(self.now);
            for conn in due.into_iter().filter_map(|key| self.table.find_any(key)) {
                conn.tick(self.now);
            }
            self.settle();
        }
    }

    /// The worker exits: closes all connections.
    pub fn close_all(&mut self) {
        self.table.each().for_each(|conn| conn.close());
        self.turn();
    }

    /// The requests that reached the app since the last call.
    pub fn requests(&self) -> Vec<(Exchange, RequestHead)> {
        std::mem::take(&mut self.heard.lock().requests)
    }

    /// The only one of those.
    pub fn request(&self) -> Exchange {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "one request");
        requests.remove(0).0
    }
}

/// A whole response with a declared length.
pub fn answer(exchange: &Exchange, body: &[u8]) -> Result<Backpressure, SendError> {
    let length = body.len().to_string();
    exchange.start(200, None, [(&b"content-length"[..], length.as_bytes())])?;
    exchange.send(body, BodyEnd::Last)
}

/// The received part of a request's body, and whether it is complete.
pub fn body(exchange: &Exchange) -> (Vec<u8>, bool) {
    let mut found = Vec::new();
    loop {
        match exchange.receive() {
            Received::Body { piece, more } => {
                found.extend_from_slice(&piece);
                if !more {
                    return (found, true);
                }
            }
            Received::Wait | Received::Disconnect => return (found, false),
        }
    }
}
