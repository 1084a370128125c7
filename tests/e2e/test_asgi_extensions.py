"""ASGI's extensions on HTTP/1.1: what is offered works, and nothing else is offered."""

import json
import os
import random

import pytest

from harness.response import Cut

pytestmark = [pytest.mark.both_loops]

CONTENT = random.Random(7).randbytes(9_000_000)


@pytest.fixture
def server(serve, app):
    (app.path / "file.bin").write_bytes(CONTENT)
    os.mkfifo(app.path / "file.bin.pipe")
    return serve("extensions.py")


@pytest.mark.parametrize("options, files", [
    ([], {"http.response.zerocopysend"}),
    (["--pathsend"], {"http.response.pathsend", "http.response.zerocopysend"}),
], ids=["default", "with pathsend"])
def test_asgi_011_what_is_offered(serve, app, options, files):
    server = serve("extensions.py", *options)
    everything = files | {"http.response.trailers", "http.response.early_hint"}
    assert json.loads(server.get("/extensions").body) == {name: {} for name in everything}
    with server.connect() as client:
        old = json.loads(client.get("/extensions", version="1.0").body)
    assert set(old) == files


BEHIND_BROTLI = """
import os
from brotli_asgi import BrotliMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse
from starlette.routing import Route

async def page(request):
    request.app.state.offered = "http.response.pathsend" in request.scope["extensions"]
    return FileResponse(os.path.abspath("page.html"), headers={"x-pathsend": str(request.app.state.offered)})

app = Starlette(routes=[Route("/", page)], middleware=%s)
"""


def test_a_file_response_behind_middleware_that_does_not_know_pathsend(serve, app):
    """brotli-asgi 1.7.0 drops the message, and with it the whole response."""
    brotli_asgi = pytest.importorskip("brotli_asgi")
    brotli = pytest.importorskip("brotli")
    assert brotli_asgi
    page = "<p>hello</p>" * 1000
    app.write(page, "page.html")
    app.write(BEHIND_BROTLI % "[Middleware(BrotliMiddleware)]")
    response = serve().get(headers=[("accept-encoding", "br")])
    assert (response.status, response.header("content-encoding"), response.header("x-pathsend")) == (200, "br", "False")
    assert brotli.decompress(response.body).decode() == page


def test_a_file_response_by_the_kernel(serve, app):
    app.write("content", "page.html")
    app.write(BEHIND_BROTLI % "[]", "app.py")
    response = serve(None, "--pathsend").get()
    assert (response.text, response.header("x-pathsend")) == ("content", "True")


@pytest.mark.parametrize("query", ["", "?length"])
def test_asgi_153_pathsend(server, query):
    with server.connect() as client:
        for _ in range(2):
            response = client.get("/pathsend" + query)
            assert response.body == CONTENT and response.header("content-length") == str(len(CONTENT))
    server.log.wait("after pathsend: RuntimeError")


def test_asgi_153_pathsend_to_a_slow_client(server):
    with server.connect(receive_buffer=4096) as client:
        client.request(target="/pathsend")
        client.request(target="/pathsend")
        assert client.response().body == CONTENT
        assert client.response().body == CONTENT


def test_asgi_153_pathsend_to_head_and_to_1_0(server):
    with server.connect() as client:
        client.request("HEAD", "/pathsend?length")
        assert client.response("HEAD").header("content-length") == str(len(CONTENT))
        assert client.get("/pathsend", version="1.0").body == CONTENT


def test_asgi_153_wrong_paths_raise(server):
    assert server.get("/pathsend-wrong").body == b"still here"
    server.log.wait("relative: ValueError")
    server.log.wait("absent: FileNotFoundError")
    server.log.wait("directory: ValueError")
    server.log.wait("number: TypeError")
    # A blocking open of a FIFO waits for its writer.
    server.log.wait("pipe: ValueError")


def test_asgi_153_not_after_a_body(server):
    assert server.get("/pathsend-after-body").body == b"x"
    server.log.wait("after body: RuntimeError")


def test_asgi_153_a_client_that_leaves(server):
    with server.connect(receive_buffer=4096) as client:
        client.request(target="/pathsend")
        client.read(1000)
        client.reset()
    assert server.get("/extensions").status == 200


@pytest.mark.parametrize(
    "query, expected",
    [("", CONTENT), ("?offset=100", CONTENT[100:]), ("?count=50", CONTENT[:50]), ("?offset=7&count=2000000", CONTENT[7:2_000_007]), ("?offset=99999999", b""), ("?count=0", b"")],
    ids=["all", "from", "first", "middle", "beyond", "nothing"],
)
def test_asgi_152_zerocopysend(server, query, expected):
    assert server.get("/zerocopy" + query).body == expected


def test_asgi_152_mixed_with_bodies(server):
    expected = b"before|" + CONTENT[:1_001_000] + b"|between|" + CONTENT[5:10] + b"|after"
    with server.connect(receive_buffer=4096) as client:
        for _ in range(2):
            assert client.get("/zerocopy-mixed").body == expected


def test_asgi_152_numbers_that_are_no_open_file_raise(server):
    assert server.get("/zerocopy-wrong").body == b"still here"
    for name in ("negative", "smallest", "closed", "never opened"):
        server.log.wait(f"{name}: OSError", count=2)
    server.log.wait("no descriptor: OverflowError", count=2)


def test_asgi_152_order_is_kept_when_send_is_not_awaited(server):
    with server.connect(receive_buffer=4096) as client:
        assert client.get("/zerocopy-not-awaited").body == CONTENT + b"|behind||end"
    server.log.wait("second file: RuntimeError")


def test_asgi_152_files_are_closed(server):
    from harness import processes

    worker = server.wait_ready()[0]
    server.get("/zerocopy")
    before = len(processes.descriptors(worker))
    for _ in range(50):
        server.get("/zerocopy-mixed")
        server.get("/pathsend")
    assert len(processes.descriptors(worker)) <= before + 1


def test_asgi_154_early_hints(server):
    response = server.get("/early-hint")
    assert (response.status, response.body, response.header("x-final")) == (200, b"body", "1")
    (hint,) = response.interim
    assert hint.status == 103
    assert hint.all("link") == ["</a.css>; rel=preload", "</b.js>; rel=preload"]


def test_asgi_154_before_the_start_too(server):
    response = server.get("/early-hint-before")
    assert [hint.all("link") for hint in response.interim] == [["</a.css>"]] and response.body == b"body"
    server.log.wait("wrong link: TypeError")
    server.log.wait("injected: ValueError")


def test_asgi_154_nothing_for_1_0(server):
    with server.connect() as client:
        response = client.get("/early-hint", version="1.0")
    assert response.interim == [] and response.body == b"body"


@pytest.mark.parametrize("query", ["", "?empty"])
def test_asgi_155_trailers(server, query):
    with server.connect() as client:
        for _ in range(2):
            response = client.get("/trailers" + query, [("TE", "trailers")])
            assert response.framing == "chunked" and response.body.endswith(b"two")
            assert response.trailers == [("x-sum", "42"), ("x-more", "1")]
    server.log.wait("after trailers: RuntimeError")


def test_asgi_155_a_value_that_sends_trailers_itself(server):
    with server.connect() as client:
        response = client.get("/trailers-from-within", [("TE", "trailers")])
    assert sorted(response.trailers) == [("x-inner", "1"), ("x-outer", "2")]
    assert server.get("/extensions").status == 200


def test_asgi_155_only_for_who_wants_them(server):
    with server.connect() as client:
        for _ in range(2):
            response = client.get("/trailers")
            assert response.body == b"one two" and response.trailers == []
        client.request("HEAD", "/trailers", [("TE", "trailers")])
        assert client.response("HEAD").status == 200
        assert client.get("/extensions").status == 200


def test_asgi_155_unannounced_or_forbidden_trailers_raise(server):
    assert server.get("/trailers-wrong").body == b"x"
    server.log.wait("unannounced: RuntimeError")
    # What was refused has no other effect.
    with server.connect() as client:
        assert client.get("/trailers-forbidden", [("TE", "trailers")]).trailers == [("x-fine", "1")]
    server.log.wait("forbidden: (ValueError|RuntimeError)")


def test_asgi_155_announced_and_not_sent_is_cut(server):
    with server.connect() as client, pytest.raises(Cut):
        client.get("/trailers-missing", [("TE", "trailers")])
