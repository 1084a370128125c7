"""A server with a control socket, started and asked by a story."""

import json
import subprocess

import pytest

# Requests for /slow wait until the file `open` is there.
BLOCKS = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    while scope["path"].startswith("/slow") and not os.path.exists("open"):
        await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""


@pytest.fixture
def control(launch, app, program, tmp_path):
    """Start a server with a control socket and get `ctl(*words)` for it."""

    class Control:
        path = tmp_path / "ctl.sock"

        def start(self, workers=1, *options, text=None):
            if text is None:
                app.copy("hello.py")
            else:
                app.write(text)
            self.server = launch("app:app", "-w", workers, "--control-socket", self.path, *options)
            self.server.wait_ready(workers)
            return self.server

        def command(self, *words):
            return [*program, "ctl", "--socket", str(self.path), *map(str, words)]

        def __call__(self, *words, code=0):
            done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=30)
            assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
            return done

        def status(self):
            return json.loads(self("status", "--json").stdout)

    return Control()


def in_flight(control):
    return sum(worker["in_flight"] for worker in control.status()["workers"])
