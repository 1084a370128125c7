"""`environ["gunicorn.socket"]`: WSGI apps that take the connection for themselves, with the packages that do so."""

import json
import signal

import pytest
from harness.websocket import connect

pytestmark = [pytest.mark.both_artifacts]

RAW = """
import json, socket
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/plain":
        start_response("200 OK", [])
        return [b"%d" % ("gunicorn.socket" in environ)]
    client = environ["gunicorn.socket"]
    if path == "/unused":
        text = repr(client), isinstance(client, socket.socket), isinstance(client, str)
        start_response("426 Upgrade Required", [])
        return [json.dumps(text).encode()]
    if path == "/late":
        start_response("200 OK", [])(b"begun")
        try:
            client.fileno()
        except OSError as error:
            return [str(error).encode()]
    client.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: shout\\r\\nConnection: Upgrade\\r\\n\\r\\n")
    if path == "/raise":
        raise ValueError("from the app")
    while data := client.recv(4096):
        client.sendall(data.upper())
        if data.endswith(b"bye"):
            break
    print("the app is done", flush=True)
    if path == "/stop-iteration":
        raise StopIteration()
    return []
"""


def upgrade(path="/", connection="Upgrade"):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nUpgrade: shout\r\n\r\n".encode()


@pytest.fixture
def raw(serve, app):
    app.write(RAW)
    return lambda *arguments, **named: serve(None, "--threads", "4", *arguments, workers=1, **named)


@pytest.mark.parametrize("path", ["/", "/stop-iteration"])
def test_the_socket_is_the_apps_and_the_request_is_counted(raw, path):
    server = raw("--access-logfile", "-")
    with server.connect() as client:
        client.send(upgrade(path))
        assert client.head().status == 101
        client.send(b"hello")
        assert client.read(5) == b"HELLO"
        # Others are served at the same time, on other connections.
        assert server.get("/plain").text == "0"
        client.send(b"bye")
        assert client.rest() == b"BYE"
    server.log.wait(rf'"GET {path} HTTP/1.1" 101 ')
    assert not server.log.find("exception in app")


def test_what_came_behind_the_request_is_received_first(raw):
    server = raw()
    with server.connect() as client:
        client.send(upgrade() + b"at once")
        assert client.head().status == 101
        assert client.read(7) == b"AT ONCE"
        client.send(b" and later bye")
        assert client.rest() == b" AND LATER BYE"


def test_an_app_that_only_looks_at_it_answers_as_ever(raw):
    server = raw()
    with server.connect() as client:
        for _ in range(2):
            client.send(upgrade("/unused"))
            response = client.response()
            assert response.status == 426
            assert json.loads(response.body) == ["<the client's socket, not used>", True, False]
        client.send(upgrade("/late"))
        assert b"begun" in client.response().body


def test_an_error_after_that_ends_the_connection_and_is_logged(raw):
    server = raw()
    with server.connect() as client:
        client.send(upgrade("/raise"))
        assert client.head().status == 101
        assert client.rest() == b""
    server.log.wait("exception in app")
    server.log.wait("from the app")


def test_a_thread_that_waits_for_such_a_client_is_not_hung(raw):
    server = raw("--timeout", "1")
    with server.connect(timeout=10) as client:
        client.send(upgrade())
        assert client.head().status == 101
        # Longer than two signs of life are apart.
        assert client.quiet(3)
        client.send(b"bye")
        assert client.rest() == b"BYE"
    assert not server.log.find("hung")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_it_in_order(raw, number):
    server = raw()
    with server.connect() as client:
        client.send(upgrade())
        assert client.head().status == 101
        server.signal(number)
        assert server.wait_exit(timeout=8) == 0
        assert client.rest() == b""
    if number == signal.SIGTERM:
        # A fast stop raises SystemExit in it, unless its read has found the end before.
        assert "the app is done" in server.log.wait_end()


def test_a_reload_ends_it_after_the_grace_of_idle_connections(raw):
    server = raw("--keepalive-drain", "1")
    with server.connect(timeout=10) as client:
        client.send(upgrade())
        assert client.head().status == 101
        server.reload()
        client.send(b"still here")
        assert client.read(10) == b"STILL HERE"
        assert client.rest() == b""
    server.log.wait("the app is done")


FLASK = """
from flask import Flask
from flask_sock import Sock
app = Flask(__name__)
sock = Sock(app)
@sock.route("/echo")
def echo(ws):
    while True:
        ws.send(ws.receive())
@app.route("/")
def index():
    return "index"
"""


def test_flask_sock(serve, app):
    app.write(FLASK)
    server = serve(None, "--threads", "4", workers=1)
    with connect(server, "/echo") as one, connect(server, "/echo") as other:
        for socket in (one, other, one):
            socket.text("hello")
            assert socket.message() == "hello"
        assert server.get("/").text == "index"
        one.close(1000)
        one.expect_close(1000, answer=False)
        server.terminate()
        assert server.wait_exit(timeout=8) == 0
    assert "Traceback" not in server.log.wait_end()


SOCKETIO = """
from flask import Flask
from flask_socketio import SocketIO, send
app = Flask(__name__)
io = SocketIO(app, async_mode="threading")
@io.on("message")
def message(data):
    send("got " + data)
"""


def test_flask_socketio_with_threads(serve, app):
    app.write(SOCKETIO)
    server = serve(None, "--threads", "8", workers=1)
    with connect(server, "/socket.io/?EIO=4&transport=websocket") as socket:
        opened = json.loads(socket.message()[1:])
        assert opened["sid"]
        socket.text("40")
        assert socket.message().startswith("40{")
        socket.text('42["message","hi"]')
        assert socket.message() == '42["message","got hi"]'
        server.terminate()
        assert server.wait_exit(timeout=10) == 0
    assert "Traceback" not in server.log.wait_end()
