"""One handler for each thing that an ASGI server must do right: `/name` calls `name`. The stories are in test_asgi_*.py."""

import asyncio
import contextvars
import json
import os
import time
from urllib.parse import parse_qs

HANDLERS = {}
LIFESPAN = {}
VARIABLE = contextvars.ContextVar("variable", default="unset")


def handler(function):
    HANDLERS["/" + function.__name__.replace("_", "-")] = function
    return function


def note(text):
    """A line that a story waits for."""
    print(f"probe: {text}", flush=True)


def plain(value):
    """A scope as JSON: bytes become `{"bytes": latin-1}`, tuples are distinguished from lists."""
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": value.decode("latin-1")}
    if isinstance(value, tuple):
        return {"tuple": [plain(item) for item in value]}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(type(value))


async def body(receive):
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ConnectionError("client left during its body")
        parts.append(event.get("body", b""))
        if not event.get("more_body", False):
            return b"".join(parts)


async def start(send, status=200, headers=(), **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def part(send, data=b"", more_body=False):
    await send({"type": "http.response.body", "body": data, "more_body": more_body})


async def answer(send, value, status=200):
    await start(send, status, [(b"content-type", b"application/json")])
    await part(send, json.dumps(value).encode())


def query(scope):
    return {name: values[-1] for name, values in parse_qs(scope["query_string"].decode()).items()}


async def attempt(send, event):
    """Which exception a `send` raised, or None."""
    try:
        await send(event)
    except Exception as error:
        return type(error).__name__
    return None


async def opened(name="open"):
    """Until the story makes a file of that name."""
    while not os.path.exists(name):
        await asyncio.sleep(0.005)


# The scope.


@handler
async def scope(scope, receive, send):
    kinds = {"scope": type(scope).__name__, "headers": type(scope["headers"]).__name__}
    found = {key: plain(value) for key, value in scope.items() if key != "state"}
    await answer(send, {"scope": found, "kinds": kinds, "keys": [type(key).__name__ for key in scope]})


@handler
async def mutate(scope, receive, send):
    before = "mark" in scope or "mark" in scope.get("state", {})
    scope["mark"] = True
    scope["state"]["mark"] = True
    scope["state"]["shared"].append(1)
    await answer(send, {"before": before, "shared": len(scope["state"]["shared"])})


@handler
async def task(scope, receive, send):
    current = asyncio.current_task()
    unset = VARIABLE.get()
    VARIABLE.set("set")
    thread = await asyncio.get_running_loop().run_in_executor(None, time.monotonic)
    timed_out = False
    try:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)
    except asyncio.TimeoutError:
        timed_out = True
    await answer(send, {"task": isinstance(current, asyncio.Task), "variable": unset, "thread": thread > 0, "timed_out": timed_out})


# receive()


@handler
async def echo(scope, receive, send):
    data = await body(receive)
    await start(send, headers=[(b"content-length", str(len(data)).encode())])
    await part(send, data)


@handler
async def events(scope, receive, send):
    seen = []
    while True:
        event = await receive()
        seen.append([event["type"], len(event.get("body", b"")), event.get("more_body", False)])
        if not event.get("more_body", False):
            break
    await answer(send, seen)


@handler
async def first_event(scope, receive, send):
    event = await receive()
    note(f"first event of {len(event['body'])} bytes, more_body={event['more_body']}")
    await answer(send, len(event["body"]) + len(await body(receive)))


@handler
async def after_body(scope, receive, send):
    await body(receive)
    try:
        again = (await asyncio.wait_for(receive(), 0.2))["type"]
    except asyncio.TimeoutError:
        again = "blocked"
    await answer(send, again)


@handler
async def cancelled_receive(scope, receive, send):
    """A receive() that is cancelled lets CancelledError out and loses nothing."""
    cancelled = 0
    parts = []
    waiting = True
    note("receiving")
    while waiting:
        try:
            event = await asyncio.wait_for(receive(), 0.02)
        except asyncio.TimeoutError:
            cancelled += 1
            continue
        parts.append(event["body"].decode())
        waiting = event["more_body"]
    await answer(send, {"cancelled": cancelled, "body": "".join(parts)})


@handler
async def wait_disconnect(scope, receive, send):
    await body(receive)
    note("waiting for the client to leave")
    kinds = [(await receive())["type"], (await receive())["type"]]
    note(f"left: {kinds}")


@handler
async def disconnect_after_response(scope, receive, send):
    await body(receive)
    await answer(send, "done")
    event = await receive()
    note(f"after the response: {event['type']}")


@handler
async def ignore_body(scope, receive, send):
    await answer(send, "ignored")


@handler
async def broken_body(scope, receive, send):
    kinds = []
    while True:
        event = await receive()
        kinds.append(event["type"])
        if event["type"] == "http.disconnect" or not event["more_body"]:
            break
    note(f"broken body: {kinds[-1]}")


# send()


@handler
async def wrong_events(scope, receive, send):
    ok = {"type": "http.response.start", "status": 200, "headers": []}
    wrong = {
        "body before start": {"type": "http.response.body", "body": b""},
        "unknown type": {"type": "http.response.nonsense"},
        "no type": {"status": 200},
        "no status": {"type": "http.response.start", "headers": []},
        "status as str": {**ok, "status": "200"},
        "str header": {**ok, "headers": [("a", "b")]},
        "header without value": {**ok, "headers": [(b"a",)]},
        "newline in value": {**ok, "headers": [(b"a", b"b\r\nc: d")]},
        "newline in name": {**ok, "headers": [(b"a\r\nb", b"c")]},
        "nul in value": {**ok, "headers": [(b"a", b"b\0")]},
        "bell in value": {**ok, "headers": [(b"a", b"b\x07")]},
        "space in name": {**ok, "headers": [(b"a b", b"c")]},
        "empty name": {**ok, "headers": [(b"", b"c")]},
        "pseudo header": {**ok, "headers": [(b":status", b"200")]},
        "status too small": {**ok, "status": 42},
        "status too large": {**ok, "status": 1000},
        "not a dict": "http.response.start",
    }
    found = {name: await attempt(send, event) for name, event in wrong.items()}
    await start(send)
    late = {
        "second start": dict(ok),
        "body as str": {"type": "http.response.body", "body": "text"},
        "websocket": {"type": "websocket.send", "text": "a"},
    }
    found.update([(name, await attempt(send, event)) for name, event in late.items()])
    await part(send, json.dumps(found).encode())


@handler
async def after_end(scope, receive, send):
    await start(send, headers=[(b"content-length", b"3")])
    await part(send, b"end")
    error = await attempt(send, {"type": "http.response.body", "body": b"HTTP/1.1 200 OK\r\n\r\n"})
    note(f"after the end: {error}")


@handler
async def extra_keys(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [], "colour": "green"})
    await send({"type": "http.response.body", "body": b"extra", "taste": 1})


@handler
async def few_keys(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})


@handler
async def header_iterator(scope, receive, send):
    pairs = [(b"x-first", b"1"), [b"x-second", b"2"], (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": iter(pairs)})
    await part(send, b"ok")


@handler
async def header_order(scope, receive, send):
    pairs = [(b"set-cookie", b"a=1"), (b"x-a", b"1"), (b"Set-Cookie", b"b=2"), (b"x-b", b"\xe9\xff"), (b"set-cookie", b"c=3")]
    await start(send, headers=pairs)
    await part(send, b"ok")


@handler
async def own_framing(scope, receive, send):
    await start(send, headers=[(b"transfer-encoding", b"gzip, chunked"), (b"connection", b"upgrade")])
    await part(send, b"framed")


@handler
async def cancels_itself(scope, receive, send):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


@handler
async def gathers(scope, receive, send):
    """Some of the calls are wrong; they are made before one of them is awaited."""
    found = await asyncio.gather(
        send({"type": "http.no.such"}),
        send({"type": "http.response.start", "status": 200, "headers": [("str", "str")]}),
        return_exceptions=True,
    )
    told = json.dumps([type(error).__name__ for error in found]).encode()
    await asyncio.gather(start(send, headers=[(b"x-found", told)]), part(send, b"gathered"))


@handler
async def blocks_after_part(scope, receive, send):
    """The loop does not turn between the parts."""
    await start(send)
    await part(send, b"first", True)
    while not os.path.exists("open"):
        time.sleep(0.005)
    await part(send, b"second", True)
    await part(send)


@handler
async def sends_without_end(scope, receive, send):
    """Until a send is not done at once."""
    await start(send)
    sent = 0
    while True:
        step = asyncio.ensure_future(part(send, bytes(65536), True))
        for _ in range(5):
            await asyncio.sleep(0)
        if not step.done():
            break
        await step
        sent += 64
    note(f"send waits after {sent} KiB")
    await step


@handler
async def one_message(scope, receive, send):
    await start(send)
    await part(send, b"whole")


@handler
async def two_messages(scope, receive, send):
    await start(send)
    await part(send, b"first ", True)
    await part(send, b"second")


@handler
async def declared(scope, receive, send):
    await start(send, headers=[(b"content-length", b"12")])
    await part(send, b"first ", True)
    await part(send, b"second")


@handler
async def status(scope, receive, send):
    wanted = query(scope)
    headers = [(b"content-length", wanted["length"].encode())] if "length" in wanted else []
    await start(send, int(wanted["code"]), headers)
    await part(send, wanted.get("body", "").encode())


@handler
async def buffers(scope, receive, send):
    await start(send)
    await part(send, bytearray(b"array "), True)
    await part(send, memoryview(b"a view")[2:])


@handler
async def too_long(scope, receive, send):
    await start(send, headers=[(b"content-length", b"5")])
    error = await attempt(send, {"type": "http.response.body", "body": b"12345HTTP/1.1 200 OK\r\n\r\n"})
    note(f"too long: {error}")


@handler
async def too_short(scope, receive, send):
    await start(send, headers=[(b"content-length", b"10")])
    await part(send, b"12345")


@handler
async def too_short_stream(scope, receive, send):
    await start(send, headers=[(b"content-length", b"10")])
    await part(send, b"12345", more_body=True)
    await part(send, b"6")


@handler
async def raise_before(scope, receive, send):
    raise ValueError("raised before the start")


@handler
async def raise_between(scope, receive, send):
    await start(send)
    raise ValueError("raised between start and body")


@handler
async def raise_within(scope, receive, send):
    await start(send)
    await part(send, b"a part", True)
    raise ValueError("raised within the body")


@handler
async def raise_after(scope, receive, send):
    await answer(send, "whole")
    raise ValueError("raised after the end")


@handler
async def raise_exit(scope, receive, send):
    raise SystemExit("an app must not end the worker")


@handler
async def nothing(scope, receive, send):
    return


@handler
async def start_only(scope, receive, send):
    await start(send)


@handler
async def half(scope, receive, send):
    await start(send)
    await part(send, b"a part", True)


@handler
async def return_value(scope, receive, send):
    await answer(send, "whole")
    return "a value"


@handler
async def send_after_disconnect(scope, receive, send):
    await body(receive)
    note("waiting for the client to leave")
    await receive()
    found = []
    for event in (
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": b"late", "more_body": True},
    ):
        try:
            await send(event)
            found.append("no error")
        except OSError as error:
            found.append(f"OSError {type(error).__name__}")
        except Exception as error:
            found.append(type(error).__name__)
    note(f"send after disconnect: {found}")


@handler
async def keeps_sending(scope, receive, send):
    """An app that does not care: its errors must not fill the log."""
    await start(send)
    note("sending")
    failed = 0
    while failed < 1000:
        try:
            await part(send, b"x" * 1000, True)
        except OSError:
            failed += 1
        await asyncio.sleep(0)
    note("gave up")


@handler
async def lets_oserror_out(scope, receive, send):
    await start(send)
    note("sending")
    try:
        while True:
            await part(send, b"x" * 1000, True)
            await asyncio.sleep(0)
    finally:
        note("ended by an error")


@handler
async def background(scope, receive, send):
    await answer(send, "answered")
    await opened()
    note("background work is done")


@handler
async def stays_after_disconnect(scope, receive, send):
    note("waiting")
    try:
        await opened()
        note("ran to its end")
    except asyncio.CancelledError:
        note("was cancelled")
        raise
    await attempt(send, {"type": "http.response.start", "status": 200, "headers": []})


@handler
async def extensions(scope, receive, send):
    await answer(send, sorted(scope.get("extensions") or {}))


@handler
async def trailers(scope, receive, send):
    await start(send, trailers=True)
    await part(send, b"body")
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")], "more_trailers": False})


@handler
async def seen(scope, receive, send):
    """For smuggling: the paths that ever reached this worker."""
    await answer(send, LIFESPAN["requests"])


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        LIFESPAN["scope"] = plain(scope)
        LIFESPAN["requests"] = []
        scope["state"]["shared"] = []
        scope["state"]["lifespan"] = LIFESPAN["scope"]
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    LIFESPAN["requests"].append([scope["method"], scope["path"]])
    found = HANDLERS.get(scope["path"])
    if found is None:
        await body(receive)
        return await answer(send, "no such probe", 404)
    return await found(scope, receive, send)


@handler
async def lifespan(scope, receive, send):
    await answer(send, scope["state"]["lifespan"])
