"""Clients that are slow or silent hold a connection, never a worker, and not for ever."""

import time

import pytest

from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops]


def test_others_are_served_while_one_sends_its_head_byte_by_byte(serve):
    server = serve("hello.py", workers=1)
    with server.connect() as slow:
        for byte in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n":
            slow.send(bytes([byte]))
            if byte == ord("\n"):
                assert server.get().status == 200
        assert slow.response().status == 200


def test_others_are_served_while_one_does_not_read(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    size = 50_000_000 if scope["path"] == "/large" else 5
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    await send({"type": "http.response.body", "body": b"x" * size})
""")
    server = serve(workers=1)
    with server.connect(receive_buffer=4096) as slow:
        slow.request(target="/large")
        slow.read(1000)
        for _ in range(20):
            assert server.get(timeout=5).body == b"xxxxx"


def test_silent_connection_is_closed(serve):
    server = serve("hello.py", "--first-byte-timeout", "1", workers=1)
    with server.connect() as client:
        started = time.monotonic()
        assert client.ending() == "closed"
        assert 0.5 < time.monotonic() - started < 4


def test_slow_head_gets_408(serve):
    """Trickled bytes do not extend the time for the head."""
    server = serve("hello.py", "--header-timeout", "1", workers=1)
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        started = time.monotonic()
        eventually(lambda: _trickle(client), "the server answers", timeout=6, interval=0.1)
        assert client.response().status == 408
        assert time.monotonic() - started < 5


def _trickle(client):
    if not client.quiet(0.05):
        return True
    client.send(b"X-A: b\r\n")
    return False


def test_slow_body_gets_408(serve):
    server = serve("probe.py", "--body-timeout", "1", workers=1)
    with server.connect() as client:
        client.request("POST", "/echo", [("Content-Length", "100")])
        client.send(b"x" * 10)
        started = time.monotonic()
        assert client.response().status == 408
        assert 0.5 < time.monotonic() - started < 5
        assert client.ending() in ("closed", "reset")


def test_a_body_that_trickles_does_not_live_for_ever(serve):
    """A byte now and then is progress, but not enough of it."""
    server = serve("probe.py", "--body-timeout", "1", "--body-min-rate", "1000", workers=1)
    with server.connect() as slow, server.connect() as fast:
        for client in (slow, fast):
            client.request("POST", "/echo", [("Content-Length", "1000000")])
        started = time.monotonic()
        while time.monotonic() - started < 20:
            fast.send(b"x" * 1000)
            try:
                slow.send(b"x")
            except OSError:
                break
            if not slow.quiet(0.3):
                break
        assert slow.response().status == 408
        assert 3.5 < time.monotonic() - started < 15, "the first four timeouts are free"
        assert fast.quiet(0.1), "who is fast enough is not bothered"


def test_body_timeout_counts_only_while_the_app_reads(serve, app):
    """An app that is busy does not make its client slow."""
    app.write("""
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    first = await receive()
    await asyncio.sleep(2)
    size = len(first["body"])
    while first["more_body"]:
        first = await receive()
        size += len(first["body"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})
""")
    server = serve(None, "--body-timeout", "1", workers=1)
    with server.connect() as client:
        client.request("POST", "/", [("Content-Length", "300000")])
        client.send(b"x" * 300_000)
        assert client.response().body == b"300000"


def test_reader_that_stalls_is_dropped(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    except OSError as error:
        print("send raised OSError", flush=True)
        raise
""")
    server = serve(None, "--write-timeout", "1", workers=1)
    with server.connect(receive_buffer=4096) as client:
        client.request()
        client.read(100)
        server.log.wait("send raised OSError", timeout=10)


@pytest.mark.parametrize("spec", ["app:app", "app:application"], ids=["asgi", "wsgi"])
def test_slow_reader_is_not_dropped_while_the_kernel_still_feeds_it(serve, app, spec):
    """Long before the server can write again: the kernel's buffer is larger than what such a client takes within the timeout."""
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"20000000")]})
    for _ in range(200):
        await send({"type": "http.response.body", "body": b"x" * 100000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})

def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "20000000")])
    for _ in range(200):
        yield b"x" * 100000
""")
    server = serve(None, "--write-timeout", "2", workers=1, spec=spec)
    with server.connect(receive_buffer=16384) as client:
        client.request()
        assert client.head().status == 200
        started = time.monotonic()
        left = 20_000_000
        while time.monotonic() - started < 4.5:
            client.read(4096)
            left -= 4096
            time.sleep(0.02)  # so slow is this client
        assert client.read(left) == b"x" * left


def test_slow_reader_with_progress_is_not_dropped(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8000000")]})
    for _ in range(80):
        await send({"type": "http.response.body", "body": b"x" * 100000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
""")
    server = serve(None, "--write-timeout", "2", workers=1)
    with server.connect(receive_buffer=65536) as client:
        client.request()
        head = client.head()
        assert head.status == 200
        left = 8_000_000
        while left:
            size = min(left, 800_000)
            assert client.read(size) == b"x" * size
            left -= size
            client.quiet(0.3) if left else None


@pytest.mark.parametrize("seconds", [1])
def test_idle_keep_alive_connection_is_closed(serve, seconds):
    server = serve("hello.py", "--keep-alive", seconds, workers=1)
    with server.connect() as client:
        assert client.get().status == 200
        started = time.monotonic()
        assert client.ending() == "closed"
        assert seconds * 0.5 < time.monotonic() - started < seconds + 3


def test_keep_alive_zero_closes_after_each_response(serve):
    server = serve("hello.py", "--keep-alive", "0", workers=1)
    with server.connect() as client:
        assert client.get().closes
        assert client.ending() == "closed"


def test_five_hundred_idle_connections_do_not_stop_others(serve):
    server = serve("hello.py", workers=2)
    idle = [server.connect() for _ in range(500)]
    assert all(server.get().status == 200 for _ in range(20))
    for client in idle:
        client.close()
