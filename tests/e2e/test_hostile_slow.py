"""Hundreds of clients that are slow or silent on purpose: ordinary ones hardly notice, and each timeout closes what it should."""

import threading
import time

import pytest

from harness import processes
from harness.crowd import Crowd, assert_others_hardly_notice, connections
from harness.waiting import eventually

APP = """
SIZE = 5_000_000
async def app(scope, receive, send):
    assert scope["type"] == "http"
    more = scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message["more_body"]
    size = SIZE if scope["path"] == "/large" else 2
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    while size:
        piece = min(size, 65536)
        size -= piece
        try:
            await send({"type": "http.response.body", "body": b"x" * piece, "more_body": size > 0})
        except OSError:
            return

def application(environ, start_response):
    environ["wsgi.input"].read()
    # What a connection keeps for a slow reader, so that the thread is free.
    size = 900_000 if environ["PATH_INFO"] == "/large" else 2
    start_response("200 OK", [("Content-Length", str(size))])
    return [b"x" * size]
"""

BOTH = pytest.mark.parametrize("spec", ["app:app", "app:application"], ids=["asgi", "wsgi"])


@pytest.fixture
def servers(serve, app):
    """Two alike: one for the crowd, and one to compare with."""
    app.write(APP)
    return lambda *options, spec: [serve(None, *options, spec=spec) for _ in range(2)]


class Trickle:
    """Sends a few bytes to each of a crowd again and again."""

    def __init__(self, crowd, data, pause):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(crowd, data, pause), daemon=True)
        self._thread.start()

    def _run(self, crowd, data, pause):
        while not self._stop.wait(pause):
            crowd.send(data)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self._stop.set()
        self._thread.join(10)


@BOTH
def test_half_open_heads(servers, spec):
    server, quiet = servers("--header-timeout", "6", spec=spec)
    (pid,) = server.ready_pids()
    with Crowd(server, 500, b"GET / HTTP/1.1\r\nHost: a\r\n") as crowd:
        with Trickle(crowd, b"X-A: b\r\n", 1.0):
            assert_others_hardly_notice(server, quiet)
            found = crowd.responses(12)
        assert all(answer and answer.startswith(b"HTTP/1.1 408 ") for answer in found), found[:3]
    eventually(lambda: connections(pid) < 20, "the worker holds none of them")
    server.log.wait(r"request refused.*status=408")
    assert len(server.log.find(r"request refused")) <= 5, "a flood of clients is no flood of lines"


@BOTH
def test_bodies_that_stand_still(servers, spec):
    server, quiet = servers("--body-timeout", "4", spec=spec)
    (pid,) = server.ready_pids()
    with Crowd(server, 300, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxxxx") as crowd:
        assert_others_hardly_notice(server, quiet)
        found = crowd.responses(12)
        assert all(answer and answer.startswith(b"HTTP/1.1 408 ") for answer in found), found[:3]
    eventually(lambda: connections(pid) < 20, "the worker holds none of them")


@BOTH
def test_readers_that_do_not_read(servers, spec):
    server, quiet = servers("--write-timeout", "5", "--keep-alive", "5", spec=spec)
    (pid,) = server.ready_pids()
    resident = processes.resident(pid)
    with Crowd(server, 100, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", receive_buffer=4096) as crowd:
        assert_others_hardly_notice(server, quiet)
        grown, most = processes.resident(pid) - resident, 300_000 if spec == "app:app" else 1_200_000
        assert grown < 100 * most, f"{grown >> 20} MB for 100 readers: each is to hold a bounded buffer"
        eventually(lambda: connections(pid) < 20, "they are given up", timeout=20)
    # The kernel may take all of the smaller answer; the connection then is an idle one.
    if spec == "app:app":
        server.log.wait(r"connection timed out.*reason=\"client does not read")
    assert server.ready_pids() == [pid]


@BOTH
def test_two_thousand_idle_connections(servers, spec):
    server, quiet = servers("--keep-alive", "8", spec=spec)
    (pid,) = server.ready_pids()
    private = processes.private(pid)
    with Crowd(server, 2000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as crowd:
        assert_others_hardly_notice(server, quiet)
        assert connections(pid) > 2000
        grown = processes.private(pid) - private
        assert grown < 2000 * 8_000, f"{grown / 2000:.0f} bytes for each idle connection"
        found = crowd.responses(20)
        assert all(answer and answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"\r\n\r\nxx") for answer in found)
    eventually(lambda: connections(pid) < 20, "the worker holds none of them")


@BOTH
def test_connections_that_send_nothing(servers, spec):
    server, quiet = servers("--first-byte-timeout", "4", spec=spec)
    (pid,) = server.ready_pids()
    started = time.monotonic()
    with Crowd(server, 500) as crowd:
        assert_others_hardly_notice(server, quiet)
        assert crowd.responses(12) == [b""] * 500
        assert time.monotonic() - started > 3
    eventually(lambda: connections(pid) < 20, "the worker holds none of them")
    assert not server.log.find("refused"), "nothing was asked, nothing is refused"
