"""Request ids: the client's own or new ones, in the app, in the answer and in both logs."""

import json
import re
import signal

import pytest
from harness.waiting import eventually

SHOWS = '''
import json, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/fails":
        raise ValueError("on purpose")
    if path == "/hangs":
        time.sleep(60)
    headers = [("Content-Type", "application/json")]
    if path == "/own":
        headers.append(("x-request-id", "the-apps"))
    start_response("200 OK", headers)
    seen = {name: value for name, value in environ.items() if name in ("HTTP_X_REQUEST_ID", "HTTP_TRACEPARENT", "HTTP_X_TRACE")}
    return [json.dumps(seen).encode()]
'''

SHOWS_ASGI = '''
import json

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/fails":
        raise ValueError("on purpose")
    headers = [(b"content-type", b"application/json")]
    if scope["path"] == "/own":
        headers.append((b"X-Request-Id", b"the-apps"))
    names = {b"x-request-id": "HTTP_X_REQUEST_ID", b"traceparent": "HTTP_TRACEPARENT", b"x-trace": "HTTP_X_TRACE"}
    seen = {names[name]: value.decode() for name, value in scope["headers"] if name in names}
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode()})
'''

MADE = re.compile(r"[0-9a-f]{32}$")


@pytest.fixture(params=[SHOWS, SHOWS_ASGI], ids=["wsgi", "asgi"])
def start(request, launch, app):
    def start(*options):
        app.path.joinpath("app.py").write_text(request.param)
        server = launch("app:app", *options)
        server.wait_ready()
        return server

    return start


def test_a_new_one_where_the_client_has_none(start):
    server = start("--request-id")
    with server.connect() as client:
        ids = set()
        for _ in range(3):
            response = client.get("/")
            assert MADE.match(response.header("x-request-id")), response.headers
            assert json.loads(response.body)["HTTP_X_REQUEST_ID"] == response.header("x-request-id")
            ids.add(response.header("x-request-id"))
    assert len(ids) == 3


def test_the_clients_own_where_it_is_sound(start):
    server = start("--request-id")
    with server.connect() as client:
        response = client.get("/", [("X-Request-ID", "abc-1.2:3"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
        assert response.header("x-request-id") == "abc-1.2:3"
        seen = json.loads(response.body)
        assert seen["HTTP_X_REQUEST_ID"] == "abc-1.2:3" and seen["HTTP_TRACEPARENT"].startswith("00-0af7")
        for unsound in ("x" * 129, "a b", '"', "<script>"):
            response = client.get("/", [("X-Request-ID", unsound)])
            assert MADE.match(response.header("x-request-id"))
            assert json.loads(response.body)["HTTP_X_REQUEST_ID"] == response.header("x-request-id")


def test_the_app_may_answer_with_another(start):
    server = start("--request-id")
    response = server.get("/own")
    assert [value for name, value in response.headers if name.lower() == "x-request-id"] == ["the-apps"]


def test_another_field(start):
    server = start("--request-id", "--request-id-header", "X-Trace")
    response = server.get("/", headers=[("X-Request-ID", "mine")])
    assert MADE.match(response.header("x-trace")) and response.header("x-request-id") is None
    assert json.loads(response.body) == {"HTTP_X_REQUEST_ID": "mine", "HTTP_X_TRACE": response.header("x-trace")}


def test_both_logs_name_it(start, app):
    server = start("--request-id", "--access-logfile", "access.log", "--access-logformat", "%({x-request-id}i)s %({x-request-id}o)s %(U)s")
    response = server.get("/fails")
    name = response.header("x-request-id")
    assert response.status == 500 and MADE.match(name)
    server.log.wait(rf"exception in app request=\"GET /fails\" request_id={name}")
    line = eventually(lambda: (app.path / "access.log").read_text(), "a line")
    assert line.split()[0] == name and line.split()[2] == "/fails"


def test_off_by_default(start):
    server = start()
    with server.connect() as client:
        response = client.get("/")
        assert response.header("x-request-id") is None and json.loads(response.body) == {}
        response = client.get("/", [("X-Request-ID", "a b")])
        assert response.header("x-request-id") is None and json.loads(response.body) == {"HTTP_X_REQUEST_ID": "a b"}


def test_a_hung_worker_is_told_with_it(launch, app):
    app.path.joinpath("app.py").write_text(SHOWS)
    server = launch("app:app", "--request-id", "--timeout", "1")
    server.wait_ready()
    with server.connect() as client:
        client.send(b"GET /hangs HTTP/1.1\r\nHost: a\r\nX-Request-ID: hang-7\r\n\r\n")
        server.log.wait(r'worker hung.*requests="GET /hangs \(\d+ ms, id hang-7')
    server.signal(signal.SIGQUIT)
    server.wait_exit()
