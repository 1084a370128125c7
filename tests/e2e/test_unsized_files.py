"""Files that are sent by the server and are not what their attributes say: those of `/proc` have a size of 0, others change while they are sent, and
some are no files."""

import os
import socket

import pytest
from harness.http2 import Http2Client
from harness.response import Cut

pytestmark = [pytest.mark.both_loops]

ASGI = """
import os
from urllib.parse import parse_qs

async def app(scope, receive, send):
    assert scope["type"] == "http"
    query = {name: values[0].encode() for name, values in parse_qs(scope["query_string"].decode()).items()}
    path = query["path"].decode()
    fields = [(name.encode(), query[name]) for name in ("content-length", "x-sendfile", "accept-ranges") if name in query]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    if MESSAGE == "pathsend":
        return await send({"type": "http.response.pathsend", "path": path})
    elif MESSAGE == "zerocopysend":
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return await send({"type": "http.response.zerocopysend", "file": file})
        finally:
            os.close(file)
    await send({"type": "http.response.body", "body": b""})
"""

WSGI = """
import os
from urllib.parse import parse_qs

def app(environ, start_response):
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    fields = [(name, query[name]) for name in ("content-length", "x-sendfile", "accept-ranges") if name in query]
    start_response("200 OK", fields)
    if "x-sendfile" in query:
        return []
    return environ["wsgi.file_wrapper"](open(query["path"], "rb"))
"""

PROC = "/proc/version"


@pytest.fixture(params=["file_wrapper", "pathsend", "zerocopysend"])
def server(request, serve, app):
    app.write(WSGI if request.param == "file_wrapper" else f"MESSAGE = {request.param!r}\n" + ASGI)
    return serve(None, "--pathsend", "--http2", "prior-knowledge")


@pytest.fixture(params=["asgi", "wsgi"])
def naming(request, serve, app):
    app.write(WSGI if request.param == "wsgi" else "MESSAGE = None\n" + ASGI)

    def start(root):
        return serve(None, "--sendfile-root", str(root), "--http2", "prior-knowledge")

    return start


def content(path=PROC):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("declared", ["", "&content-length=0", "&accept-ranges=bytes"])
def test_a_file_of_proc_is_sent_whole(server, declared):
    assert os.stat(PROC).st_size == 0
    target = f"/?path={PROC}{declared}"
    with server.connect() as client:
        for _ in range(2):
            response = client.get(target)
            assert (response.status, response.body) == (200, content())
            assert response.header("content-length") == str(len(content()))
        client.request("HEAD", target)
        assert client.response("HEAD").header("content-length") == str(len(content()))
        assert client.get(target, version="1.0").body == content()
    with Http2Client.cleartext(server.port) as client:
        stream = client.get(target)
        assert (stream.status, stream.body, stream.ended) == (200, content(), True)


def test_a_file_of_proc_that_is_longer_than_a_page(server):
    names = ("cpuinfo", "filesystems", "interrupts", "meminfo", "modules", "vmstat", "zoneinfo")
    longest = max((f"/proc/{name}" for name in names if os.path.exists(f"/proc/{name}")), key=lambda path: len(content(path)))
    assert len(content(longest)) > 4096
    body = server.get(f"/?path={longest}").body
    assert (len(body) > 4096, body[-1:]) == (True, b"\n")


def test_a_wrong_length_is_still_an_error(server):
    response = server.get(f"/?path={PROC}&content-length=5")
    assert response.body == content()[:5]
    with server.connect() as client:
        client.request(target=f"/?path={PROC}&content-length=5000")
        assert client.response().status == 500


def test_an_empty_file_is_empty(server, app):
    app.write("", "empty")
    for declared in ("", "&content-length=0", "&accept-ranges=bytes"):
        response = server.get(f"/?path={app.path}/empty{declared}")
        assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("server", ["pathsend", "zerocopysend"], indirect=True)
def test_what_is_no_file_is_refused_with_its_reason(server, app):
    os.mkfifo(app.path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(app.path / "socket"))
    for name in ("/dev/zero", f"{app.path}/pipe", f"{app.path}"):
        assert server.get(f"/?path={name}").status == 500
    server.log.wait("is not a regular file", count=3)
    assert server.get(f"/?path={app.path}/socket").status == 500
    listener.close()


def test_a_name_in_a_header_that_leads_to_proc(naming):
    server = naming("/proc")
    with server.connect() as client:
        for _ in range(2):
            response = client.get("/?path=-&x-sendfile=version")
            assert (response.status, response.body) == (200, content())
        client.request("HEAD", "/?path=-&x-sendfile=version")
        assert client.response("HEAD").header("content-length") == str(len(content()))
    with Http2Client.cleartext(server.port) as client:
        assert client.get("/?path=-&x-sendfile=version").body == content()


def test_a_name_in_a_header_that_leads_to_no_file(naming, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    server = naming(tmp_path)
    assert server.get("/?path=-&x-sendfile=pipe").status == 500
    server.log.wait("no such regular file")
    server = naming("/dev")
    assert server.get("/?path=-&x-sendfile=zero").status == 500


SIZE = 30_000_000


def test_a_file_that_shrinks_while_it_is_sent(server, app):
    path = app.path / "large"
    path.write_bytes(b"x" * SIZE)
    with server.connect(receive_buffer=4096) as client:
        client.request(target=f"/?path={path}")
        assert client.head().header("content-length") == str(SIZE)
        os.truncate(path, 1_000_000)
        with pytest.raises((Cut, ConnectionResetError)):
            client.read(SIZE)
    server.log.wait(rf"file became shorter while it was sent .*file={path}")
    path.write_bytes(b"x" * SIZE)
    with Http2Client.cleartext(server.port, opens_windows=False) as client:
        stream = client.begin(f"/?path={path}")
        client.until(lambda: len(stream.body) == 65_535)
        os.truncate(path, 1_000_000)
        client.connection.increment_flow_control_window(2 * SIZE)
        client.connection.increment_flow_control_window(2 * SIZE, stream.number)
        client.flush()
        client.finish(stream)
        assert (len(stream.body) <= 1_000_000, stream.ended, stream.reset) == (True, False, 2)
        assert client.get(f"/?path={PROC}").body == content()


def test_a_file_that_grows_while_it_is_sent(server, app):
    path = app.path / "large"
    path.write_bytes(b"x" * SIZE)
    with server.connect(receive_buffer=4096) as client:
        client.request(target=f"/?path={path}")
        assert client.head().header("content-length") == str(SIZE)
        with path.open("ab") as file:
            file.write(b"more")
        assert client.read(SIZE) == b"x" * SIZE
        assert client.get(f"/?path={PROC}").body == content()
