"""Behind nginx, as the classic deployments have it: by TCP and by unix socket, with and without kept connections."""

import hashlib
import json
import os

import pytest

from harness.nginx import Nginx
from harness.place import SITE
from harness.websocket import WebSocket

PLACES = pytest.mark.parametrize("bind", ["127.0.0.1:0", "unix:app.sock"], ids=["tcp", "unix"])
KEPT = pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "not kept"])
BUFFERED = pytest.mark.parametrize("buffering", ["on", "off"], ids=["buffered", "unbuffered"])
UPLOAD = 20_000_000


@pytest.fixture
def front(tmp_path_factory):
    """Start nginx before a server: `front(server, keep_alive=False)`."""
    started = []

    def start(server, **options):
        nginx = Nginx(tmp_path_factory.mktemp("nginx"), server, **options)
        started.append(nginx)
        return nginx

    yield start
    for nginx in started:
        nginx.__exit__()


@PLACES
@pytest.mark.parametrize(
    ("through", "keep_alive"), [("upstream", True), ("upstream", False), ("direct", False)], ids=["upstream, kept", "upstream", "direct"],
)
def test_the_app_sees_the_client(origin, front, bind, through, keep_alive):
    server = origin(bind=bind)
    nginx = front(server, keep_alive=keep_alive, through=through)
    for _ in range(5):
        # Not 127.0.0.1: that would be a proxy of ours. nginx appends to what a client has made up.
        seen = json.loads(nginx.get(source="127.0.0.2", headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https")]).body)
        assert (seen["client"][0], seen["scheme"], seen["host"]) == ("127.0.0.2", "http", "site.example")
    assert nginx.complaints() == []


@PLACES
@pytest.mark.parametrize("spec", ["config.asgi:application", "config.wsgi:application"], ids=["asgi", "wsgi"])
def test_django_with_its_static_files_beside_it(launch, site, front, bind, spec, tmp_path):
    environment = {**site, "ALLOWED_HOSTS": "site.example"}
    place = bind.replace("unix:", f"unix:{tmp_path}/")
    server = launch(spec, "-w", "2", "--access-logfile", "-", directory=SITE, env=environment, bind=place)
    server.wait_ready(2, timeout=30)
    nginx = front(server, static=site["STATIC_ROOT"])
    assert b"Django on rgun" in nginx.get("/").body
    found = json.loads(nginx.get("/sync/?a=b", source="127.0.0.2").body)
    assert (found["client"], found["full_path"]) == ("127.0.0.2", "/sync/?a=b")
    server.log.wait(r'127\.0\.0\.2 - - .*"GET /sync/\?a=b HTTP/1\.1" 200')
    style = nginx.get("/static/pages/site.css")
    assert style.status == 200 and style.header("server").startswith("nginx") and style.header("content-type") == "text/css"
    assert not server.log.find("/static/")
    assert nginx.complaints() == []


DIGEST = """
import asyncio, hashlib
async def app(scope, receive, send):
    assert scope["type"] == "http"
    digest, more = hashlib.sha256(), True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        digest.update(message["body"])
        more = message["more_body"]
    if scope["method"] == "POST":
        body = digest.hexdigest().encode()
    else:
        body = b"0123456789" * 2_000_000
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    for start in range(0, len(body), 100_000):
        await send({"type": "http.response.body", "body": body[start:start + 100_000], "more_body": True})
    await send({"type": "http.response.body"})

def application(environ, start_response):
    digest = hashlib.sha256()
    while block := environ["wsgi.input"].read(65536):
        digest.update(block)
    body = digest.hexdigest().encode() if environ["REQUEST_METHOD"] == "POST" else b"0123456789" * 2_000_000
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@PLACES
@KEPT
@BUFFERED
@pytest.mark.parametrize("spec", ["app:app", "app:application"], ids=["asgi", "wsgi"])
def test_large_uploads_and_downloads(serve, app, front, bind, keep_alive, buffering, spec):
    app.write(DIGEST)
    server = serve(spec=spec, bind=bind)
    nginx = front(server, keep_alive=keep_alive, options=f"proxy_request_buffering {buffering}; proxy_buffering {buffering};")
    data = os.urandom(UPLOAD)
    with nginx.connect(timeout=30) as client:
        for _ in range(2):
            assert client.post("/", data).body.decode() == hashlib.sha256(data).hexdigest()
            assert client.get("/").body == b"0123456789" * 2_000_000
    assert nginx.complaints() == []


@PLACES
@BUFFERED
def test_an_upload_that_is_too_large_gets_its_413(serve, app, front, bind, buffering):
    """And not nginx's 502: the answer is there to be read although the upload goes on."""
    app.write(DIGEST)
    server = serve("", "--limit-request-body", "1m", bind=bind)
    nginx = front(server, options=f"proxy_request_buffering {buffering};")
    for chunked in (False, True):
        with nginx.connect(timeout=30) as client:
            head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {UPLOAD}"
            client.send(f"POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode())
            piece = bytes(100_000)
            try:
                for _ in range(0, UPLOAD, len(piece)):
                    client.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                client.send(b"0\r\n\r\n" if chunked else b"")
            except OSError:
                pass
            assert client.response().status == 413


def test_pieces_come_through_as_they_are_sent(serve, app, front):
    app.write("""
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-accel-buffering", b"no")]})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    while not os.path.exists("second"):
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"second"})
""")
    server = serve()
    nginx = front(server)
    with nginx.connect() as client:
        client.request()
        client.head()
        assert client.chunk() == b"first"
        app.write("", "second")
        assert client.chunk() == b"second"


@PLACES
def test_websocket(serve, front, bind):
    server = serve("sockets.py", bind=bind)
    nginx = front(server, websocket=True)
    with WebSocket(nginx.connect(), "/echo") as ws:
        assert ws.accepted
        for size in (0, 5, 200_000):
            ws.text("x" * size)
            assert ws.message() == "x" * size
        ws.close(1000)
        ws.expect_close(1000, answer=False)
    assert nginx.complaints() == []


@PLACES
@KEPT
def test_client_that_leaves_in_the_middle(serve, app, front, bind, keep_alive):
    """nginx then closes its connection: the app is notified, and neither log has an error."""
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/":
        print("waits", flush=True)
        while (await receive())["type"] != "http.disconnect":
            pass
        print("left", flush=True)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
""")
    server = serve(bind=bind)
    nginx = front(server, keep_alive=keep_alive)
    with nginx.connect() as client:
        client.request()
        server.log.wait("waits")
    server.log.wait("left")
    assert nginx.get("/next").body == b"ok"
    assert "Traceback" not in server.log.text()


def test_nginx_reuses_connections_longer_than_it_waits(serve, front):
    """The keep-alive of the server is the longer one: it never closes a connection that nginx is about to use."""
    server = serve("hello.py", workers=1)
    nginx = front(server)
    for _ in range(30):
        assert nginx.get().status == 200
    pid = server.ready_pids()[0]
    connections = _sockets(pid, server.port)
    assert 1 <= len(connections) <= 4, connections
    assert nginx.complaints() == []


def _sockets(pid, port):
    """Established connections to that port, by /proc/net/tcp."""
    with open(f"/proc/{pid}/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    return [row for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == "01"]
