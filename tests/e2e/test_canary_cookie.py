"""`--canary-cookie`: during a canary each visitor meets one version, and no request is lost while canaries come and go."""

import threading
from collections import defaultdict

import pytest
from harness.ctl import Ctl
from harness.load import Load
from harness.tls import Authority, TlsClient
from harness.waiting import eventually

VERSION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    length, more = 0, True
    while more:
        event = await receive()
        length, more = length + len(event["body"]), event["more_body"]
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"set-cookie", b"session=of-the-app")]}})
    await send({{"type": "http.response.body", "body": f"{name} {{length}}".encode()}})
"""


def named(name):
    return VERSION.format(name=name)


@pytest.fixture
def sticky(launch, app, program, tmp_path):
    """`server, ctl = sticky()`: version "old" serves, and "new" is on the disk."""

    def start(*options, workers=4, **keywords):
        path = tmp_path / "ctl.sock"
        app.write(named("old"))
        server = launch("app:app", "-w", workers, "--control-socket", path, "--admin-bind", "127.0.0.1:0", "--canary-cookie", "version", *options, **keywords)
        server.wait_ready(workers)
        app.write(named("new"))
        return server, Ctl(program, path)

    return start


class Visitor:
    """A browser: it keeps cookies, and opens a connection for each request or uses one for all."""

    def __init__(self, server, connect=None, headers=()):
        self.cookies = {"session": "a", "theme": "b"}
        self.server, self.connect, self.headers = server, connect, list(headers)
        self.client = connect and connect()
        self.seen = []
        self.attributes = None

    def get(self, body=b""):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = [*self.headers, ("cookie", cookie)]
        client = self.client or self.server.connect()
        try:
            response = client.post("/", body, headers=headers) if body else client.get(headers=headers)
        finally:
            if client is not self.client:
                client.close()
        if self.client and response.closes:
            self.client.close()
            self.client = self.connect()
        assert response.status == 200
        for field in response.all("set-cookie"):
            pair, _, attributes = field.partition("; ")
            name, _, value = pair.partition("=")
            self.cookies[name] = value
            if name == "version":
                self.attributes = attributes
        name, length = response.text.split()
        assert int(length) == len(body)
        self.seen.append(name)
        return name


def each_meets_one(visitors, rounds=10):
    for visitor in visitors:
        visitor.seen.clear()
    for _ in range(rounds):
        for visitor in visitors:
            visitor.get()
    versions = [set(visitor.seen) for visitor in visitors]
    assert all(len(seen) == 1 for seen in versions), versions
    return {name for seen in versions for name in seen}


@pytest.mark.both_artifacts
def test_each_visitor_meets_one_version(sticky):
    server, ctl = sticky()
    before = Visitor(server)
    before.get()
    assert before.cookies.keys() == {"session", "theme"}
    ctl("canary", "50%")
    # 200 requests of 20 visitors, each on a connection of its own; then on those that are kept.
    fresh = [Visitor(server) for _ in range(20)]
    assert each_meets_one(fresh) == {"old", "new"}
    assert {visitor.attributes for visitor in fresh} == {"Path=/; HttpOnly; SameSite=Lax"}
    assert {visitor.cookies["session"] for visitor in fresh} == {"of-the-app"}
    kept = [Visitor(server, server.connect) for _ in range(20)]
    assert each_meets_one(kept) == {"old", "new"}
    # The cookie is set once.
    for visitor in [*fresh, *kept]:
        visitor.attributes = None
        visitor.get(b"x" * 20_000)
        assert visitor.attributes is None
    # More slots, and in the end all.
    ctl("canary", "75%")
    assert each_meets_one(fresh) == {"old", "new"}
    ctl("promote")
    assert each_meets_one(fresh) == {"new"}
    # The last response of an old worker closes its connection.
    for visitor in kept:
        visitor.get()
    assert each_meets_one(kept) == {"new"}


def test_a_cookie_of_a_version_that_is_gone_is_replaced(sticky, app):
    server, ctl = sticky()
    ctl("canary", "50%")
    visitors = [Visitor(server) for _ in range(10)]
    each_meets_one(visitors)
    ctl("rollback")
    assert each_meets_one(visitors) == {"old"}
    before = [visitor.cookies["version"] for visitor in visitors]
    app.write(named("newer"))
    ctl("canary", "50%")
    assert each_meets_one(visitors) <= {"old", "newer"}
    gone = [now for was, now in zip(before, (visitor.cookies["version"] for visitor in visitors)) if was != now]
    assert 0 < len(gone) < len(visitors), "those of the canary alone"


def test_a_canary_that_is_promoted_while_visitors_come(sticky):
    server, ctl = sticky()
    stop = threading.Event()
    seen = defaultdict(list)
    failures = []

    def visit(number):
        try:
            visitor = Visitor(server)
            while not stop.is_set():
                seen[number].append(visitor.get())
        except BaseException as failure:
            failures.append(failure)

    ctl("canary", "50%")
    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    try:
        for thread in threads:
            thread.start()
        eventually(lambda: all(len(seen[number]) > 10 for number in range(8)), "all have come")
        ctl("promote")
        count = {number: len(seen[number]) for number in range(8)}
        eventually(lambda: all(len(seen[number]) > count[number] + 10 for number in range(8)), "all have come again")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    for number in range(8):
        first = seen[number].index("new")
        # An old worker may have accepted one request at the moment of the switch, and serves it.
        assert seen[number][first:].count("old") <= 1 and seen[number][-1] == "new"


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["workers", "mold"])
def test_nothing_is_lost_while_canaries_come_and_go(sticky, preload):
    server, ctl = sticky(*preload)
    loads = []
    for _ in range(2):
        ctl("canary", "50%")
        visitors = [Visitor(server) for _ in range(8)]
        assert each_meets_one(visitors, 3) == {"old", "new"}
        # Each load has the cookie of one version.
        pairs = {visitor.seen[0]: [("cookie", f"version={visitor.cookies['version']}")] for visitor in visitors}
        for name, headers in pairs.items():
            loads += [Load(server, clients=2, headers=headers), Load(server, clients=1, keep_alive=False, headers=headers)]
            for load in loads[-2:]:
                load.__enter__()
                load.flows(20)
                assert set(load.bodies()) == {f"{name} 0".encode()}
        ctl("rollback")
        for load in loads:
            load.flows(10)
    ctl("canary", "50%")
    ctl("promote")
    for load in loads:
        load.flows(10)
        load.__exit__(None, None, None)
        load.assert_nothing_failed()


def test_secure_behind_a_proxy_that_says_https(sticky):
    server, ctl = sticky()
    ctl("canary", "50%")
    visitor = Visitor(server, headers=[("x-forwarded-proto", "https")])
    visitor.get()
    assert visitor.attributes == "Path=/; HttpOnly; SameSite=Lax; Secure"


def test_connections_with_tls_stay_and_that_is_said(sticky, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    server, ctl = sticky("--certfile", certificate, "--keyfile", key)
    ctl("canary", "50%")
    visitor = Visitor(server, lambda: TlsClient.connect(server.port, authority.context()))
    met = visitor.get()
    assert visitor.attributes == "Path=/; HttpOnly; SameSite=Lax; Secure"
    for _ in range(20):
        other = Visitor(server, lambda: TlsClient.connect(server.port, authority.context()))
        other.cookies |= visitor.cookies
        if other.get() != met:
            assert other.cookies["version"] == visitor.cookies["version"]
            break
    server.log.wait("its connection cannot be passed on")


def test_a_serving_version_without_it_is_not_passed_anything_and_that_is_said(launch, app, program, tmp_path):
    app.write(named("old"))
    app.write("workers = 2", "rgun.toml")
    server = launch("app:app", "--control-socket", tmp_path / "ctl")
    server.wait_ready(2)
    app.write(named("new"))
    app.write('workers = 2\ncanary_cookie = "version"', "rgun.toml")
    Ctl(program, tmp_path / "ctl")("canary", "1")
    server.log.wait("--canary-cookie is without effect")
    visitor = Visitor(server)
    for _ in range(20):
        visitor.get()
    assert "version" not in visitor.cookies


def test_after_an_upgrade_it_works_on(sticky):
    server, ctl = sticky()
    ctl("upgrade", "--no-reload")
    ctl("canary", "50%")
    assert each_meets_one([Visitor(server) for _ in range(12)], 4) == {"old", "new"}
