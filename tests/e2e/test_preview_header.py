"""`--preview-header`: requests with it are served by the version that is held, at the public addresses; all others meet the one that serves."""

import os
import signal

import pytest
from harness.ctl import Ctl
from harness.load import Load
from harness.tls import Authority, TlsClient
from harness.waiting import eventually

ASKS = [("X-Preview", "yes")]

VERSION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    length, more = 0, True
    while more:
        event = await receive()
        length, more = length + len(event["body"]), event["more_body"]
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": f"{name} {{scope['path']}} {{length}}".encode()}})
"""


def named(name):
    return VERSION.format(name=name)


@pytest.fixture
def held(launch, app, program, tmp_path):
    """`server, ctl = held("stage")`: version "old" serves, and "new" is held."""

    def start(*verb, options=(), workers=2, **keywords):
        path = tmp_path / "ctl.sock"
        app.write(named("old"))
        server = launch("app:app", "-w", workers, "--control-socket", path, "--preview-header", "X-Preview:yes", *options, **keywords)
        server.wait_ready(workers)
        ctl = Ctl(program, path)
        app.write(named("new"))
        if verb:
            ctl(*verb)
        return server, ctl

    return start


@pytest.mark.both_loops
@pytest.mark.both_artifacts
def test_each_request_meets_the_version_that_it_asks_for(held):
    server, ctl = held("stage")
    for _ in range(10):
        assert server.get().text == "old / 0"
        with server.connect() as client:
            assert client.get("/a").text == "old /a 0"
            asked = client.get("/b", headers=ASKS)
            # A proxy's connection has the requests of others, too.
            assert asked.text == "new /b 0" and asked.closes
        with server.connect() as client:
            assert client.get(headers=[("x-preview", "no")]).text == "old / 0"
            assert client.get(headers=[("x-preview", "yes")]).text == "new / 0"
    ctl("promote")
    with server.connect() as client:
        asked = client.get(headers=ASKS)
        assert asked.text == "new / 0" and not asked.closes


def test_bodies_come_along(held):
    server, ctl = held("stage")
    for size in (1, 10_000, 300_000):
        with server.connect() as client:
            assert client.post("/", b"x" * size, headers=ASKS).text == f"new / {size}"
        with server.connect() as client:
            client.request("POST", headers=[*ASKS, ("transfer-encoding", "chunked")])
            client.send(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [b"x" * 1000] * (size // 1000)) + b"0\r\n\r\n")
            assert client.response().text == f"new / {size // 1000 * 1000}"
    with server.connect() as client:
        client.request("POST", headers=[*ASKS, ("content-length", "4"), ("expect", "100-continue")])
        assert client.read(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        assert client.response().text == "new / 4"


def test_only_clients_that_may_see_it(held):
    server, ctl = held("stage", options=("--preview-allow-ips", "10.1.0.0/16"))
    assert server.get(headers=ASKS).text == "old / 0"
    # The peer is a trusted proxy.
    for client, name in (("10.1.2.3", "new"), ("10.2.2.3", "old"), ("10.2.2.3, 10.1.2.3", "new"), ("10.1.2.3, 10.2.2.3", "old")):
        assert server.get(headers=[*ASKS, ("x-forwarded-for", client)]).text == f"{name} / 0"


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["workers", "mold"])
def test_nothing_is_lost_while_generations_come_and_go(app, held, preload):
    server, ctl = held(options=preload)
    previews = dict(clients=2, headers=ASKS)
    with Load(server, clients=2) as load, Load(server, **previews) as kept, Load(server, keep_alive=False, **previews) as fresh:
        for _ in range(3):
            load.flows(10)
            ctl("stage")
            before = kept.bodies()[b"new / 0"]
            eventually(lambda: kept.bodies()[b"new / 0"] > before + 10, "the new version is met")
            fresh.flows(10)
            ctl("discard")
            kept.flows(10)
        assert set(load.bodies()) == {b"old / 0"}
        ctl("stage")
        kept.flows(10)
        ctl("promote")
        for each in (load, kept, fresh):
            each.flows(20)
    for each in (load, kept, fresh):
        each.assert_nothing_failed()
    assert set(fresh.bodies()) == {b"old / 0", b"new / 0"}


def test_a_canary_is_met_by_every_request_that_asks(held):
    server, ctl = held("canary", "1", workers=4)
    for _ in range(20):
        assert server.get(headers=ASKS).text == "new / 0"
    with server.connect() as client:
        assert not client.get(headers=ASKS).closes
    ctl("rollback")
    assert server.get(headers=ASKS).text == "old / 0"


def test_a_canary_worker_that_died_is_replaced_by_one_that_is_met(held):
    server, ctl = held("canary", "1")
    (first,) = ctl.workers(2)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: ctl.workers(2) and ctl.workers(2) != [first], "another one is there")
    for _ in range(10):
        assert server.get(headers=ASKS).text == "new / 0"


def test_after_an_upgrade_it_works_on(app, held):
    server, ctl = held()
    ctl("upgrade", "--no-reload")
    ctl("stage")
    assert server.get(headers=ASKS).text == "new / 0" and server.get().text == "old / 0"


def test_connections_that_cannot_be_passed_on_are_served_where_they_are(held, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    server, ctl = held("stage", options=("--certfile", certificate, "--keyfile", key))
    with TlsClient.connect(server.port, authority.context()) as client:
        assert client.get(headers=ASKS).text == "old / 0"
    server.log.wait("its connection cannot be passed on")


def test_a_version_with_other_addresses_is_not_met_and_that_is_said(launch, app, program, tmp_path):
    app.write(named("old"))
    app.write('bind = ["127.0.0.1:0"]', "rgun.toml")
    server = launch("app:app", "--control-socket", tmp_path / "ctl", "--preview-header", "X-Preview:yes", bind=None)
    server.wait_ready(1)
    app.write(named("new"))
    app.write('bind = ["127.0.0.1:0", "unix:other.sock"]', "rgun.toml")
    Ctl(program, tmp_path / "ctl")("stage")
    server.log.wait("has other addresses")
    assert server.get(headers=ASKS).text == "old / 0"
