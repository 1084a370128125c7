"""Streams do not pile up in the worker, whichever side is slow."""

import threading

import pytest

from harness import processes
from harness.waiting import eventually, settled

pytestmark = [pytest.mark.both_loops]

BOUND = 32 << 20


def test_two_hundred_megabytes_to_a_reader_that_stalls(serve, app):
    app.write("""
SENT = 0
async def app(scope, receive, send):
    global SENT
    assert scope["type"] == "http"
    if scope["path"] == "/sent":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return await send({"type": "http.response.body", "body": str(SENT).encode()})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % (200 << 20))]})
    for _ in range(200 * 16):
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        SENT += 65536
    await send({"type": "http.response.body", "body": b""})
""")
    server = serve(workers=1)
    worker = server.wait_ready()[0]
    server.get("/sent")
    before = processes.resident(worker)
    with server.connect(receive_buffer=65536, timeout=30) as client:
        client.request()
        client.head()
        sent = settled(lambda: int(server.get("/sent").body))
        assert sent < BOUND, "send() did not wait for the reader"
        assert processes.resident(worker) - before < BOUND
        left = 200 << 20
        while left:
            left -= len(client.read(min(left, 1 << 20)))
    assert processes.resident(worker) - before < BOUND


def test_a_hundred_megabytes_to_an_app_that_reads_slowly(serve, app):
    app.write("""
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    size, more = 0, True
    while more:
        event = await receive()
        size += len(event["body"])
        more = event["more_body"]
        while size > 1 << 20 and not os.path.exists("open"):
            await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})
""")
    server = serve(workers=1)
    worker = server.wait_ready()[0]
    before = processes.resident(worker)
    sent = 0
    with server.connect(timeout=60) as client:
        client.request("POST", "/", [("Content-Length", str(100 << 20))])

        def upload():
            nonlocal sent
            block = b"x" * 65536
            while sent < 100 << 20:
                client.send(block)
                sent += len(block)

        thread = threading.Thread(target=upload, daemon=True)
        thread.start()
        assert settled(lambda: sent) < BOUND, "the server took more than the app did"
        assert processes.resident(worker) - before < BOUND
        (app.path / "open").touch()
        assert client.response().body == str(100 << 20).encode()
        thread.join(10)
    assert processes.resident(worker) - before < BOUND


def test_a_flood_of_tiny_chunks_is_no_more_than_its_bytes(serve, app):
    """Neither in memory while the app does not read, nor in messages when it does."""
    app.write("""
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    while not os.path.exists("open"):
        await asyncio.sleep(0.01)
    size, events, more = 0, 0, True
    while more:
        event = await receive()
        size, events, more = size + len(event["body"]), events + 1, event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d %d" % (size, events)})
""")
    server = serve(workers=1)
    worker = server.wait_ready()[0]
    before = processes.resident(worker)
    clients = [server.connect(timeout=30) for _ in range(30)]
    chunks = b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n"
    for client in clients:
        client.request("POST", "/", [("Transfer-Encoding", "chunked")])
        client.send(chunks)
    grown = settled(lambda: processes.resident(worker)) - before
    assert grown < len(clients) * (512 << 10), f"{grown / len(clients) / 1024:.0f} KiB for each"
    (app.path / "open").touch()
    for client in clients:
        size, events = map(int, client.response().body.split())
        assert size == 50_000 and events < 1000
        client.close()


def test_requests_leave_nothing_behind(serve):
    """No growth over thousands of requests of every kind."""
    server = serve("probe.py", workers=1)
    worker = server.wait_ready()[0]

    def rounds(count):
        with server.connect() as client:
            for _ in range(count):
                client.get("/one-message")
                client.get("/two-messages")
                client.post("/echo", b"x" * 1000)
                client.get("/header-order")

    rounds(500)
    before = processes.resident(worker)
    rounds(2000)
    eventually(lambda: processes.resident(worker) - before < 4 << 20, "memory after 8,000 requests is what it was after 2,000")
