"""A client that has shut down its sending side (SHUT_WR) still gets its response (ASGI-081)."""

import pytest

from harness.waiting import stays

pytestmark = [pytest.mark.both_loops]


@pytest.mark.both_artifacts
def test_after_a_get(serve):
    server = serve("hello.py", workers=1)
    with server.connect() as client:
        client.request()
        client.half_close()
        assert client.response().text == "Hello, world!"
        assert client.ending() == "closed"


def test_after_a_body(serve):
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request("POST", "/echo", body=b"x" * 100_000)
        client.half_close()
        assert client.response().body == b"x" * 100_000


def test_while_the_app_works(serve, app):
    server = serve("gate.py", workers=1)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        client.half_close()
        assert client.quiet(0.2)
        (app.path / "open").touch()
        assert client.response().text == "waited"


def test_is_no_disconnect_for_an_app_that_listens_for_one(serve, app):
    """Django and Starlette cancel a view when receive() returns a disconnect."""
    app.write("""
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await receive()
    listener = asyncio.ensure_future(receive())
    print("listening for a disconnect", flush=True)
    while not os.path.exists("open") and not listener.done():
        await asyncio.sleep(0.01)
    left = listener.done()
    listener.cancel()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"left" if left else b"stayed"})
""")
    server = serve(workers=1)
    with server.connect() as client:
        client.request()
        server.log.wait("listening for a disconnect")
        client.half_close()
        stays(lambda: client.quiet(0.02), "no answer yet", 0.2)
        (app.path / "open").touch()
        assert client.response().text == "stayed"


def test_pipelined_requests_before_it_are_all_answered(serve):
    server = serve("hello.py", workers=1)
    with server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        client.half_close()
        assert [client.response().text for _ in range(3)] == ["Hello, world!"] * 3
        assert client.ending() == "closed"


def test_a_full_close_is_noticed_after_a_half_close(serve):
    server = serve("probe.py", workers=1)
    with server.connect() as client:
        client.request(target="/keeps-sending")
        client.half_close()
        client.read(100)
    server.log.wait("gave up")
