"""A server with probes and metrics, started and asked by a story."""

import pytest

from harness.client import Client

APP = """
import asyncio, os, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    if scope["path"] == "/block":
        while not os.path.exists("open"):
            time.sleep(0.005)
    if scope["path"] == "/wait":
        while not os.path.exists("open"):
            await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 404 if scope["path"] == "/missing" else 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


class Admin:
    """Queries the monitor, over a new connection for each request."""

    def __init__(self, server):
        line = server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)")
        self.port = int(line.group(1))

    def get(self, path, method="GET", headers=()):
        with Client.tcp("127.0.0.1", self.port) as client:
            client.request(method, path, headers=[("connection", "close"), *headers])
            return client.response(method)

    def status(self, path):
        return self.get(path).status

    def metrics(self):
        """`name{labels}` -> number."""
        response = self.get("/-/metrics")
        assert response.status == 200 and response.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
        return dict(
            (name, float(value)) for name, _, value in (line.rpartition(" ") for line in response.text.splitlines() if not line.startswith("#"))
        )

    def total(self, name, **labels):
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [value for key, value in self.metrics().items() if key.partition("{")[0] == name and all(label in key for label in wanted)]
        return sum(found)


@pytest.fixture
def watched(launch, app):
    def start(workers=1, *options, text=APP):
        app.write(text)
        server = launch("app:app", "-w", workers, "--admin-bind", "127.0.0.1:0", *options)
        return server, Admin(server)

    return start
