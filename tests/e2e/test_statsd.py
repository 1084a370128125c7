"""statsd: gunicorn's metrics by gunicorn's names, for every interface, without an access log."""

import re
import socket
import subprocess
import sys
import time

import pytest
from harness.client import Client
from harness.waiting import eventually


class Statsd:
    """Metrics as they come, one by one."""

    def __init__(self, family=socket.AF_INET, address=("127.0.0.1", 0)):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(20)
        self.got = []

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def wait(self, pattern, count=1):
        regex = re.compile(pattern)
        while sum(bool(regex.search(metric)) for metric in self.got) < count:
            self.got += self.socket.recv(65536).decode().split("\n")
        return [metric for metric in self.got if regex.search(metric)]

    def close(self):
        self.socket.close()


@pytest.fixture
def statsd():
    server = Statsd()
    yield server
    server.close()


def test_requests_and_workers(serve, statsd):
    server = serve("hello.py", "--statsd-host", f"127.0.0.1:{statsd.port}", workers=2)
    with server.connect() as client:
        for _ in range(3):
            client.get("/")
    assert statsd.wait(r"^gunicorn\.requests:1\|c\|@1\.0$", 3)
    assert statsd.wait(r"^gunicorn\.request\.duration:\d+\.\d+\|ms$", 3)
    assert statsd.wait(r"^gunicorn\.request\.status\.200:1\|c\|@1\.0$", 3)
    # Each second, since datagrams are lost and statsd forgets.
    assert statsd.wait(r"^gunicorn\.workers:2\|g$", 3)
    server.terminate()
    server.wait_exit()
    assert statsd.wait(r"^gunicorn\.workers:0\|g$")


def test_the_backlog(serve, statsd):
    serve("hello.py", "--statsd-host", f"127.0.0.1:{statsd.port}", "--enable-backlog-metric")
    statsd.wait(r"^gunicorn\.backlog:0\|h$")


WAITS = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    while not os.path.exists("open"):
        await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
"""


def test_the_load(launch, app, statsd):
    app.write(WAITS)
    server = launch("app:app", "--statsd-host", f"127.0.0.1:{statsd.port}", "--dogstatsd-tags", "env:prod")
    server.wait_ready()
    tags = r"\|#env:prod$"
    assert statsd.wait(rf"^gunicorn\.in_flight:0\|g{tags}")
    with server.connect() as client:
        client.request("GET", "/", headers=[("X-Request-Start", f"t={time.time() - 2:.3f}")])
        statsd.wait(rf"^gunicorn\.in_flight:1\|g{tags}")
        statsd.wait(rf"^gunicorn\.queue:\d{{4,}}\|g{tags}")
        (app.path / "open").touch()
        assert client.response().status == 200
    statsd.wait(rf"^gunicorn\.busy_ratio:[01]\.\d{{3}}\|g{tags}")
    statsd.wait(rf"^gunicorn\.backlog:\d+\|g{tags}")


def test_prefix_and_tags(serve, statsd):
    server = serve("hello.py", "--statsd-host", f"127.0.0.1:{statsd.port}", "--statsd-prefix", "shop", "--dogstatsd-tags", "env:prod,team:web")
    server.get("/")
    statsd.wait(r"^shop\.gunicorn\.requests:1\|c\|@1\.0\|#env:prod,team:web$")
    assert all(metric.startswith("shop.") and metric.endswith("|#env:prod,team:web") for metric in statsd.got)


RAISES = '''
async def app(scope, receive, send):
    if scope["type"] == "http":
        raise ValueError("on purpose")
'''


def test_failures(serve, app, launch, statsd):
    app.write(RAISES)
    server = launch("app:app", "--statsd-host", f"127.0.0.1:{statsd.port}")
    assert server.get("/").status == 500
    statsd.wait(r"^gunicorn\.log\.exception:1\|c\|@1\.0$")
    statsd.wait(r"^gunicorn\.request\.status\.500:1\|c\|@1\.0$")


def test_a_unix_socket_that_comes_later(serve, app):
    server = serve("hello.py", "--statsd-host", f"unix://{app.path}/statsd.sock")
    assert server.get("/").status == 200
    statsd = Statsd(socket.AF_UNIX, str(app.path / "statsd.sock"))
    try:
        server.get("/")
        statsd.wait(r"^gunicorn\.requests:1\|c\|@1\.0$")
    finally:
        statsd.close()


WSGI = '''
def app(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "2")])
    return [b"ok"]
'''


def listens(path):
    """It binds before it listens."""
    try:
        Client.unix(str(path), timeout=10).close()
    except OSError:
        return False
    return True


def test_a_request_is_what_gunicorn_counts(launch, app):
    pytest.importorskip("gunicorn")
    app.path.joinpath("app.py").write_text(WSGI)
    sent = []
    for program in ("rgun", "gunicorn"):
        statsd = Statsd()
        options = ["--statsd-host", f"127.0.0.1:{statsd.port}", "--statsd-prefix", "p.", "--dogstatsd-tags", "a:b"]
        process = None
        if program == "rgun":
            launch("app:app", "-k", "sync", *options, bind="unix:rgun.sock").log.wait("worker ready")
        else:
            command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "app:app", "-b", "unix:gunicorn.sock", *options]
            process = subprocess.Popen(command, cwd=app.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(lambda: listens(app.path / f"{program}.sock"), "it listens", timeout=20)
            with Client.unix(str(app.path / f"{program}.sock"), timeout=10) as client:
                client.get("/")
            statsd.wait(r"request\.status")
            statsd.wait(r"workers")
            sent.append({re.sub(r":\d+\.\d+\|ms", ":N|ms", metric) for metric in statsd.got})
        finally:
            if process:
                process.terminate()
                process.wait(20)
            statsd.close()
    assert sent[0] == sent[1]
