//! Prints what a request costs in this module: `cargo run --release --bin nanoseconds`. Figures are the best of
//! several rounds; it judges nothing. Allocations are counted once the buffers have their size.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use rgun_fuzz::http::{BodyEnd, Connection, Date, HttpEvent, Policy};

const PLAIN: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n";
const CURL: &[u8] =
    b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";
const PROXIED: &[u8] = b"GET /api/v1/items/42?page=2&sort=name HTTP/1.1\r\nHost: example.com\r\nX-Real-IP: 203.0.113.7\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nConnection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\nCookie: sessionid=0123456789abcdef0123456789abcdef; csrftoken=abcdef0123456789\r\nCache-Control: max-age=0\r\n\r\n";
const POST: &[u8] = b"POST /items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"name\": \"rgun\"}";

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let date = Date::at(784_111_777);
    for (name, bytes) in [
        ("plain get", PLAIN),
        ("curl get", CURL),
        ("proxied get", PROXIED),
        ("small post", POST),
    ] {
        let mut connection = Connection::new(Arc::new(Policy::default()));
        let parse = |connection: &mut Connection| {
            connection.input().extend_from_slice(bytes);
            loop {
                match connection.poll_event() {
                    HttpEvent::Request(head) => {
                        black_box(head.headers().len());
                        connection.recycle(black_box(head));
                    }
                    HttpEvent::Body(data) => drop(black_box(data)),
                    HttpEvent::EndOfBody | HttpEvent::Paused => break,
                    other => panic!("{other:?}"),
                }
            }
        };
        let respond = |connection: &mut Connection| {
            let mut head = connection
                .begin_response(200, None, &date)
                .expect("a response is due");
            head.header(
                black_box(b"content-type"),
                black_box(b"text/plain; charset=utf-8"),
            )
            .expect("valid");
            head.finish();
            let body = black_box(&b"Hello, world!"[..]);
            black_box(connection.body(body, BodyEnd::Last).expect("valid").len());
        };
        let both = best(|| {
            parse(&mut connection);
            respond(&mut connection);
        });
        let before = ALLOCATIONS.load(Relaxed);
        for _ in 0..10_000 {
            parse(&mut connection);
            respond(&mut connection);
        }
        let allocations = (ALLOCATIONS.load(Relaxed) - before) as f64 / 10_000.0;
        println!(
            "{name:12} {:4} bytes: request and response {both:6.1} ns, {allocations:.2} allocations",
            bytes.len()
        );
    }
}

/// The best mean of ten rounds.
#[expect(clippy::disallowed_methods, reason = "it measures")]
fn best(mut once: impl FnMut()) -> f64 {
    const ROUNDS: u32 = 200_000;
    (0..10)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| once());
            start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
        })
        .fold(f64::INFINITY, f64::min)
}
