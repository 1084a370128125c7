"""One handler for each thing that an ASGI server must do right with WebSockets: `/name` calls `name`."""

import asyncio
import json
import os
from urllib.parse import parse_qs

HANDLERS = {}


def handler(function):
    HANDLERS["/" + function.__name__.replace("_", "-")] = function
    return function


def note(text):
    """A line that a story waits for."""
    print(f"socket: {text}", flush=True)


def plain(value):
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(type(value))


def query(scope):
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode(), keep_blank_values=True).items()}


async def opened(name="open"):
    """Until the story makes a file of that name."""
    while not os.path.exists(name):
        await asyncio.sleep(0.005)


async def accept(receive, send, **more):
    event = await receive()
    assert event == {"type": "websocket.connect"}, event
    await send({"type": "websocket.accept", **more})


async def attempt(send, **event):
    """What a `send` raised: its type and, for OSError, that it is one."""
    try:
        await send(event)
    except OSError as error:
        return f"OSError {type(error).__name__}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "sent"


async def until_disconnect(receive):
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            note(f"disconnect {json.dumps(event)}")
            return event


@handler
async def echo(scope, receive, send):
    await accept(receive, send)
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            note(f"disconnect {json.dumps(event)}")
            return
        assert (event.get("text") is None) != (event.get("bytes") is None), event
        await send({**event, "type": "websocket.send"})


@handler
async def scope(scope, receive, send):
    await accept(receive, send)
    await send({"type": "websocket.send", "text": json.dumps({"scope": plain(scope), "type": type(scope).__name__})})
    await until_disconnect(receive)


@handler
async def state(scope, receive, send):
    await accept(receive, send)
    scope["state"]["mine"] = True
    await send({"type": "websocket.send", "text": json.dumps({"lifespan": scope["state"]["lifespan"], "keys": sorted(scope["state"])})})


@handler
async def waits_before_accept(scope, receive, send):
    note(f"first {json.dumps(await receive())}")
    await opened()
    await send({"type": "websocket.accept"})
    await until_disconnect(receive)


@handler
async def leaves_before_accept(scope, receive, send):
    await receive()
    note("connecting")
    note(f"second {json.dumps(await receive())}")
    note(f"accept: {await attempt(send, type='websocket.accept')}")


@handler
async def accept_with(scope, receive, send):
    await accept(receive, send, headers=iter([(b"X-One", b"1"), (b"set-cookie", b"a=1"), (b"x-two", b"2"), (b"set-cookie", b"b=2")]), subprotocol=None)


@handler
async def subprotocol(scope, receive, send):
    await receive()
    note(f"subprotocol: {await attempt(send, type='websocket.accept', subprotocol=query(scope)['name'])}")
    await attempt(send, type="websocket.close")


@handler
async def forbidden_header(scope, receive, send):
    await receive()
    note(f"header: {await attempt(send, type='websocket.accept', headers=[(b'Sec-WebSocket-Protocol', b'chat')])}")
    await send({"type": "websocket.accept"})


@handler
async def reject(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})
    note(f"after the rejection: {json.dumps(await receive())}")
    note(f"accept after the rejection: {await attempt(send, type='websocket.accept')}")


@handler
async def return_before(scope, receive, send):
    await receive()


@handler
async def raise_before(scope, receive, send):
    await receive()
    raise ValueError("raised before accept")


@handler
async def deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic"), (b"x-one", b"1")]})
    await send({"type": "websocket.http.response.body", "body": b"not ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"you"})
    note(f"accept after the answer: {await attempt(send, type='websocket.accept')}")
    note(f"after the answer: {json.dumps(await receive())}")


@handler
async def deny_half(scope, receive, send):
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b"half", "more_body": True})


@handler
async def late_answer(scope, receive, send):
    await accept(receive, send)
    note(f"answer after accept: {await attempt(send, type='websocket.http.response.start', status=200, headers=[])}")


@handler
async def close(scope, receive, send):
    await accept(receive, send)
    wanted = query(scope)
    event = {"type": "websocket.close"}
    if "code" in wanted:
        event["code"] = int(wanted["code"])
    if "reason" in wanted:
        event["reason"] = wanted["reason"]
    note(f"close: {await attempt(send, **event)}")
    note(f"send after close: {await attempt(send, type='websocket.send', text='late')}")
    note(f"close after close: {await attempt(send, type='websocket.close')}")
    await until_disconnect(receive)


@handler
async def return_after(scope, receive, send):
    await accept(receive, send)


@handler
async def raise_after(scope, receive, send):
    await accept(receive, send)
    raise ValueError("raised after accept")


@handler
async def wrong_messages(scope, receive, send):
    await receive()
    found = {"send before accept": await attempt(send, type="websocket.send", text="x")}
    await send({"type": "websocket.accept"})
    for name, event in {
        "accept twice": {"type": "websocket.accept"},
        "nothing": {"type": "websocket.send"},
        "both None": {"type": "websocket.send", "text": None, "bytes": None},
        "both": {"type": "websocket.send", "text": "a", "bytes": b"b"},
        "text of bytes": {"type": "websocket.send", "text": b"a"},
        "bytes of str": {"type": "websocket.send", "bytes": "a"},
        "surrogate": {"type": "websocket.send", "text": "\ud800"},
        "unknown type": {"type": "websocket.unknown"},
        "http": {"type": "http.response.start", "status": 200},
        "close code": {"type": "websocket.close", "code": 1005},
        "close code type": {"type": "websocket.close", "code": "1000"},
        "long reason": {"type": "websocket.close", "reason": "x" * 124},
        "unknown key": {"type": "websocket.send", "text": "kept", "extra": 1},
        "bytearray": {"type": "websocket.send", "bytes": bytearray(b"array")},
        "memoryview": {"type": "websocket.send", "bytes": memoryview(b"view")},
    }.items():
        found[name] = await attempt(send, **event)
    await send({"type": "websocket.send", "text": json.dumps(found)})


@handler
async def send_after_disconnect(scope, receive, send):
    await accept(receive, send)
    await until_disconnect(receive)
    note(f"send after disconnect: {await attempt(send, type='websocket.send', text='late')}")
    note(f"close after disconnect: {await attempt(send, type='websocket.close')}")
    note(f"again: {json.dumps(await receive())}")


@handler
async def lets_oserror_out(scope, receive, send):
    await accept(receive, send)
    note("sending")
    while True:
        await send({"type": "websocket.send", "bytes": b"x" * 1000})
        await asyncio.sleep(0)


@handler
async def flood(scope, receive, send):
    """Sends until `send` waits, and reports how much that was."""
    await accept(receive, send)
    sent = 0

    async def one():
        nonlocal sent
        await send({"type": "websocket.send", "bytes": b"x" * 10_000})
        sent += 10_000

    try:
        while True:
            task = asyncio.ensure_future(one())
            done, _ = await asyncio.wait([task], timeout=1.0)
            if not done:
                note(f"send waits after {sent}")
                await task
                note("send goes on")
                return
    except OSError as error:
        note(f"flood ended by {type(error).__name__}")


@handler
async def slow(scope, receive, send):
    """Receives nothing before the story allows it."""
    await accept(receive, send)
    await opened()
    count = size = 0
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            note(f"slow took {count} messages of {size} bytes, then {json.dumps(event)}")
            return
        count += 1
        size += len(event.get("text") or event.get("bytes") or "")
        if event.get("text") == "count":
            await send({"type": "websocket.send", "text": str(count)})


@handler
async def cancelled_receive(scope, receive, send):
    """A `receive` that was given up loses nothing."""
    await accept(receive, send)
    for _ in range(3):
        try:
            await asyncio.wait_for(receive(), 0.01)
        except asyncio.TimeoutError:
            pass
    await send({"type": "websocket.send", "text": "ready"})
    event = await receive()
    await send({"type": "websocket.send", "text": event["text"]})


@handler
async def both_ways(scope, receive, send):
    """A receiver and a sender at the same time."""
    await accept(receive, send)

    async def count():
        for number in range(100):
            await send({"type": "websocket.send", "text": str(number)})
            await asyncio.sleep(0)

    sender = asyncio.ensure_future(count())
    await until_disconnect(receive)
    await asyncio.gather(sender, return_exceptions=True)


@handler
async def hold(scope, receive, send):
    await accept(receive, send)
    note("holding")
    await until_disconnect(receive)


@handler
async def ignores(scope, receive, send):
    """Never looks whether the client is there."""
    await accept(receive, send)
    note("ignoring")
    await opened()
    note(f"ignored: {await attempt(send, type='websocket.send', text='late')}")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        scope["state"]["lifespan"] = True
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "http":
        status = 200 if scope["path"] == "/http" else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        names = sorted(name.decode() for name, _ in scope["headers"])
        await send({"type": "http.response.body", "body": json.dumps({"type": "http", "headers": names}).encode()})
        return
    await HANDLERS[scope["path"]](scope, receive, send)
