"""`--gc idle`: full garbage collections run between requests, and the monitor shows what collections take."""

import pytest
from harness.waiting import eventually, stays
from harness.monitored import Admin

pytestmark = [pytest.mark.both_loops]

# A full collection is due after about 6,000 objects, if a quarter of all are new. Each request makes 3,000.
APP = """
import asyncio, collections, gc, threading, time

gc.set_threshold(100, 2, 20)
{more}
during = between = 0
# What the boot collects does not count.
serves = False
requests = set()
kept = collections.deque(maxlen=5)

def count(phase, info):
    global during, between
    if phase == "stop" and info["generation"] == 2 and serves:
        if requests:
            during += 1
        else:
            between += 1

gc.callbacks.append(count)

def work():
    request = object()
    requests.add(request)
    try:
        kept.append([[[n]] for n in range(1_500)])
    finally:
        requests.discard(request)

def text(path):
    global serves
    serves = True
    if path == "/facts":
        return "%d %d %d %d" % (during, between, gc.get_threshold()[2], gc.get_freeze_count())
    if path == "/enable":
        gc.enable()
    elif path == "/work":
        work()
    return "done"

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        await receive()
        return
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200}})
    if scope["path"] == "/hold":
        await send({{"type": "http.response.body", "body": b"held", "more_body": True}})
        await receive()
        return await receive()
    await send({{"type": "http.response.body", "body": text(scope["path"]).encode()}})

def wsgi(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/hold":
        return held()
    return [text(environ["PATH_INFO"]).encode()]

def held():
    yield b"held"
    while True:
        time.sleep(0.01)
        yield b"."
"""
BOTH = pytest.mark.parametrize("spec, options", [("app:app", ()), ("app:wsgi", ()), ("app:wsgi", ("--threads", "3"))], ids=["asgi", "wsgi", "wsgi with threads"])
NEVER = 2**31 - 1


class Facts:
    def __init__(self, client):
        self.during, self.between, self.threshold, self.frozen = map(int, client.get("/facts").text.split())


@pytest.fixture
def facts(serve, app):
    def start(spec, *options, more=""):
        app.write(APP.format(more=more))
        server = serve(None, *options, spec=spec)
        return server, lambda: Facts(server)

    return start


def busy(server, requests=100):
    with server.connect() as client:
        for _ in range(requests):
            assert client.get("/work").status == 200


@BOTH
def test_none_runs_while_a_request_does(facts, spec, options):
    server, seen = facts(spec, "--gc", "idle", *options)
    assert seen().threshold == NEVER
    for _ in range(5):
        before = seen().between
        busy(server, 5)
        eventually(lambda: seen().between > before, "a collection of the idle worker")
    assert seen().during == 0


@BOTH
def test_by_default_the_interpreter_decides(facts, spec, options):
    server, seen = facts(spec, *options)
    busy(server)
    assert seen().during > 0 and seen().threshold == 20


@pytest.mark.parametrize("spec, options", [("app:app", ()), ("app:wsgi", ("--threads", "3"))], ids=["asgi", "wsgi with threads"])
def test_a_worker_that_is_never_idle_collects_at_a_bound(facts, spec, options):
    server, seen = facts(spec, "--gc", "idle", *options)
    with server.connect() as client:
        client.request("GET", "/hold")
        assert client.head().status == 200 and client.chunk() == b"held"
        busy(server)
        eventually(lambda: seen().between > 0, "a collection beside a response that does not end")
    if spec == "app:app":
        # Another thread may begin a request at any time.
        assert seen().during == 0


def test_an_open_websocket_is_no_request(facts):
    from harness.websocket import WebSocket

    server, seen = facts("app:app", "--gc", "idle")
    with WebSocket(server.connect()):
        busy(server, 5)
        eventually(lambda: seen().between > 0, "a collection beside an open WebSocket")


@BOTH
def test_an_app_that_disables_the_collector_is_obeyed(facts, spec, options):
    server, seen = facts(spec, "--gc", "idle", *options, more="gc.disable()")
    busy(server, 5)
    stays(lambda: (seen().during, seen().between) == (0, 0), "nothing is collected", 0.3)
    server.get("/enable")
    busy(server, 5)
    eventually(lambda: seen().between > 0, "a collection after gc.enable()")
    assert seen().during == 0


@BOTH
def test_the_monitor_shows_what_collections_take(facts, spec, options):
    server, seen = facts(spec, "--gc", "idle", "--admin-bind", "127.0.0.1:0", *options)
    busy(server, 5)
    eventually(lambda: seen().between > 0, "a full collection")
    admin = Admin(server)
    eventually(lambda: admin.total("rgun_gc_collections_total", generation="2") == seen().between, "the same number on the monitor")
    assert admin.total("rgun_gc_collections_total", generation="0") > 10
    assert 0 < admin.total("rgun_gc_seconds_total", generation="2") < 5


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
@pytest.mark.parametrize("spec", ["app:app", "app:wsgi"])
def test_what_the_boot_has_made_is_kept_out_of_collections(facts, spec, preload):
    _, seen = facts(spec, *preload, more="made_at_import = [[n] for n in range(50_000)]")
    assert seen().frozen > 50_000
