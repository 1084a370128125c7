"""The soak's ASGI app: each path exercises another part of the server."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo_messages(receive, send)
    else:
        await PATHS.get(scope["path"], hello)(scope, receive, send)


async def lifespan(receive, send):
    while True:
        kind = (await receive())["type"]
        await send({"type": kind + ".complete"})
        if kind == "lifespan.shutdown":
            return


async def echo_messages(receive, send):
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.disconnect":
            return
        elif message.get("text") == "raise":
            raise RuntimeError("asked for")
        else:
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})


async def answer(send, body, headers=()):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), *headers]})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send):
    await answer(send, b"hello", [(b"content-length", b"5")])


async def echo(scope, receive, send):
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            return await answer(send, b"%d" % size)


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(40):
        await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body"})


async def large(scope, receive, send):
    await answer(send, b"0123456789" * 300_000)


async def wait(scope, receive, send):
    """As long polls do: until something happens or the client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def sleep(scope, receive, send):
    await asyncio.sleep(0.02)
    await answer(send, b"slept")


async def raise_early(scope, receive, send):
    raise RuntimeError("asked for")


async def raise_late(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 100, "more_body": True})
    raise RuntimeError("asked for")


async def nothing(scope, receive, send):
    return


PATHS = {"/echo": echo, "/stream": stream, "/large": large, "/wait": wait, "/sleep": sleep, "/raise": raise_early, "/cut": raise_late, "/nothing": nothing}
