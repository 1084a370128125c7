"""Clients of HTTP/2 whose connection ends before their requests: every request ends with it, whatever it was doing."""

import random
import socket
import struct
import time

import pytest
from harness.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, Http2Client, RawHttp2, frame, request_block
from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops]

READER = """
import asyncio

running = 0


async def app(scope, receive, send):
    global running
    assert scope["type"] == "http"
    if scope["path"] == "/sleep":
        running += 1
        try:
            print("asleep", flush=True)
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("cancelled", flush=True)
            raise
        finally:
            running -= 1
    if scope["path"] == "/read":
        running += 1
        while (await receive())["type"] != "http.disconnect":
            pass
        running -= 1
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(running).encode()})


def application(environ, start_response):
    global running
    running += 1
    environ["wsgi.input"].read()
    running -= 1
    start_response("200 OK", [])
    return [str(running).encode()]
"""

both = pytest.mark.parametrize("spec", ["app:app", "app:application"])


@pytest.fixture
def reader(serve, app):
    app.write(READER)
    return lambda *options, **keywords: serve(None, "--http2", "prior-knowledge", *options, **keywords)


def leave(client, how):
    if how == "reset":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@both
def test_streams_with_many_frames_end_with_their_connection(reader, spec):
    server = reader("--limit-concurrency", "5", spec=spec)
    # A stream needs several turns for so many frames, and its connection ends at any moment of them.
    request = frame(HEADERS, END_HEADERS, 1, request_block(b"POST", b"/read")) + frame(DATA, stream=1, payload=b"0123456789") * 300
    for n in range(400):
        client = RawHttp2(server.port)
        client.socket.recv(4096)
        client.send(request)
        until = time.perf_counter() + random.uniform(0, 0.002)
        while time.perf_counter() < until:
            pass
        leave(client, ("close", "reset")[n % 2])

    def is_free():
        response = server.get("/")
        return (response.status, response.body) == (200, b"0")

    eventually(is_free, "all requests have ended")
    server.terminate()
    assert server.wait_exit() == 0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_the_timeout_of_a_request_counts_when_its_client_has_left(reader, how):
    server = reader("--request-timeout", "300ms")
    client = Http2Client.cleartext(server.port)
    client.begin("/sleep")
    server.log.wait("asleep")
    leave(client, how)
    server.log.wait("cancelled")
    server.log.wait(r"request cancelled: it took longer than --request-timeout.*GET /sleep")
    assert server.get("/").body == b"0"


@both
def test_a_worker_stops_although_clients_have_left(reader, spec):
    server = reader("--graceful-timeout", "60", spec=spec)
    with RawHttp2(server.port) as client:
        client.send(*[frame(HEADERS, END_HEADERS | END_STREAM, stream, request_block(b"GET", b"/read")) for stream in range(1, 100, 2)])
    server.terminate()
    assert server.wait_exit() == 0
