"""A worker whose app is blocked keeps no connection: what it has accepted is served by another worker."""

import os
import signal
import threading
from collections import Counter

import pytest
from harness.client import Client
from harness.ctl import Ctl
from harness.tls import TlsClient
from harness.waiting import eventually

# Blocks the event loop, or its thread, until the file is there.
BLOCK = """
import os, time

def answer(path):
    if path.startswith("/block"):
        print("blocked in", os.getpid(), flush=True)
        while not os.path.exists("open"):
            time.sleep(0.01)
    return str(os.getpid()).encode()
"""
ASGI = BLOCK + """
async def app(scope, receive, send):
    body = answer(scope["path"])
    received = b""
    while scope["method"] == "POST":
        message = await receive()
        received += message.get("body", b"")
        if not message.get("more_body"):
            break
    body += b" " + received + b" " + (scope["client"] or ("unix",))[0].encode() + b" " + scope["scheme"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = BLOCK + """
def app(environ, start_response):
    body = answer(environ["PATH_INFO"])
    body += b" " + environ["wsgi.input"].read() + b" " + (environ.get("REMOTE_ADDR") or "unix").encode() + b" " + environ["wsgi.url_scheme"].encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
KINDS = {"asgi": (ASGI, ()), "wsgi": (WSGI, ("--threads", "1")), "wsgi-threads": (WSGI, ("--threads", "2"))}
# An answer that comes later has waited for the block.
PROMPT = 3.0

pytestmark = pytest.mark.both_loops


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def start(app, serve, kind):
    text, options = KINDS[kind]
    app.write(text)
    server = []

    def start(*more, workers=2, **keywords):
        server.append(serve(None, *options, *more, workers=workers, **keywords))
        return server[-1]

    yield start
    # Also where a story has failed: nothing stays blocked.
    (app.path / "open").touch()


def threads_of(kind):
    return 2 if kind == "wsgi-threads" else 1


def block(server, kind, workers=1):
    """Blocks every thread of that many workers; the clients that wait for them, and the pids of these workers."""
    clients, blocked = [], Counter()
    while True:
        stuck = {pid for pid, threads in blocked.items() if threads == threads_of(kind)}
        if len(stuck) == workers:
            return clients, stuck
        mark = server.log.mark()
        client = server.connect(timeout=30)
        client.request(target="/block")
        clients.append(client)
        blocked[int(server.log.wait(r"blocked in (\d+)", after=mark).group(1))] += 1


def release(app, clients):
    (app.path / "open").touch()
    for client in clients:
        assert client.response().status == 200
        client.close()


def answered(client):
    client.socket.settimeout(PROMPT)
    response = client.response()
    assert response.status == 200
    return response.body.split(b" ")


def new_connections(server, count, threads=4):
    """The answers to that many, each within a moment."""
    answers, failures = [], []

    def some():
        for _ in range(count // threads):
            try:
                with server.connect(timeout=PROMPT) as client:
                    answers.append(client.get("/", headers=[("connection", "close")]).body.split(b" "))
            except Exception as error:
                failures.append(repr(error))

    running = [threading.Thread(target=some) for _ in range(threads)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert not failures, failures
    return answers


def test_no_request_on_a_kept_connection_waits_for_it(start, kind):
    server = start()
    kept = []
    while len({pid for _, pid in kept}) < 2 or len(kept) < 8:
        client = server.connect(timeout=30)
        client.request()
        kept.append((client, int(answered(client)[0])))
    clients, stuck = block(server, kind)
    for _ in range(3):
        for client, _ in kept:
            client.request(headers=[("x-long", "x" * 3000)])
        pids = [int(answered(client)[0]) for client, _ in kept]
        assert not stuck & set(pids), (stuck, kept, pids)
    for client, _ in kept:
        client.close()


def test_no_new_connection_waits_for_it(start, app, kind):
    server = start()
    clients, stuck = block(server, kind)
    answers = new_connections(server, 200)
    assert len(answers) == 200
    assert not stuck & {int(pid) for pid, *_ in answers}
    assert {address for _, _, address, _ in answers} == {b"127.0.0.1"}
    release(app, clients)


def burst(server, kind, count):
    """Requests that the workers find all at once, of which the first block all threads but one. Clients that wait for these, and the
    others with the bodies that they have sent."""
    blocked, others = [], []
    for pid in server.ready_pids():
        server.freeze(pid)
    for number in range(count):
        client = server.connect(timeout=30)
        if number < 2 * threads_of(kind) - 1:
            client.request(target=f"/block?{number}")
            blocked.append(client)
        elif number % 3:
            client.request(target=f"/get?{number}")
            others.append((client, b""))
        else:
            client.request("POST", f"/post?{number}", [("Content-Length", "5000")], b"x" * 5000)
            others.append((client, b"x" * 5000))
    for pid in server.ready_pids():
        server.signal(signal.SIGCONT, pid)
    return blocked, others


def test_requests_that_it_has_read_are_served_by_another_worker(start, app, kind):
    """Those that come together with the one that blocks it: they are read in the same turn of its loop."""
    server = start("--access-logfile", "-")
    clients, others = burst(server, kind, 24)
    for client, body in others:
        _, received, address, _ = answered(client)
        assert (received, address) == (body, b"127.0.0.1")
    release(app, clients)
    # Each is logged once, with its client.
    for number in range(24):
        line = rf"127\.0\.0\.1 .*/(block|get|post)\?{number} "
        server.log.wait(line)
        assert len(server.log.find(line)) == 1


def answered_after_the_block(server, app, clients, count):
    waiting = [server.connect(timeout=30) for _ in range(count)]
    for client in waiting:
        client.request()
    assert all(client.quiet(0.02) for client in waiting)
    release(app, clients)
    for client in waiting:
        answered(client)


def test_while_all_are_stuck_connections_wait_for_the_first_that_returns(start, app, kind):
    server = start()
    clients, _ = block(server, kind, workers=2)
    answered_after_the_block(server, app, clients, 20)


def test_the_only_worker_serves_them_when_it_returns(start, app, kind):
    server = start(workers=1)
    clients, _ = block(server, kind)
    answered_after_the_block(server, app, clients, 5)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_with_tls_what_has_not_begun_is_passed_on(start, app, kind, pair, authority):
    server = start("--certfile", pair[0], "--keyfile", pair[1])

    def connect():
        return TlsClient.connect(server.port, authority.context(), timeout=PROMPT)

    with connect() as client:
        client.request(target="/block")
        server.log.wait("blocked in")
        for _ in range(20):
            with connect() as other:
                assert other.get("/", headers=[("connection", "close")]).body.endswith(b" 127.0.0.1 https")
        (app.path / "open").touch()
        client.socket.settimeout(30)
        assert client.response().status == 200


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_over_a_unix_socket(start, app, kind):
    server = start(bind="unix:sock")
    client = Client.unix(app.path / "sock", timeout=30)
    client.request(target="/block")
    server.log.wait("blocked in")
    for _ in range(20):
        with Client.unix(app.path / "sock", timeout=PROMPT) as other:
            assert other.get("/", headers=[("connection", "close")]).body.endswith(b" unix http")
    release(app, [client])


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
@pytest.mark.parametrize("how", ["reload", "stop"])
def test_a_drain_while_all_are_stuck_loses_none(start, app, kind, how):
    server = start()
    clients, _ = block(server, kind, workers=2)
    waiting = [server.connect(timeout=30) for _ in range(10)]
    for client in waiting:
        client.request()
    assert all(client.quiet(0.02) for client in waiting)
    mark = server.log.mark()
    server.signal(signal.SIGHUP if how == "reload" else signal.SIGTERM)
    server.log.wait("replaced by|reload succeeded|stopping|shutting down|terminating" if how == "stop" else "reload succeeded", after=mark)
    release(app, clients)
    for client in waiting:
        client.socket.settimeout(15)
        assert client.response().status == 200


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_workers_of_a_mold_and_their_successors(start, app, kind):
    server = start("--preload")
    clients, (stuck,) = block(server, kind)
    mark = server.log.mark()
    (other,) = {pid for pid in server.ready_pids()} - {stuck}
    server.signal(signal.SIGKILL, other)
    server.log.wait("worker ready", after=mark)
    assert stuck not in {int(pid) for pid, *_ in new_connections(server, 40)}
    release(app, clients)


@pytest.mark.parametrize("kind", ["asgi"])
def test_after_an_upgrade_in_place(start, app, kind, tmp_path, program):
    server = start("--control-socket", tmp_path / "ctl.sock")
    ctl = Ctl(program, tmp_path / "ctl.sock")
    assert "the workers stay as they are" in ctl("upgrade", "--no-reload")
    clients, (stuck,) = block(server, kind)
    (other,) = {pid for pid in server.ready_pids()} - {stuck}
    assert {int(pid) for pid, *_ in new_connections(server, 40)} == {other}
    mark = server.log.mark()
    os.kill(other, signal.SIGKILL)
    server.log.wait("worker ready", after=mark)
    # The successor was started by the new program.
    answers = {int(pid) for pid, *_ in new_connections(server, 40)}
    assert len(answers) == 1 and not answers & {stuck, other}
    release(app, clients)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_what_is_passed_on_is_counted_once(start, app, kind):
    server = start("--admin-bind", "127.0.0.1:0")
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))

    def total(name):
        with Client.tcp("127.0.0.1", port) as client:
            text = client.get("/-/metrics", headers=[("connection", "close")]).body.decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.partition("{")[0] == name)

    clients, others = burst(server, kind, 24)
    for client, _ in others:
        answered(client)
    assert len(new_connections(server, 40)) == 40
    # An application thread takes its request as soon as it is read: there seldom is one to pass on.
    assert (kind == "asgi") <= total("rgun_connections_passed_on_total") <= 64
    release(app, clients)
    eventually(lambda: total("rgun_requests_total") == 64 and total("rgun_requests_in_flight") == 0, "each request is counted once")
