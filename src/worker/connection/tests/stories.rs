//! Stories of clients and apps as they occur in practice.

use super::reading::responses;
use super::world::{World, answer, body};
use crate::http::BodyEnd;
use crate::worker::connection::{ConnectionMode, HIGH_WATER};
use crate::worker::exchange::{Backpressure, Ending, Received, ResponseVerdict, replying};
use crate::worker::files::{FileResponse, Patience};
use crate::worker::transport::{ClientView, Far};

pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn everything(far: &Far) -> Vec<u8> {
    far.take(usize::MAX)
}

pub(super) fn statuses(far: &Far) -> Vec<u16> {
    let found = responses(&everything(far));
    found.iter().map(|response| response.status).collect()
}

#[test]
fn a_request_is_answered_and_the_connection_waits_for_the_next_one() {
    let mut world = World::new();
    let client = world.connect(10_000);
    for _ in 0..3 {
        client.far.send(GET);
        world.settle();
        answer(&world.request(), b"hello").expect("a client");
        let found = responses(&everything(&client.far));
        assert_eq!((found.len(), &found[0].body[..]), (1, &b"hello"[..]));
    }
    assert_eq!(
        (client.mode(), world.net.ledger.in_flight()),
        (ConnectionMode::Head, 0)
    );
}

#[test]
fn a_client_that_drips_byte_by_byte() {
    let mut world = World::new();
    let client = world.connect(10_000);
    for byte in b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" {
        client.far.send(&[*byte]);
        world.settle();
        world.pass(100);
    }
    let exchange = world.request();
    assert_eq!(body(&exchange), (b"hello".to_vec(), true));
    answer(&exchange, b"").expect("a client");
    assert_eq!(statuses(&client.far), [200]);
}

#[test]
fn a_head_that_takes_too_long_is_answered_with_408() {
    let mut world = World::with(&[("header_timeout", "10")]);
    let client = world.connect(10_000);
    client.far.send(b"GET / HTTP/1.1\r\n");
    world.settle();
    world.pass(9_000);
    assert!(statuses(&client.far).is_empty());
    world.pass(2_000);
    assert_eq!(statuses(&client.far), [408]);
    world.pass(5_000);
    assert!(client.far.is_closed());
}

#[test]
fn the_time_for_the_next_request_begins_when_the_response_is_sent() {
    let mut world = World::with(&[("keepalive", "4")]);
    let client = world.connect(10_000);
    client.far.send(GET);
    world.settle();
    answer(&world.request(), &vec![b'x'; 60_000]).expect("a client");
    // It reads for seven seconds.
    for _ in 0..7 {
        world.pass(1_000);
        client.far.take(9_000);
        world.settle();
    }
    assert_eq!(client.kept().0, 0);
    world.pass(3_000);
    everything(&client.far);
    client.far.send(GET);
    world.settle();
    answer(&world.request(), b"").expect("a client");
    assert_eq!(statuses(&client.far), [200]);
    world.pass(3_000);
    assert_eq!(client.far.seen(), ClientView::Open);
    world.pass(2_000);
    assert_eq!(client.far.seen(), ClientView::Ended);
}

#[test]
fn a_client_that_reads_a_response_from_its_kernel_is_not_idle() {
    let mut world = World::with(&[("keepalive", "4"), ("write_timeout", "20")]);
    let [slow, silent] = [(); 2].map(|()| {
        let client = world.connect(100_000);
        client.far.send(GET);
        world.settle();
        answer(&world.request(), &vec![b'x'; 60_000]).expect("a client");
        client
    });
    for _ in 0..7 {
        world.pass(1_000);
        slow.far.take(9_000);
        world.settle();
    }
    world.pass(3_000);
    for client in [&slow, &silent] {
        assert_eq!(client.far.seen(), ClientView::Open);
    }
    world.pass(6_000);
    assert_eq!(slow.far.seen(), ClientView::Ended);
    assert!(!silent.far.is_closed());
    world.pass(8_000);
    assert!(silent.far.is_closed());
}

#[test]
fn half_a_close_after_a_request_does_not_lose_the_answer() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client.far.send(GET);
    client.far.end();
    world.settle();
    let exchange = world.request();
    world.pass(1_000);
    answer(&exchange, b"late").expect("half a client");
    world.settle();
    assert_eq!(statuses(&client.far), [200]);
    assert_eq!(client.far.seen(), ClientView::Ended);
    assert!(client.far.is_closed());
}

#[test]
fn a_request_is_read_to_its_end_before_its_client_has_left() {
    for request in [
        GET,
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let mut world = World::new();
        let client = world.connect(10_000);
        client.far.send(request);
        client.far.end();
        world.settle();
        let exchange = world.request();
        world.pass(1_000);
        assert_eq!(body(&exchange), (Vec::new(), true));
        answer(&exchange, b"late").expect("half a client");
        world.settle();
        assert_eq!(statuses(&client.far), [200]);
        assert!(client.far.is_closed());
    }
}

#[test]
fn the_time_for_a_head_begins_with_its_first_byte_wherever_that_stands() {
    let mut world = World::with(&[("header_timeout", "10")]);
    let client = world.connect(10_000);
    client.far.send(&[GET, b"GET / HT"].concat());
    world.settle();
    answer(&world.request(), b"").expect("a client");
    world.settle();
    world.pass(9_000);
    assert_eq!(statuses(&client.far), [200]);
    world.pass(2_000);
    assert_eq!(statuses(&client.far), [408]);
}

#[test]
fn a_refused_request_has_no_identifier_of_the_one_before_it() {
    let mut world = World::with(&[("request_id", "true")]);
    let client = world.connect(10_000);
    client
        .far
        .send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-ID: first\r\n\r\n");
    world.settle();
    answer(&world.request(), b"").expect("a client");
    client.far.send(b"GET / HTTP/1.1\r\n\r\n");
    world.settle();
    let received = everything(&client.far).to_ascii_lowercase();
    let count = |text: &str| memchr::memmem::find_iter(&received, text).count();
    assert_eq!(
        [
            count("http/1.1 200"),
            count("http/1.1 400"),
            count("x-request-id: first")
        ],
        [1, 1, 1],
        "{}",
        received.escape_ascii()
    );
}

#[test]
fn an_app_that_waits_is_told_when_its_client_leaves() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client
        .far
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    world.settle();
    let exchange = world.request();
    assert!(matches!(exchange.receive(), Received::Wait));
    client.far.reset();
    world.settle();
    assert_eq!(world.heard.lock().readable, [exchange.key()]);
    assert!(matches!(exchange.receive(), Received::Disconnect));
    assert_eq!(exchange.ended(Ending::Returned), ResponseVerdict::Fine);
    world.settle();
    assert!(client.far.is_closed());
    assert_eq!(world.net.ledger.in_flight(), 0);
}

#[test]
fn a_second_receive_is_told_of_the_end_of_its_own_request_and_not_of_the_next_one() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client.far.send(GET);
    world.settle();
    let first = world.request();
    assert!(matches!(
        first.receive(),
        Received::Body { more: false, .. }
    ));
    assert!(matches!(first.receive(), Received::Wait));
    client.far.send(GET);
    answer(&first, b"").expect("a client");
    world.settle();
    assert_eq!(world.heard.lock().readable, [first.key()]);
    assert!(matches!(first.receive(), Received::Disconnect));
    let second = world.request();
    assert_ne!(second.key(), first.key());
    assert!(matches!(
        second.receive(),
        Received::Body { more: false, .. }
    ));
}

#[test]
fn an_app_that_ends_without_a_response_or_in_the_middle_of_one() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client.far.send(GET);
    world.settle();
    assert_eq!(
        world.request().ended(Ending::Returned),
        ResponseVerdict::Unanswered
    );
    world.settle();
    assert_eq!(statuses(&client.far), [500]);
    let client = world.connect(10_000);
    client.far.send(GET);
    world.settle();
    let exchange = world.request();
    exchange
        .start(200, None, [(&b"content-length"[..], &b"10"[..])])
        .expect("a client");
    exchange.send(b"half", BodyEnd::More).expect("a client");
    assert_eq!(exchange.ended(Ending::Failed), ResponseVerdict::Cut);
    world.settle();
    let found = responses(&everything(&client.far));
    assert!(!found[0].is_whole());
    assert_eq!(client.far.seen(), ClientView::Ended);
}

#[test]
fn a_response_without_a_length_that_is_cut_is_reset() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client.far.send(b"GET / HTTP/1.0\r\n\r\n");
    world.settle();
    let exchange = world.request();
    exchange.start(200, None, []).expect("a client");
    exchange.send(b"half", BodyEnd::More).expect("a client");
    exchange.ended(Ending::Failed);
    assert_eq!(client.far.seen(), ClientView::Reset);
}

#[test]
fn an_app_that_answers_early_and_ignores_the_body() {
    let mut world = World::new();
    let client = world.connect(10_000);
    client
        .far
        .send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n0123456789");
    world.settle();
    answer(&world.request(), b"no").expect("a client");
    client.far.send(&[b'x'; 90]);
    client.far.send(GET);
    world.settle();
    answer(&world.request(), b"yes").expect("a client");
    assert_eq!(statuses(&client.far), [200, 200]);
}

#[test]
fn a_client_that_does_not_read_makes_the_app_wait_and_is_given_up() {
    let mut world = World::with(&[("write_timeout", "5")]);
    let client = world.connect(1_000);
    client.far.send(GET);
    world.settle();
    let exchange = world.request();
    exchange.start(200, None, []).expect("a client");
    let mut flow = Backpressure::Free;
    while flow == Backpressure::Free {
        flow = exchange
            .send(&[b'x'; 10_000], BodyEnd::More)
            .expect("a client");
    }
    assert!(!exchange.may_send());
    assert!(client.kept().0 <= HIGH_WATER + 20_000);
    world.pass(10_000);
    assert!(exchange.may_send(), "nothing is worth waiting for");
    exchange.ended(Ending::Failed);
    world.settle();
    assert_eq!(client.far.seen(), ClientView::Reset);
}

#[test]
fn a_slow_reader_gets_everything_in_order_through_a_layer_that_holds_back() {
    let mut world = World::new();
    let client = world.connect_through(100, 64);
    client.far.send(GET);
    world.settle();
    let sent: Vec<u8> = (0..50_000_u32).map(|n| n as u8).collect();
    answer(&world.request(), &sent).expect("a client");
    let mut found = Vec::new();
    while client.mode() != ConnectionMode::Head
        || client.kept().0 > 0
        || client.far.seen() == ClientView::Open
    {
        let taken = client.far.take(37);
        if taken.is_empty() {
            break;
        }
        found.extend(taken);
        world.settle();
    }
    assert_eq!(responses(&found)[0].body, sent);
}

#[test]
fn the_last_bytes_leave_before_the_end_does() {
    let mut world = World::new();
    let client = world.connect_through(100, 1_000);
    client
        .far
        .send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    world.settle();
    answer(&world.request(), &[b'x'; 500]).expect("a client");
    world.settle();
    assert!(!client.far.is_closed(), "some of it is in the layer");
    let mut found = Vec::new();
    while !client.far.is_closed() {
        found.extend(client.far.take(100));
        world.settle();
    }
    found.extend(everything(&client.far));
    assert!(responses(&found)[0].is_whole());
}

#[test]
fn a_draining_worker_closes_idle_connections_and_says_so_in_its_last_answers() {
    let mut world = World::new();
    let idle = world.connect(10_000);
    let busy = world.connect(10_000);
    busy.far.send(GET);
    world.settle();
    let exchange = world.request();
    world.net.begin_drain(crate::ipc::DrainReason::Replaced);
    idle.conn.drain();
    busy.conn.drain();
    answer(&exchange, b"").expect("a client");
    let last = everything(&busy.far);
    assert!(
        last.windows(17)
            .any(|window| window.eq_ignore_ascii_case(b"connection: close"))
    );
    world.pass(10_000);
    assert!(idle.far.is_closed() && busy.far.is_closed());
    assert_eq!(world.net.connections(), 0);
}

#[test]
fn a_client_that_leaves_while_its_file_is_looked_for_is_forgotten() {
    let mut world = World::with(&[("sendfile_root", "/srv")]);
    let client = world.connect(10_000);
    client.far.send(GET);
    world.settle();
    let (exchange, head) = world.requests().remove(0);
    client.far.reset();
    world.settle();
    let named = [(&b"x-sendfile"[..], &b"/srv/none"[..])];
    let response = FileResponse::of(200, named.into_iter()).expect("it names a file");
    replying::send_named(&exchange, response, head, Patience::Blocking);
    world.settle();
    assert!(client.far.is_closed());
    assert_eq!(
        (client.mode(), world.net.ledger.in_flight()),
        (ConnectionMode::Closed, 0)
    );
}
