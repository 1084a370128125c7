"""What HTTP/2 has to carry, as ASGI (`app`) and as WSGI (`application`)."""

import asyncio
import json
import os
import time
from urllib.parse import parse_qs

SENT = 0


async def read(receive):
    body = b""
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


async def answer(send, body, headers=(), status=200):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def websocket(scope, receive, send):
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/refuse":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
    while (event := await receive())["type"] == "websocket.receive":
        text = event.get("text")
        await send({"type": "websocket.send", **({"text": f"{scope['http_version']} {text}"} if text else {"bytes": event["bytes"]})})


async def app(scope, receive, send):
    global SENT
    if scope["type"] == "websocket":
        return await websocket(scope, receive, send)
    assert scope["type"] == "http"
    path = scope["path"]
    query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
    if path == "/scope":
        shown = {name: scope[name] for name in ("http_version", "scheme", "method", "path")}
        shown["headers"] = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
        await answer(send, json.dumps(shown).encode())
    elif path == "/echo":
        await answer(send, await read(receive) or b"")
    elif path == "/stream-echo":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            event = await receive()
            await send({"type": "http.response.body", "body": event.get("body", b""), "more_body": event.get("more_body", False)})
            if not event.get("more_body"):
                break
    elif path == "/large":
        await answer(send, bytes(range(256)) * (int(query["size"]) // 256))
    elif path == "/pieces":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(int(query["count"])):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
            SENT += 1
        await send({"type": "http.response.body", "body": b""})
    elif path == "/sent":
        await answer(send, str(SENT).encode())
    elif path == "/unread":
        await answer(send, b"not read")
    elif path == "/slow-reader":
        while not os.path.exists("open"):
            await asyncio.sleep(0.01)
        await answer(send, str(len(await read(receive) or b"")).encode())
    elif path == "/trailers":
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"body"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})
    elif path == "/hint":
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await answer(send, b"hinted")
    elif path == "/status":
        await answer(send, b"", status=int(query["code"]))
    elif path == "/file":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": __file__})
    elif path == "/fail":
        raise RuntimeError("as asked")
    elif path == "/fields":
        await answer(send, b"fields", fields(int(query["count"])))
    elif path == "/panic":
        raise panic()
    elif path == "/twice":
        await answer(send, b"once")
        await send({"type": "http.response.body", "body": b"twice"})
    elif path == "/cut":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(int(query.get("pieces", 1))):
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("as asked")
    elif path == "/wait":
        print("request waits", flush=True)
        left = False
        while not os.path.exists("open") and not left:
            try:
                left = (await asyncio.wait_for(receive(), 0.02))["type"] == "http.disconnect"
            except (TimeoutError, asyncio.TimeoutError):
                pass
        if left:
            print("client has left", flush=True)
        else:
            await answer(send, b"waited")
    else:
        await answer(send, b"hello")


def fields(count):
    return [(b"x-%d" % n, b"v") for n in range(count)]


def panic():
    """What a call of the server raises where the server's own code panics."""
    (kind,) = (kind for kind in BaseException.__subclasses__() if kind.__name__ == "PanicException")
    return kind("as asked")


def cut(pieces):
    for _ in range(pieces):
        yield b"half"
    raise RuntimeError("as asked")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    status, body, headers = "200 OK", b"hello", []
    if path == "/scope":
        names = ("SERVER_PROTOCOL", "REQUEST_METHOD", "PATH_INFO", "HTTP_HOST", "HTTP_COOKIE", "CONTENT_LENGTH", "wsgi.url_scheme")
        body = json.dumps({name: environ.get(name) for name in names}).encode()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    elif path == "/large":
        body = bytes(range(256)) * (int(query["size"]) // 256)
    elif path == "/pieces":
        start_response(status, [])
        return (b"x" * 10_000 for _ in range(int(query["count"])))
    elif path == "/file":
        start_response(status, [])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    elif path == "/status":
        status, body = f"{query['code']} Status", b""
    elif path == "/wait":
        print("request waits", flush=True)
        while not os.path.exists("open"):
            time.sleep(0.01)
        body = b"waited"
    elif path == "/fail":
        raise RuntimeError("as asked")
    elif path == "/fields":
        headers = [(name.decode(), value.decode()) for name, value in fields(int(query["count"]))]
    elif path == "/panic":
        raise panic()
    elif path == "/cut":
        start_response(status, [])
        return cut(int(query.get("pieces", 1)))
    start_response(status, headers)
    return [body]
