"""Nothing that an app keeps in what the server gives it outlives its request: references in a circle are collected."""

import pytest

pytestmark = [pytest.mark.both_loops]

COUNTS = """
import asyncio, gc, weakref
alive = weakref.WeakSet()

class Big:
    def __init__(self, **more):
        self.__dict__.update(more)
        alive.add(self)

async def answer(send, text):
    body = text.encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})

def kinds():
    # What the boot has left is frozen.
    gc.unfreeze()
    # The server's classes whose objects the collector tracks.
    return sorted({type(thing).__name__ for thing in gc.get_objects() if type(thing).__module__ == "rgun" and type(thing).__flags__ & 1 << 14})
"""
CIRCLES = {
    "its own task": 'scope["state"] = {"task": asyncio.current_task(), "big": Big()}',
    "its own coroutine": 'scope["run"] = asyncio.current_task().get_coro(); scope["big"] = Big()',
    "receive": 'scope["receive"] = receive; scope["big"] = Big()',
    "send": 'big = Big(send=send); big.itself = big',
    "a receive that nobody awaits": 'waits = receive(); scope["waits"] = Big(waits=waits, scope=scope)',
    "a second receive that nobody awaits": 'await receive(); waits = receive(); scope["waits"] = Big(waits=waits, scope=scope)',
    "a send that failed": 'big = Big(); big.failed = send(big); big.scope = scope; scope["big"] = big',
    "a timeout": 'scope["timeout"] = asyncio.get_running_loop().call_later(0, print); scope["task"] = asyncio.current_task(); scope["big"] = Big()',
}


@pytest.mark.parametrize("circle", CIRCLES)
def test_asgi(serve, app, circle):
    app.write(COUNTS + f"""
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/count":
        gc.collect()
        return await answer(send, str(len(alive)))
    {CIRCLES[circle]}
    await answer(send, "ok")
""")
    server = serve()
    with server.connect() as client:
        for _ in range(200):
            assert client.get("/").status == 200
        assert int(client.get("/count").text) <= 2


def test_the_collector_knows_every_object_that_leads_to_others(serve, app):
    app.write(COUNTS + """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    first = receive()
    second = receive()
    # Some of them come from a free list.
    freed = [receive() for _ in range(200)]
    del freed
    third = [receive() for _ in range(200)]
    assert all(gc.is_tracked(thing) for thing in (first, second, *third, asyncio.current_task().get_coro()))
    assert send.__self__ in gc.get_referents(second), gc.get_referents(second)
    await answer(send, " ".join(kinds()))
""")
    assert {"Engine", "ReadyAwaitable", "ReceiveAwaitable", "Request"} <= set(serve().get("/").text.split())


def test_wsgi_a_file_wrapper_around_what_leads_back_to_it(serve, app):
    app.write("""
import gc, weakref
alive = weakref.WeakSet()

class File:
    def read(self, size=-1):
        return b""

def app(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/count":
        gc.collect()
        return [str(len(alive)).encode()]
    file = File()
    alive.add(file)
    file.wrapper = environ["wsgi.file_wrapper"](file)
    file.environ, file.start_response = environ, start_response
    environ["itself"] = environ
    assert gc.is_tracked(file.wrapper) and file in gc.get_referents(file.wrapper)
    return file.wrapper
""")
    server = serve()
    with server.connect() as client:
        for _ in range(200):
            assert client.get("/").status == 200
        assert int(client.get("/count").text) <= 2
