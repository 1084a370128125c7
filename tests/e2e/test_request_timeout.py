"""`--request-timeout`: an ASGI request that takes too long is cancelled, and its client is answered."""

import pytest
from harness.response import Cut, NoResponse

SLOW = """
import asyncio

seen = []

async def app(scope, receive, send):
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] in ("/silent", "/streams"):
        try:
            if scope["path"] == "/streams":
                await send(start)
                await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            print("cancelled", scope["path"], flush=True)
            raise
    await send(start)
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.fixture
def server(serve, app):
    app.write(SLOW)
    return serve(None, "--request-timeout", "300ms")


def test_504_when_nothing_was_sent(server):
    with server.connect() as client:
        assert client.get("/silent").status == 504
    server.log.wait("cancelled /silent")
    server.log.wait(r'request cancelled: it took longer than --request-timeout.*GET /silent')
    assert server.get("/").body == b"ok"


def test_a_stream_is_cut(server):
    with server.connect() as client:
        with pytest.raises((Cut, NoResponse, ConnectionResetError)):
            client.get("/streams")
    server.log.wait("cancelled /streams")
    assert server.get("/").body == b"ok"
