"""`X-Sendfile` and `X-Accel-Redirect`: the app names a file, and the server sends it."""

import os

import pytest

from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops]

CONTENT = os.urandom(200_000)

ASGI = """
import json

async def app(scope, receive, send):
    assert scope["type"] == "http"
    headers = [(name.encode(), value.encode()) for name, value in json.loads(scope["query_string"] and __import__("urllib.parse").parse.unquote(scope["query_string"].decode()))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"not this", "more_body": True})
    await send({"type": "http.response.body", "body": b"nor this"})
"""

WSGI = """
import json
from urllib.parse import unquote

class Body:
    def __init__(self):
        self.left = [b"not this", b"nor this"]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop()

    def close(self):
        with open("closed", "a") as log:
            log.write("closed\\n")

def app(environ, start_response):
    start_response("200 OK", [tuple(pair) for pair in json.loads(unquote(environ["QUERY_STRING"]))])
    return Body()
"""


@pytest.fixture(params=["asgi", "wsgi"])
def server(request, launch, app, tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    (root / "a b.txt").write_bytes(b"small")
    (root / "large.bin").write_bytes(CONTENT)
    (root / "out").symlink_to("/etc/passwd")
    (tmp_path / "secret").write_text("secret")
    app.path.joinpath("app.py").write_text(ASGI if request.param == "asgi" else WSGI)
    server = launch("app:app", "--sendfile-root", str(root))
    server.wait_ready()
    server.root, server.interface = root, request.param
    return server


def ask(server, fields, headers=(), method="GET"):
    import json
    from urllib.parse import quote

    with server.connect() as client:
        client.request(method, "/?" + quote(json.dumps(fields)), [("connection", "close"), *headers])
        return client.response(method)


def test_the_file_takes_the_place_of_the_body(server, app):
    for name, value in (("X-Sendfile", f"{server.root}/a b.txt"), ("X-Sendfile", "a b.txt"), ("X-Accel-Redirect", "/a%20b.txt")):
        found = ask(server, [(name, value), ("Content-Length", "16"), ("Content-Type", "text/own"), ("X-Own", "kept")])
        assert (found.status, found.body, found.header("content-length")) == (200, b"small", "5")
        assert (found.header("content-type"), found.header("x-own")) == ("text/own", "kept")
        assert found.header("x-sendfile") is None and found.header("x-accel-redirect") is None and found.header("etag") is None
    large = ask(server, [("X-Sendfile", "large.bin")])
    assert large.body == CONTENT and large.header("content-type") == "application/octet-stream"
    head = ask(server, [("X-Sendfile", "large.bin")], method="HEAD")
    assert head.header("content-length") == str(len(CONTENT))
    if server.interface == "wsgi":
        closed = app.path / "closed"
        eventually(lambda: closed.read_text().count("closed") == 5, "each of the app's bodies is closed")


def test_conditions_of_other_methods_do_not_apply(server):
    fields = [("X-Sendfile", "a b.txt"), ("Accept-Ranges", "bytes")]
    for condition in (("If-Match", '"x"'), ("If-None-Match", "*"), ("If-Modified-Since", "Fri, 31 Dec 2100 00:00:00 GMT")):
        found = ask(server, fields, [condition], method="POST")
        assert (found.status, found.body) == (200, b"small"), condition


def test_ranges_and_conditions_where_the_app_asks_for_them(server):
    fields = [("X-Sendfile", "large.bin"), ("Accept-Ranges", "bytes"), ("Content-Disposition", "attachment")]
    whole = ask(server, fields)
    tag = whole.header("etag")
    assert whole.body == CONTENT and tag and whole.header("last-modified")
    part = ask(server, fields, [("Range", "bytes=1000-1999")])
    assert (part.status, part.body, part.header("content-disposition")) == (206, CONTENT[1000:2000], "attachment")
    several = ask(server, [*fields, ("Content-Type", "application/pdf")], [("Range", "bytes=0-1,10-19")])
    assert several.status == 206 and several.body.count(b"content-type: application/pdf") == 2
    assert ask(server, fields, [("If-None-Match", tag)]).status == 304
    assert ask(server, fields, [("Range", f"bytes={len(CONTENT)}-")]).status == 416
    # Without Accept-Ranges: the whole file, whatever range the client requests.
    assert ask(server, fields[:1], [("Range", "bytes=0-9")]).status == 200


def test_nothing_but_what_is_below_the_root(server, tmp_path):
    for name, value in (
        ("X-Sendfile", "/etc/passwd"), ("X-Sendfile", f"{tmp_path}/secret"), ("X-Sendfile", "../secret"), ("X-Sendfile", f"{server.root}/../secret"),
        ("X-Sendfile", "out"), ("X-Accel-Redirect", "/../secret"), ("X-Accel-Redirect", "/%2e%2e/secret"), ("X-Sendfile", "nothing"), ("X-Sendfile", ""),
        ("X-Sendfile", str(server.root)),
    ):
        mark = server.log.mark()
        found = ask(server, [(name, value)])
        assert found.status == 500 and b"root:" not in found.body and b"secret" not in found.body, value
        server.log.wait("file named by the app cannot be sent", after=mark)


def test_without_a_root_the_headers_are_the_proxys(serve):
    server = serve("hello.py")
    assert server.get().body == b"Hello, world!"
