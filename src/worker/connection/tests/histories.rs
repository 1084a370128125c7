//! Random histories of clients and apps, and the invariants that hold in each of them.

use proptest::prelude::*;

use super::reading::responses;
use super::world::{Client, World};
use crate::http::{BodyEnd, ResponseState};
use crate::worker::connection::HIGH_WATER;
use crate::worker::exchange::{Ending, Exchange, Received};

/// Longer than all timeouts together.
const FOR_EVER: u64 = 400_000;
const LARGEST: usize = 100_000;

/// The next step. Numbers choose among the clients and the requests that exist.
#[derive(Debug, Clone)]
enum Step {
    /// So many bytes of the client's script.
    Send(usize, usize),
    Take(usize, usize),
    End(usize),
    Reset(usize),
    Receive(usize),
    Start(usize, usize),
    Piece(usize, usize),
    Wait(usize),
    App(usize, Ending),
    Pass(u64),
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let ending = prop_oneof![Just(Ending::Returned), Just(Ending::Failed)];
    let size = prop_oneof![0..50_usize, 0..LARGEST];
    prop_oneof![
        8 => (any::<usize>(), prop_oneof![1..10_usize, 1..200_usize, Just(usize::MAX)]).prop_map(|(n, count)| Step::Send(n, count)),
        6 => (any::<usize>(), prop_oneof![1..100_usize, Just(usize::MAX)]).prop_map(|(n, count)| Step::Take(n, count)),
        1 => any::<usize>().prop_map(Step::End),
        1 => any::<usize>().prop_map(Step::Reset),
        6 => any::<usize>().prop_map(Step::Receive),
        6 => (any::<usize>(), size.clone()).prop_map(|(n, size)| Step::Start(n, size)),
        6 => (any::<usize>(), size).prop_map(|(n, size)| Step::Piece(n, size)),
        2 => any::<usize>().prop_map(Step::Wait),
        4 => (any::<usize>(), ending).prop_map(|(n, ending)| Step::App(n, ending)),
        2 => (0..20_000_u64).prop_map(Step::Pass),
        1 => Just(Step::Drain),
    ]
}

/// What a client sends: requests of all kinds, pipelined, and perhaps garbage somewhere.
fn script() -> impl Strategy<Value = Vec<u8>> {
    let request = prop_oneof![
        4 => Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        2 => Just(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_vec()),
        3 => (0..3_000_usize).prop_map(|length| [format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes(), &vec![b'b'; length]].concat()),
        2 => (1..200_usize).prop_map(|count| [b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice(), &b"1\r\nc\r\n".repeat(count), b"0\r\n\r\n"].concat()),
        1 => Just(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
        1 => Just(b"NONSENSE\r\n\r\n".to_vec()),
    ];
    proptest::collection::vec(request, 1..6).prop_map(|requests| requests.concat())
}

/// A client with what it has sent and received so far.
struct Acting {
    client: Client,
    script: Vec<u8>,
    got: Vec<u8>,
    gone: bool,
}

/// A request that the app has not finished.
struct Running {
    exchange: Exchange,
    /// Bytes of the declared length that were not sent.
    left: usize,
    waits_receive: bool,
    waits_send: bool,
}

struct History {
    world: World,
    clients: Vec<Acting>,
    running: Vec<Running>,
}

impl History {
    fn new(scripts: Vec<(Vec<u8>, usize, usize)>) -> Self {
        let mut world = World::new();
        let clients = scripts
            .into_iter()
            .map(|(script, room, stages)| Acting {
                client: world.connect_through(room, stages),
                script,
                got: Vec::new(),
                gone: false,
            })
            .collect();
        Self {
            world,
            clients,
            running: Vec::new(),
        }
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Send(n, count) => self.client(n, |acting| {
                let count = count.min(acting.script.len());
                let piece: Vec<u8> = acting.script.drain(..count).collect();
                acting.client.far.send(&piece);
            }),
            Step::Take(n, count) => self.client(n, |acting| {
                acting.got.extend(acting.client.far.take(count));
            }),
            Step::End(n) => self.client(n, |acting| {
                acting.script.clear();
                acting.client.far.end();
            }),
            Step::Reset(n) => self.client(n, |acting| {
                acting.gone = true;
                acting.client.far.reset();
            }),
            Step::Receive(n) => self.app(n, |running| {
                running.waits_receive = matches!(running.exchange.receive(), Received::Wait);
            }),
            Step::Start(n, length) => self.app(n, |running| {
                let text = length.to_string();
                let fields = [(&b"content-length"[..], text.as_bytes())];
                if running.exchange.response_state() == ResponseState::NotStarted
                    && running.exchange.start(200, None, fields).is_ok()
                {
                    running.left = length;
                }
            }),
            Step::Piece(n, size) => self.app(n, |running| {
                let size = size.min(running.left);
                let end = if size == running.left {
                    BodyEnd::Last
                } else {
                    BodyEnd::More
                };
                if running.exchange.send(&vec![b'r'; size], end).is_ok() {
                    running.left -= size;
                }
            }),
            Step::Wait(n) => self.app(n, |running| {
                running.waits_send = !running.exchange.may_send();
            }),
            Step::App(n, ending) => {
                if !self.running.is_empty() {
                    let running = self.running.swap_remove(n % self.running.len());
                    running.exchange.ended(ending);
                }
            }
            Step::Pass(ms) => self.world.pass(ms),
            Step::Drain => {
                self.world
                    .net
                    .begin_drain(crate::ipc::DrainReason::Replaced);
                for acting in &self.clients {
                    acting.client.conn.drain();
                }
            }
        }
        self.world.settle();
        for (exchange, _) in self.world.requests() {
            self.running.push(Running {
                exchange,
                left: 0,
                waits_receive: false,
                waits_send: false,
            });
        }
        self.wake();
    }

    fn client(&mut self, n: usize, act: impl FnOnce(&mut Acting)) {
        let n = n % self.clients.len();
        let acting = &mut self.clients[n];
        if !acting.gone {
            act(acting);
        }
    }

    fn app(&mut self, n: usize, act: impl FnOnce(&mut Running)) {
        if !self.running.is_empty() {
            let n = n % self.running.len();
            act(&mut self.running[n]);
        }
    }

    /// An app that was woken does not wait any more.
    fn wake(&mut self) {
        let mut heard = self.world.heard.lock();
        for key in heard.readable.drain(..) {
            for running in &mut self.running {
                running.waits_receive &= running.exchange.key() != key;
            }
        }
        for key in heard.writable.drain(..) {
            for running in &mut self.running {
                running.waits_send &= running.exchange.key() != key;
            }
        }
    }

    /// Invariants after each step.
    fn check(&self) {
        for running in &self.running {
            // No app sleeps that could continue.
            if running.waits_receive {
                assert!(
                    matches!(running.exchange.receive(), Received::Wait),
                    "a reader was not woken"
                );
            }
            if running.waits_send {
                assert!(!running.exchange.may_send(), "a writer was not woken");
            }
        }
        for acting in &self.clients {
            let (out, body) = acting.client.kept();
            assert!(
                out <= HIGH_WATER + 2 * LARGEST + 1_000,
                "{out} bytes wait for a client"
            );
            assert!(body <= 2 * HIGH_WATER, "{body} bytes wait for an app");
        }
        let counters = self.world.net.page.counters();
        let ended: u64 = counters.status.iter().sum();
        assert_eq!(
            ended + u64::from(self.world.net.ledger.in_flight()),
            self.world.net.page.requests(),
            "a request was begun and not ended, or ended twice"
        );
    }

    /// The app finishes its requests, all clients fall silent, and time passes.
    fn finish(mut self) {
        for running in self.running.drain(..) {
            running.exchange.ended(Ending::Returned);
        }
        self.world.settle();
        self.world.pass(FOR_EVER);
        // Requests that were complete on the wire.
        while let Some((exchange, _)) = self.world.requests().pop() {
            exchange.ended(Ending::Returned);
            self.world.settle();
            self.world.pass(FOR_EVER);
        }
        assert_eq!(
            self.world.net.ledger.in_flight(),
            0,
            "a request is for ever in flight"
        );
        assert_eq!(
            self.world.net.connections(),
            0,
            "a connection is for ever open"
        );
        for acting in &mut self.clients {
            assert!(acting.client.far.is_closed());
            acting.got.extend(acting.client.far.take(usize::MAX));
            let found = responses(&acting.got);
            // Only the last one may be cut.
            let cut = found.iter().rev().skip(1).find(|one| !one.is_whole());
            assert!(cut.is_none(), "bytes behind a cut response: {cut:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn laws(
        scripts in proptest::collection::vec((script(), prop_oneof![1..100_usize, Just(1_usize << 20)], 0..50_usize), 1..4),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let mut history = History::new(scripts);
        for step in &steps {
            history.act(step);
            history.check();
        }
        history.finish();
    }
}
