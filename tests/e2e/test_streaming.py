"""Bytes are on the wire when `send()` returns, whatever the app does next."""

import time

import pytest

pytestmark = [pytest.mark.both_loops]

BLOCKS = """
import time
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    sent = time.monotonic()
    print("sent", flush=True)
    time.sleep(1)
    await send({"type": "http.response.body", "body": b"second"})
"""


@pytest.mark.both_artifacts
def test_a_chunk_is_out_before_the_app_blocks(serve, app):
    app.write(BLOCKS)
    server = serve(workers=1)
    with server.connect() as client:
        client.request()
        assert client.head().status == 200
        assert client.chunk() == b"first"
        arrived = time.monotonic()
        assert client.chunk() == b"second"
        # The app sleeps a second after the first chunk; had it left only then, both would have come together.
        assert time.monotonic() - arrived > 0.95
        assert client.chunk() == b""


def test_the_chunk_is_there_within_fifty_milliseconds(serve, app):
    app.write(BLOCKS)
    server = serve(workers=1)
    delays = []
    for _ in range(3):
        with server.connect() as client:
            mark = server.log.mark()
            client.request()
            client.head()
            client.chunk()
            arrived = time.monotonic()
            server.log.wait("sent", after=mark)
            sent = server.log.times[next(n for n in range(mark, server.log.mark()) if "sent" in server.log.lines[n])]
            delays.append(arrived - sent)
            client.chunk()
    # The best of three: the machine may be busy, the server may not be late by design.
    assert min(delays) < 0.05, delays


def test_each_chunk_arrives_by_itself(serve, app):
    """The app waits for the client's word between two chunks: a server that collects them never gets to the second."""
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send({"type": "http.response.body", "body": b"<" + event["body"] + b">", "more_body": more})
""")
    server = serve(workers=1)
    with server.connect() as client:
        client.request("POST", "/", [("Transfer-Encoding", "chunked")])
        client.send(b"3\r\none\r\n")
        assert client.head().status == 200 and client.chunk() == b"<one>"
        client.send(b"3\r\ntwo\r\n")
        assert client.chunk() == b"<two>"
        client.send(b"0\r\n\r\n")
        assert client.chunk() == b"<>"
        assert client.chunk() == b""


def test_server_sent_events_for_many_clients(serve, app):
    app.write("""
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    for number in range(5):
        await send({"type": "http.response.body", "body": b"data: %d\\n\\n" % number, "more_body": True})
        await asyncio.sleep(0.02)
    await send({"type": "http.response.body", "body": b""})
""")
    server = serve(workers=1)
    clients = [server.connect() for _ in range(30)]
    for client in clients:
        client.request()
    for client in clients:
        response = client.response()
        assert response.chunks == [b"data: %d\n\n" % number for number in range(5)]
        client.close()


@pytest.mark.parametrize("size", [1, 16 * 1024, 64 * 1024, 65 * 1024, 5_000_000])
def test_sizes_arrive_whole(serve, app, size):
    app.write(f"""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    data = (bytes(range(256)) * {size // 256 + 1})[:{size}]
    await send({{"type": "http.response.body", "body": data, "more_body": True}})
    await send({{"type": "http.response.body", "body": data}})
""")
    server = serve(workers=1)
    expected = (bytes(range(256)) * (size // 256 + 1))[:size] * 2
    assert server.get(timeout=20).body == expected


def test_an_empty_chunk_in_between_ends_nothing(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in (b"", b"a", b"", b"b"):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
""")
    server = serve(workers=1)
    response = server.get()
    assert response.body == b"ab" and response.chunks == [b"a", b"b"]


def test_a_connection_after_a_streamed_response_is_accepted_at_once(serve, app):
    """Output that is held for a moment is watched by the thread that accepts, which must not take an idle loop for a blocked one."""
    app.write("""
import asyncio

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/whole":
        return await send({"type": "http.response.body", "body": b"whole"})
    pieces = [{"type": "http.response.body", "body": b"piece", "more_body": True}] * 5
    await asyncio.gather(*map(send, pieces))
    await send({"type": "http.response.body", "body": b""})
""")
    server = serve(workers=1)
    delays = []
    for pause in (0.2, 0.4, 0.5, 0.6):
        # Longer than the interval of the checks whether the worker is blocked.
        time.sleep(1)
        with server.connect() as client:
            assert client.get("/").body == b"piece" * 5
        time.sleep(pause)
        began = time.monotonic()
        with server.connect() as client:
            assert client.get("/whole").body == b"whole"
        delays.append(time.monotonic() - began)
    # All but one: the machine may be busy, the server may not be late by design.
    assert sorted(delays)[-2] < 0.1, delays
