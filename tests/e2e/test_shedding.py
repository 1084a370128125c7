"""--shed-wait: while all workers are busy, requests that have waited too long get 503, without the app."""

import pytest
from harness.client import Client
from harness.http2 import Http2Client
from harness.tls import TlsClient
from harness.monitored import Admin
from test_stuck_worker import ASGI, WSGI, release, threads_of

KINDS = {"asgi": (ASGI, ()), "wsgi": (WSGI, ("--threads", "1")), "wsgi-threads": (WSGI, ("--threads", "2"))}

pytestmark = pytest.mark.both_loops


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def start(app, serve, kind):
    text, options = KINDS[kind]
    app.write(text)
    app.write("of a file", "static/file.txt")

    def start(*more, workers=2):
        return serve(None, *options, "--shed-wait", "0.3", "--static", "/static=static", "--admin-bind", "127.0.0.1:0", "--access-logfile", "-", *more, workers=workers)

    yield start
    (app.path / "open").touch()


def block_all(server, kind, workers=2):
    """The clients whose requests keep every thread busy."""
    clients = []
    for number in range(workers * threads_of(kind)):
        mark = server.log.mark()
        client = server.connect(timeout=30)
        client.request(target="/block")
        clients.append(client)
        server.log.wait("blocked in", after=mark)
    return clients


def refused(response):
    assert response.status == 503
    assert int(response.header("retry-after")) >= 1
    assert b"all workers are busy" in response.body


def test_requests_are_answered_while_all_are_busy(start, app, kind):
    server = start()
    admin = Admin(server)
    kept = server.connect(timeout=10)
    assert kept.get("/").status == 200
    clients = block_all(server, kind)
    for number in range(5):
        with server.connect(timeout=10) as client:
            refused(client.get(f"/late?{number}"))
            client.ending()
    # The next request of a connection that was open before.
    kept.request(target="/kept")
    refused(kept.response())
    # What needs no app.
    with server.connect(timeout=10) as client:
        assert client.get("/static/file.txt").body == b"of a file"
    assert admin.status("/-/live") == 200
    assert admin.total("rgun_shed_requests_total") == 6
    server.log.wait(r"all workers are busy, requests that wait longer than --shed-wait get 503 .*waited_ms=\d+ limit_ms=300 retry_after=\d+ in_flight=\d+")
    for number in range(5):
        server.log.wait(rf'127\.0\.0\.1 .*"GET /late\?{number} HTTP/1.1" 503 ')
    release(app, clients)
    with server.connect(timeout=10) as client:
        assert client.get("/").status == 200
    server.log.wait(r"requests no longer wait longer than --shed-wait requests=\d+ after_ms=\d+")
    assert admin.total("rgun_requests_in_flight") == 0


def test_streams_of_http2_are_answered_too(start, app, kind):
    server = start("--http2", "prior-knowledge")
    before = Http2Client.cleartext(server.port)
    assert before.get("/").status == 200
    clients = block_all(server, kind)
    with before, Http2Client.cleartext(server.port) as fresh:
        for client in (before, fresh):
            streams = [client.begin(f"/late?{number}") for number in range(3)]
            for stream in streams:
                client.finish(stream)
                assert stream.status == 503 and int(dict(stream.fields)["retry-after"]) >= 1
    release(app, clients)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_over_tls(start, app, kind, pair, authority):
    server = start("--certfile", pair[0], "--keyfile", pair[1])

    def connect():
        return TlsClient.connect(server.port, authority.context(), timeout=30)

    clients = []
    for _ in range(2):
        mark = server.log.mark()
        clients.append(connect())
        clients[-1].request(target="/block")
        server.log.wait("blocked in", after=mark)
    with connect() as client:
        refused(client.get("/"))
    release(app, clients)


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_no_request_is_refused_while_one_worker_has_room(start, app, kind):
    server = start()
    blocked = server.connect(timeout=30)
    blocked.request(target="/block")
    server.log.wait("blocked in")
    for _ in range(50):
        with server.connect(timeout=10) as client:
            assert client.get("/", headers=[("connection", "close")]).status == 200
    release(app, [blocked])


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_below_the_largest_number_of_workers_requests_wait_for_one_more(start, app, kind):
    server = start("-w", "1..2", workers=1)
    blocked = server.connect(timeout=30)
    blocked.request(target="/block")
    server.log.wait("blocked in")
    with server.connect(timeout=30) as client:
        assert client.get("/").status == 200
    server.log.wait("number of workers follows the load from=1 to=2")
    release(app, [blocked])


def test_what_has_begun_is_finished(start, app, kind):
    """Only what waits is refused, in the order in which the limit is reached."""
    server = start()
    clients = block_all(server, kind)
    with server.connect(timeout=10) as client:
        refused(client.get("/"))
    assert all(client.quiet(0.02) for client in clients)
    release(app, clients)


def test_off_by_default(app, serve):
    app.write(ASGI)
    server = serve(None, workers=1)
    blocked = server.connect(timeout=30)
    blocked.request(target="/block")
    server.log.wait("blocked in")
    with server.connect(timeout=30) as client:
        client.request()
        assert client.quiet(0.5)
        release(app, [blocked])
        assert client.response().status == 200
