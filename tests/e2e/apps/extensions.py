"""ASGI's HTTP extensions, one path each."""

import json
import os
from urllib.parse import parse_qs

HERE = os.path.dirname(os.path.abspath(__file__))
FILE = os.path.join(HERE, "file.bin")


async def start(send, headers=(), status=200, **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def part(send, data=b"", more_body=False):
    await send({"type": "http.response.body", "body": data, "more_body": more_body})


def note(text):
    print(f"extension: {text}", flush=True)


async def attempt(send, **event):
    try:
        await send(event)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "sent"


async def app(scope, receive, send):
    assert scope["type"] == "http"
    path = scope["path"]
    query = {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}
    if path == "/extensions":
        await start(send)
        await part(send, json.dumps(scope["extensions"]).encode())
    elif path == "/pathsend":
        size = os.path.getsize(FILE)
        await start(send, [(b"content-length", str(size).encode())] if "length" in query else [])
        await send({"type": "http.response.pathsend", "path": FILE})
        note(f"after pathsend: {await attempt(send, type='http.response.body', body=b'x')}")
    elif path == "/pathsend-wrong":
        await start(send)
        for name, wrong in {"relative": "file.bin", "absent": FILE + ".absent", "directory": HERE, "number": 3, "pipe": FILE + ".pipe"}.items():
            note(f"{name}: {await attempt(send, type='http.response.pathsend', path=wrong)}")
        await part(send, b"still here")
    elif path == "/pathsend-after-body":
        await start(send)
        await part(send, b"x", True)
        note(f"after body: {await attempt(send, type='http.response.pathsend', path=FILE)}")
        await part(send)
    elif path == "/zerocopy":
        await start(send)
        event = {"type": "http.response.zerocopysend"}
        if "offset" in query:
            event["offset"] = int(query["offset"])
        if "count" in query:
            event["count"] = int(query["count"])
        with open(FILE, "rb") as file:
            await send({**event, "file": file})
    elif path == "/zerocopy-mixed":
        await start(send)
        await part(send, b"before|", True)
        with open(FILE, "rb", buffering=0) as file:
            await send({"type": "http.response.zerocopysend", "file": file, "count": 1000, "more_body": True})
            await send({"type": "http.response.zerocopysend", "file": file.fileno(), "count": 1_000_000, "more_body": True})
        await part(send, b"|between|", True)
        with open(FILE, "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, "offset": 5, "count": 5, "more_body": True})
        await part(send, b"|after")
    elif path == "/zerocopy-wrong":
        await start(send)
        with open(FILE, "rb") as file:
            closed = file.fileno()
        for name, wrong in {"negative": -1, "smallest": -2**31, "closed": closed, "never opened": 2**31 - 1, "no descriptor": 2**40}.items():
            for more in {}, {"offset": 0, "count": 1}:
                note(f"{name}: {await attempt(send, type='http.response.zerocopysend', file=wrong, more_body=True, **more)}")
        await part(send, b"still here")
    elif path == "/zerocopy-not-awaited":
        await start(send)
        with open(FILE, "rb") as file:
            send({"type": "http.response.zerocopysend", "file": file, "more_body": True})
            send({"type": "http.response.body", "body": b"|behind|", "more_body": True})
            note(f"second file: {await attempt(send, type='http.response.zerocopysend', file=file, more_body=True)}")
        await part(send, b"|end")
    elif path == "/early-hint":
        await start(send, [(b"x-final", b"1")])
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>; rel=preload"]})
        await part(send, b"body", True)
        await send({"type": "http.response.early_hint", "links": [b"</late>"]})
        await part(send)
    elif path == "/early-hint-before":
        await send({"type": "http.response.early_hint", "links": [b"</a.css>"]})
        note(f"wrong link: {await attempt(send, type='http.response.early_hint', links=['str'])}")
        note(f"injected: {await attempt(send, type='http.response.early_hint', links=[b'x' + bytes([13, 10]) + b'y: z'])}")
        await start(send)
        await part(send, b"body")
    elif path == "/trailers":
        await start(send, [(b"trailer", b"x-sum, x-more")], trailers=True)
        if "empty" not in query:
            await part(send, b"one ", True)
        await part(send, b"two")
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")], "more_trailers": True})
        await send({"type": "http.response.trailers", "headers": [(b"x-more", b"1")]})
        note(f"after trailers: {await attempt(send, type='http.response.trailers', headers=[])}")
    elif path == "/trailers-from-within":
        class More:
            def __bool__(self):
                again.append(send({"type": "http.response.trailers", "headers": [(b"x-inner", b"1")], "more_trailers": True}))
                return False

        again = []
        await start(send, [(b"trailer", b"x-inner, x-outer")], trailers=True)
        await part(send, b"x")
        await send({"type": "http.response.trailers", "headers": [(b"x-outer", b"2")], "more_trailers": More()})
        for one in again:
            await one
    elif path == "/trailers-wrong":
        await start(send)
        await part(send, b"x", True)
        note(f"unannounced: {await attempt(send, type='http.response.trailers', headers=[])}")
        await part(send)
    elif path == "/trailers-forbidden":
        await start(send, trailers=True)
        await part(send, b"x")
        note(f"forbidden: {await attempt(send, type='http.response.trailers', headers=[(b'content-length', b'5')])}")
        await attempt(send, type="http.response.trailers", headers=[(b"x-a", b"1"), (b"x-bad", b"a\r\nb")], more_trailers=True)
        await send({"type": "http.response.trailers", "headers": [(b"x-fine", b"1")]})
    elif path == "/trailers-missing":
        await start(send, trailers=True)
        await part(send, b"x")
    else:
        await start(send, status=404)
        await part(send)
