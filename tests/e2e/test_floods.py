"""Clients that send without end do not hold up the others, whatever they send.

Measured in CPU of the worker for each answer that another client gets, so that a machine with much else to do changes nothing.
"""

import statistics
import time
import zlib

import pytest

from harness.flood import cpu, flood
from harness.websocket import BINARY, PING, PONG, TEXT, frame, handshake

pytestmark = [pytest.mark.both_loops, pytest.mark.wheel]

# Reads every body and keeps nothing of it.
ASGI = """
import os
LARGE = os.urandom(4_000_000) + bytes(12_000_000)

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while scope["path"] == "/large":
            await send({"type": "websocket.send", "bytes": LARGE})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    assert scope["type"] == "http"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
WSGI = """
def app(environ, start_response):
    while environ["wsgi.input"].read(65536):
        pass
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]
"""
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
HTTP = {
    "pipelined requests": {"again": GET},
    "chunks of one byte": {"first": CHUNKED, "again": b"1\r\nx\r\n"},
    "a body": {"first": CHUNKED, "again": b"10000\r\n" + b"x" * 65536 + b"\r\n"},
    "after a refusal": {"first": b"NONSENSE\r\n\r\n", "again": b"x" * 4096},
}
WEBSOCKET = {
    "pings": {"first": handshake(), "again": frame(PING)},
    "pongs": {"first": handshake(), "again": frame(PONG)},
    "messages": {"first": handshake(), "again": frame(TEXT, b"x")},
}
OFFER = [("Sec-WebSocket-Extensions", "permessage-deflate")]
DEFLATE = handshake(headers=OFFER)
# Blocks of 90 bits, each with Huffman codes of its own and nothing else; eight of them end with a byte.
BLOCK = "001" "00000" "00000" "0111" + "000" "000" "100" + "000" * 14 + "100" "11111111" "11101011" "000"
BLOCKS = int((BLOCK * 8)[::-1], 2).to_bytes(90, "little")
COMPRESSED = {
    "large messages of zeros": zlib.compress(bytes(16_000_000), 9, -15),
    "messages of Huffman codes": BLOCKS * 10_000,
    "messages of Huffman codes behind a final block": b"\3\0" + BLOCKS * 10_000,
}
WEBSOCKET |= {
    name: {"first": DEFLATE, "again": frame(BINARY, message, rsv=4)} for name, message in COMPRESSED.items()
}
WEBSOCKET["large messages of the app"] = {"first": handshake("/large", headers=OFFER), "again": frame(PONG)}
# Enough for a median, and an end where each of them takes seconds.
ANSWERS, LONGEST = 25, 20.0


def costs_of_answers(server, pid):
    """CPU that the worker uses until another client has its answer, in seconds, for each of some answers."""
    costs = []
    deadline = time.monotonic() + LONGEST
    with server.connect(timeout=60) as client:
        while len(costs) < ANSWERS and time.monotonic() < deadline:
            before = cpu(pid)
            assert client.get("/").status == 200
            costs.append(cpu(pid) - before)
    return costs


def others_are_served(server, words):
    (pid,) = server.ready_pids()
    with flood(server, **words):
        assert statistics.median(costs_of_answers(server, pid)) < 0.05


@pytest.mark.parametrize("kind", [*HTTP, *WEBSOCKET])
def test_asgi(serve, app, kind):
    app.write(ASGI)
    others_are_served(serve(), {**HTTP, **WEBSOCKET}[kind])


@pytest.mark.parametrize("kind", ["pipelined requests", "pings", "messages", "large messages of zeros", "large messages of the app"])
def test_many_at_once(serve, app, kind):
    app.write(ASGI)
    server = serve()
    (pid,) = server.ready_pids()
    with flood(server, **{**HTTP, **WEBSOCKET}[kind], clients=150):
        # Nine of ten: the first ones find clients that have just come.
        assert statistics.quantiles(costs_of_answers(server, pid), n=10)[-1] < 0.05


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("kind", HTTP)
def test_wsgi(serve, app, kind, threads):
    app.write(WSGI)
    # A bound for what an endless upload leaves on the disk.
    others_are_served(serve(None, "--threads", threads, "--limit-request-body", 1 << 30), HTTP[kind])
