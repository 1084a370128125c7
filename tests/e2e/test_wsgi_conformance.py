"""PEP 3333, number by number: threads, imports, and the standard library's validator."""

import json

import pytest

from harness.waiting import stays
from harness.wsgi_probe import another, probe  # fixtures


def test_wsgi_047_write_to_a_client_that_has_left_is_an_oserror(probe):
    mark = probe.log.mark()
    client = probe.connect()
    client.request(target="/closing-write-gone")
    client.head()
    client.reset()
    probe.log.wait("write raised ClientDisconnected, an OSError", after=mark)
    stays(lambda: not probe.log.find("Traceback", after=mark), "no error is logged", 0.1)


@pytest.mark.parametrize("threads", [1, 3])
def test_wsgi_049_never_more_apps_than_threads(another, threads):
    server = another("--threads", threads)
    clients = [server.connect() for _ in range(6)]
    for client in clients:
        client.request(target="/concurrent")
    found = [json.loads(client.response().body) for client in clients]
    assert max(one["most"] for one in found) == threads
    assert {one["multithread"] for one in found} == {threads > 1}
    assert len({one["thread"] for one in found}) == threads
    assert {one["thread"] for one in found} <= {"MainThread", "rgun-app-2", "rgun-app-3"}


def test_wsgi_050_the_app_is_imported_once(another):
    server = another("--threads", 4)
    seen = [server.json("/thread") for _ in range(5)]
    assert len(seen) == 5


def test_wsgiref_validate_has_nothing_to_say(another):
    server = another(spec="app:strict")
    for path in ("/environ", "/generator", "/list-of-three", "/read?all", "/write", "/%C3%A9?a=b", "/not-modified"):
        with server.connect() as client:
            response = client.get(path) if "read" not in path else client.post("/ignore", b"abc")
        assert response.status in (200, 202, 304), (path, response.status)
    with server.connect() as client:
        client.request("HEAD", "/ignore")
        assert client.response("HEAD").status == 200
    assert not server.log.find("AssertionError|Warning")


def test_asyncio_run_works_inside_a_view(probe):
    assert probe.get("/loop").text == "ran"


def test_requests_leave_nothing_behind(probe):
    def grown():
        with probe.connect() as client:
            for _ in range(20):
                client.get("/environ")
            before = json.loads(client.get("/objects").body)
            for _ in range(300):
                client.get("/environ")
                client.post("/read?all", b"abc")
            return json.loads(client.get("/objects").body) - before

    assert grown() < 50
