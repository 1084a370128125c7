"""Servers of `apps/wsgi_probe.py`, and the fixtures that start them."""

import json
import shutil
from pathlib import Path

import pytest

from harness.server import Server

APPS = Path(__file__).parent.parent / "apps"


class Probe(Server):
    """One server with `apps/wsgi_probe.py`."""

    def json(self, path, **options):
        response = self.get(path, **options)
        assert response.status == 200, (response.status, response.body)
        return json.loads(response.body)

    def environ(self, path="/environ", **options):
        return self.json(path, **options)["values"]

    def allow(self, name):
        (Path(self.directory) / name).touch()

    def forbid(self, *names):
        for name in names:
            (Path(self.directory) / name).unlink(missing_ok=True)

    def closed(self, name):
        return [entry for entry in self.json("/closed") if entry[0] == name]


def start(program, directory, *options, spec="app:app", **keywords):
    shutil.copy(APPS / "wsgi_probe.py", directory / "app.py")
    return Probe(program, directory, spec, *map(str, options), **keywords)


@pytest.fixture(scope="module")
def probe(program, tmp_path_factory):
    with start(program, tmp_path_factory.mktemp("wsgi"), "-w", "1") as server:
        server.wait_ready()
        yield server


@pytest.fixture
def another(program, tmp_path, request):
    """A server with options of its own, for one test."""
    servers = []
    request.node.servers = servers

    def launch(*options, workers=1, **keywords):
        server = start(program, tmp_path, "-w", str(workers), *options, **keywords)
        servers.append(server)
        server.wait_ready(workers)
        return server

    yield launch
    for server in servers:
        server.end()
