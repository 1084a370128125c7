"""`-w MIN..MAX`: workers are added while the load asks for them, and removed when it has gone."""

import threading

import pytest

from harness.ctl import Ctl
from harness.log import fields
from harness.waiting import eventually

ASGI = """
import asyncio, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await receive()
    if scope["path"] == "/sleep":
        # The loop is blocked: as bad as computing.
        time.sleep(0.05)
    elif scope["path"] == "/wait":
        await asyncio.sleep(0.05)
    elif scope["path"] == "/compute":
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""

WSGI = """
import time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ("/sleep", "/wait"):
        time.sleep(0.05)
    elif path == "/compute":
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

DECISION = r"number of workers follows the load.*"


class Load:
    """Clients that ask again and again, each request over a connection of its own."""

    def __init__(self, server, path, clients):
        self.server, self.path = server, path
        self.over = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.ask) for _ in range(clients)]

    def ask(self):
        while not self.over.is_set():
            try:
                assert self.server.get(self.path, timeout=30).status == 200
            except Exception as error:
                self.failures.append(error)
                return

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures


def decisions(server):
    found = [fields(line) for line in server.log.find(DECISION)]
    return [(int(entry["from"]), int(entry["to"])) for entry in found]


@pytest.fixture(params=["asgi", "wsgi"])
def interface(request, app):
    app.write(ASGI if request.param == "asgi" else WSGI)
    return request.param


@pytest.mark.parametrize("path", ["/sleep", "/compute"])
def test_workers_follow_the_load(interface, serve, path):
    server = serve(None, "-w", "1..3", "--scale-idle", "2")
    server.log.wait("all workers ready")
    with Load(server, path, 6):
        eventually(lambda: decisions(server), "a decision")
        eventually(lambda: decisions(server)[-1][1] == 3, "three workers are wanted")
    up = decisions(server)
    assert up in ([(1, 2), (2, 3)], [(1, 3)])
    server.log.wait(r"number of workers follows the load.*to=1\b")
    assert decisions(server) == [*up, (3, 2), (2, 1)]
    eventually(lambda: len(server.children()) == 1, "one worker is left")
    line = fields(server.log.find(DECISION)[0])
    assert {"reason", "wait_p95_ms", "busy", "waiting", "in_flight"} <= line.keys()


def test_requests_that_only_wait_need_no_worker(app, serve):
    app.write(ASGI)
    # However long this machine may take to accept.
    server = serve(None, "-w", "1..3", "--scale-wait", "2s")
    server.log.wait("all workers ready")
    with Load(server, "/wait", 4):
        for _ in range(60):
            assert server.get("/wait").status == 200
    assert decisions(server) == []


def test_an_operator_sees_it_and_moves_the_range(interface, serve, program, app):
    path = app.path / "ctl"
    server = serve(None, "-w", "1..2", "--control-socket", path, "--admin-bind", "127.0.0.1:0")
    server.log.wait("all workers ready")
    control = Ctl(program, path)
    assert control.status()["scaling"] == {"least": 1, "most": 2}
    with Load(server, "/sleep", 4):
        change = eventually(lambda: control.status()["scaling"].get("last"), "the status shows the change")
    assert (change["from"], change["to"]) == (1, 2)
    assert "workers by load: 1..2, 1 to 2" in control("status")
    assert "3..4 by load (now 3)" in control("scale", "3..4")
    control("wait-ready")
    assert control.status()["workers_wanted"] == 3
    assert "at most" in control("scale", "1..5000", code=1)
    assert "down to" in control("scale", "4..2", code=1)
    control("scale", "2")
    assert "scaling" not in control.status()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("8..2", "is a range from 8 down to 2"),
        ("0..3", "has a range whose least number is less than 1"),
        ("..", "is a range without either end"),
        ("2..", "is a range without its greatest number"),
        ("2..5000", "has a range whose greatest number is more than 1024"),
    ],
)
def test_a_wrong_range_is_explained(app, launch, text, problem):
    app.copy("hello.py")
    server = launch("app:app", "-w", text)
    assert server.wait_exit() in (1, 2)
    assert f"--workers: `{text}` {problem}" in server.log.wait_end()


@pytest.mark.parametrize("name", ["rgun.toml", "gunicorn.conf.py"])
def test_a_file_names_a_range(app, launch, name):
    app.write(WSGI)
    (app.path / name).write_text('workers = "2..3"\n')
    server = launch("app:app")
    server.wait_ready(2)
    server.log.wait("all workers ready.*workers=2")
