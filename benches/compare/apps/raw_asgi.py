"""ASGI applications without a framework: what is measured is the server."""

HELLO = b"Hello, world!"
TEN_KB = b"0123456789abcdef" * 640
CHUNK = b"data: " + b"x" * 248 + b"\n\n"
CHUNKS = 50


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


def fixed(body):
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def ws_echo(scope, receive, send):
    """Sends every message back; to the question whether it is up it says hello."""
    if scope["type"] != "websocket":
        return await hello(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})


hello = fixed(HELLO)
ten_kb = fixed(TEN_KB)


async def echo(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def upload(scope, receive, send):
    """Reads it all, and keeps nothing."""
    while scope["type"] == "http" and (await receive()).get("more_body"):
        pass
    await hello(scope, receive, send)


async def stream(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
