"""Answers the questions of the WSGI conformance tests: one function for each path."""

import gc
import gzip
import io
import json
import os
import sys
import tempfile
import threading
import time

FACTS = {"closed": [], "seen": {}, "environs": []}
LOCK = threading.Lock()
TEXT = [("Content-Type", "text/plain")]


def plain(start_response, body, status="200 OK", headers=()):
    if isinstance(body, str):
        body = body.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def as_json(start_response, value):
    return plain(start_response, json.dumps(value))


class Closing:
    """Blocks with a `close()` that is counted, with the thread that called it."""

    def __init__(self, name, blocks):
        self.name, self.blocks = name, iter(blocks)
        self.thread = threading.get_ident()

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        with LOCK:
            FACTS["closed"].append((self.name, threading.get_ident() == self.thread))


class Sized(Closing):
    def __len__(self):
        return 1


# environ


def environ_(environ, start_response):
    """All values that JSON can express, and the types of the rest."""
    types = {key: type(value).__name__ for key, value in environ.items()}
    values = {key: value for key, value in environ.items() if isinstance(value, (str, int, bool, tuple))}
    return as_json(start_response, {"type": type(environ).__name__, "builtin": type(environ) is dict, "types": types, "values": values})


def fresh(environ, start_response):
    dirty = environ.get("dirty")
    environ["dirty"] = "yes"
    del environ["REQUEST_METHOD"]
    environ["wsgi.version"] = (9, 9)
    with LOCK:
        same = any(environ is other for other in FACTS["environs"])
        FACTS["environs"] = [environ]
    return as_json(start_response, {"dirty": dirty, "same": same})


def concurrent(environ, start_response):
    with LOCK:
        FACTS["seen"]["inside"] = FACTS["seen"].get("inside", 0) + 1
        most = FACTS["seen"]["inside"]
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        time.sleep(0.01)
        with LOCK:
            most = max(most, FACTS["seen"]["inside"])
    with LOCK:
        FACTS["seen"]["inside"] -= 1
    return as_json(start_response, {"most": most, "thread": threading.current_thread().name, "multithread": environ["wsgi.multithread"]})


# input


def read(environ, start_response):
    stream = environ["wsgi.input"]
    how = environ["QUERY_STRING"]
    if how == "all":
        parts = [stream.read()]
    elif how == "none":
        parts = [stream.read(None)]
    elif how == "minus":
        parts = [stream.read(-1)]
    elif how == "sized":
        parts = [stream.read(3), stream.read(0), stream.read(1), stream.read(1_000_000), stream.read(5)]
    elif how == "lines":
        parts = stream.readlines()
    elif how == "hint":
        parts = stream.readlines(2)
    elif how == "line":
        parts = [stream.readline(), stream.readline(2), stream.readline(), stream.readline(), stream.readline()]
    elif how == "iter":
        parts = list(stream)
    elif how == "buffered":
        parts = [io.BufferedReader(stream).read()]
    parts.append(stream.read())
    return as_json(start_response, [part.decode("latin-1") for part in parts])


def digest(environ, start_response):
    import hashlib

    total, sha = 0, hashlib.sha256()
    stream = environ["wsgi.input"]
    while block := stream.read(1_000_003):
        total += len(block)
        sha.update(block)
    return as_json(start_response, {"size": total, "sha256": sha.hexdigest(), "length": environ.get("CONTENT_LENGTH")})


def line_sizes(environ, start_response):
    return as_json(start_response, [len(line) for line in environ["wsgi.input"]])


def upload(environ, start_response):
    """Whether the app was called with what came of a body that was cut off."""
    try:
        got = environ["wsgi.input"].read()
        FACTS["seen"]["upload"] = len(got)
    except OSError as error:
        FACTS["seen"]["upload"] = type(error).__mro__[0].__name__
        print("upload failed with an OSError", flush=True)
        raise
    return plain(start_response, "read")


def ignore(environ, start_response):
    return plain(start_response, "ignored")


def errors(environ, start_response):
    stream = environ["wsgi.errors"]
    stream.write("the first line é\n")
    stream.write("begun, ")
    stream.write("ended\nnext")
    stream.flush()
    stream.writelines(["from a list\n", "of lines\n"])
    wrong = None
    try:
        stream.write(b"bytes")
    except TypeError as error:
        wrong = str(error)
    print("printed to it", file=stream)
    return as_json(start_response, wrong)


# start_response, write, iterable


def status(environ, start_response):
    return plain(start_response, "", status=environ["QUERY_STRING"].replace("+", " "))


def odd_status(environ, start_response):
    return plain(start_response, "odd", status="299 Rather Odd (really)")


def wrong_calls(environ, start_response):
    found = {}

    def attempt(name, *arguments):
        try:
            start_response(*arguments)
            found[name] = None
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"

    attempt("bytes status", b"200 OK", [])
    attempt("int status", 200, [])
    attempt("short status", "20 OK", [])
    attempt("no reason", "200OK", [])
    attempt("letters", "abc OK", [])
    attempt("informational", "100 Continue", [])
    attempt("newline in status", "200 OK\r\nX-Evil: 1", [])
    attempt("str headers", "200 OK", "Content-Type: text/plain")
    attempt("dict headers", "200 OK", {"a": "b"})
    attempt("none headers", "200 OK", None)
    attempt("bytes name", "200 OK", [(b"a", "b")])
    attempt("bytes value", "200 OK", [("a", b"b")])
    attempt("int value", "200 OK", [("Content-Length", 5)])
    attempt("none value", "200 OK", [("a", None)])
    attempt("triple", "200 OK", [("a", "b", "c")])
    attempt("no pair", "200 OK", ["a"])
    attempt("newline in value", "200 OK", [("a", "b\r\nX-Evil: 1")])
    attempt("lone newline", "200 OK", [("a", "b\nX-Evil: 1")])
    attempt("nul in value", "200 OK", [("a", "b\0")])
    attempt("newline in name", "200 OK", [("a\r\nX-Evil", "1")])
    attempt("space in name", "200 OK", [("a b", "c")])
    attempt("colon in name", "200 OK", [("a:", "c")])
    attempt("empty name", "200 OK", [("", "c")])
    attempt("beyond latin-1", "200 OK", [("a", "\u20ac")])
    attempt("bad length", "200 OK", [("Content-Length", "-1")])
    attempt("no arguments")
    attempt("right", "200 OK", [("Content-Type", "application/json")])
    attempt("twice", "200 OK", [])
    return [json.dumps(found).encode()]


def keywords(environ, start_response):
    """The names are gunicorn's and wsgiref's."""
    start_response(status="200 OK", headers=[("X-Old", "1")], exc_info=None)
    try:
        raise ValueError("for exc_info")
    except ValueError:
        start_response("418 Teapot", [("X-New", "1")], exc_info=sys.exc_info())
    body = environ["wsgi.input"]
    read = [body.read(size=2), body.readline(size=1), *body.readlines(hint=100)]
    wrapped = environ["wsgi.file_wrapper"](io.BytesIO(b"".join(read)), blksize=2)
    return list(wrapped)


def latin1_headers(environ, start_response):
    start_response("200 Caf\xe9", [("X-Name", "\xe9\xff"), ("Set-Cookie", "a=1"), ("x-B", "2"), ("Set-Cookie", "b=2")])
    return [b"ok"]


def hop_by_hop(environ, start_response):
    start_response("200 OK", [*TEXT, ("Transfer-Encoding", "chunked"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("Upgrade", "h2c"), ("Connection", "keep-alive")])
    return [b"framed"]


def connection_close(environ, start_response):
    return plain(start_response, "bye", headers=[("Connection", "close")])


def write(environ, start_response):
    put = start_response("200 OK", TEXT)
    put(b"one ")
    put(b"")
    put(b"two ")
    return [b"three"]


def write_only(environ, start_response):
    start_response("200 OK", TEXT)(b"written")
    return []


def write_step(environ, start_response):
    put = start_response("200 OK", TEXT)
    put(b"first")
    wait_for("go")
    put(b"second")
    return []


def write_wrong(environ, start_response):
    put = start_response("200 OK", [("Content-Type", "application/json")])
    found = []
    for wrong in ("text", None, 5, [b"list"]):
        try:
            put(wrong)
        except TypeError as error:
            found.append(str(error))
    return [json.dumps(found).encode()]


def write_too_much(environ, start_response):
    put = start_response("200 OK", [("Content-Length", "4")])
    put(b"1234")
    try:
        put(b"5678")
    except Exception as error:
        print(f"write raised {type(error).__name__}", flush=True)
    return []


def wait_for(name):
    """Until the test makes a file of that name."""
    deadline = time.monotonic() + 20
    while not os.path.exists(name):
        if time.monotonic() > deadline:
            raise TimeoutError(name)
        time.sleep(0.005)


def lonely_head(environ, start_response):
    """The head must wait for the first block, however long that takes: until then another response may take its place."""
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    yield b""
    wait_for("go")
    start_response("418 Teapot", [*TEXT, ("X-Second", "1")], (ValueError, ValueError("changed"), None))
    yield b"second thoughts"


def exc_info_before(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html"), ("X-First", "1"), ("Content-Length", "999")])
    try:
        raise ValueError("early")
    except ValueError:
        start_response("503 Out of Order", [("Content-Type", "text/plain"), ("X-Second", "2")], sys.exc_info())
    return [b"replaced"]


def exc_info_first(environ, start_response):
    try:
        raise ValueError("first")
    except ValueError:
        start_response("500 Oh", TEXT, sys.exc_info())
    return [b"error page"]


def exc_info_after(environ, start_response):
    put = start_response("200 OK", TEXT)
    put(b"begun")
    try:
        raise ValueError("too late")
    except ValueError:
        try:
            start_response("500 Oh", TEXT, sys.exc_info())
        except ValueError as error:
            print(f"raised again: {error}, traceback kept: {error.__traceback__ is not None}", flush=True)
            raise
    return [b"never"]


def none_exc_info(environ, start_response):
    start_response("200 OK", TEXT, None)
    return [b"fine"]


def generator(environ, start_response):
    start_response("202 Accepted", [*TEXT, ("X-Late", "yes")])
    yield b"a"
    yield b""
    yield b"b"


def steps(environ, start_response):
    """Each block is sent before the next one is requested."""
    start_response("200 OK", TEXT)

    def blocks():
        for number in range(3):
            yield b"block %d" % number
            wait_for(f"go{number}")

    return blocks()


def sized(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized("sized", [b"exactly one"])


def sized_liar(environ, start_response):
    start_response("200 OK", TEXT)
    return Sized("liar", [b"one", b"two"])


def list_of_three(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"1", b"2", b"3"]


def empty_list(environ, start_response):
    start_response("200 OK", TEXT)
    return []


def closing(environ, start_response):
    start_response("200 OK", TEXT)
    return Closing("plain", [b"x", b"y"])


def closing_fails(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        yield b"x"
        raise RuntimeError("in the middle")

    return Closing("fails", blocks())


def closing_early(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        raise RuntimeError("before the first block")
        yield b""

    return Closing("early", blocks())


def closing_head(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "2")])
    return Closing("head", [b"xy"])


def closing_raises(environ, start_response):
    class Raises(Closing):
        def close(self):
            super().close()
            raise RuntimeError("close failed")

    start_response("200 OK", TEXT)
    return Raises("raises", [b"whole"])


def closing_gone(environ, start_response):
    start_response("200 OK", TEXT)

    def blocks():
        print("stream begins", flush=True)
        while True:
            yield b"x" * 65536

    return Closing("gone", blocks())


def closing_write_gone(environ, start_response):
    put = start_response("200 OK", TEXT)
    try:
        while True:
            put(b"x" * 65536)
    except OSError as error:
        print(f"write raised {type(error).__name__}, an OSError", flush=True)
        raise
    return []


def closed(environ, start_response):
    with LOCK:
        return as_json(start_response, FACTS["closed"])


def seen(environ, start_response):
    return as_json(start_response, FACTS["seen"])


def no_start(environ, start_response):
    return [b"without a head"]


def no_start_empty(environ, start_response):
    return []


def raises(environ, start_response):
    raise RuntimeError("the app failed")


def raises_exit(environ, start_response):
    sys.exit("the app exits")


def returns_none(environ, start_response):
    start_response("200 OK", TEXT)


def returns_str(environ, start_response):
    start_response("200 OK", TEXT)
    return ["text"]


def returns_bare_str(environ, start_response):
    start_response("200 OK", TEXT)
    return "text"


def too_long(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "4")])
    return Closing("too_long", [b"12", b"3456", b"78"])


def too_short(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])
    return Closing("too_short", [b"1234"])


def no_content(environ, start_response):
    start_response(environ["QUERY_STRING"].replace("+", " "), [("X-Kept", "1")])
    return [b"must not be sent"]


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"'), ("Content-Length", "5")])
    return []


def head_stream(environ, start_response):
    start_response("200 OK", TEXT)

    def endless():
        while True:
            yield b"x"

    return Closing("head_stream", endless())


# file_wrapper


class Tracked(io.FileIO):
    def close(self):
        if not self.closed:
            FACTS["closed"].append(("tracked", True))
        super().close()


def data_file(size=300_000):
    if not os.path.exists("data"):
        with open("data.tmp", "wb") as file:
            file.write(bytes(n * 7 % 251 for n in range(size)))
        os.replace("data.tmp", "data")
    return "data"


def wrapped(environ, start_response):
    wrap = environ["wsgi.file_wrapper"]
    kind = environ["QUERY_STRING"]
    headers = list(TEXT)
    if kind == "plain":
        file = open(data_file(), "rb")
    elif kind == "unbuffered":
        file = Tracked(data_file())
    elif kind == "offset":
        file = open(data_file(), "rb")
        file.read(10)
        file.seek(5, 1)
    elif kind == "short":
        file = open(data_file(), "rb")
        headers.append(("Content-Length", "1000"))
    elif kind == "bytes":
        file = io.BytesIO(b"from memory" * 5000)
    elif kind == "no-fileno":
        class OnlyRead:
            def __init__(self):
                self.left = [b"a" * 10, b"b" * 10]

            def read(self, size):
                assert size == 4096
                return self.left.pop(0) if self.left else b""

        return wrap(OnlyRead(), 4096) if start_response("200 OK", headers) else None
    elif kind == "pipe":
        reading, writing = os.pipe()
        os.write(writing, b"through a pipe")
        os.close(writing)
        file = os.fdopen(reading, "rb")
    elif kind == "gzip":
        with gzip.open("data.gz", "wb") as packed:
            packed.write(b"unpacked" * 100)
        file = gzip.open("data.gz", "rb")
    elif kind == "temporary":
        file = tempfile.NamedTemporaryFile()
        file.write(b"temporary" * 1000)
        file.flush()
        file.seek(0)
    elif kind == "empty":
        open("empty", "wb").close()
        file = open("empty", "rb")
    elif kind == "proc":
        file = open("/proc/self/status", "rb")
    elif kind == "at-end":
        file = open(data_file(), "rb")
        file.seek(0, 2)
    start_response("200 OK", headers)
    return wrap(file)


def wrapped_late(environ, start_response):
    """Used as a plain iterable by a middleware."""
    start_response("200 OK", TEXT)
    return (block.upper() for block in environ["wsgi.file_wrapper"](io.BytesIO(b"abc"), 2))


def hints(environ, start_response):
    environ["wsgi.early_hints"]([("Link", "</style.css>; rel=preload")])
    return plain(start_response, "hinted")


def big(environ, start_response):
    start_response("200 OK", TEXT)
    return [b"x" * int(environ["QUERY_STRING"])]


def thread(environ, start_response):
    local = threading.local()
    local.x = 1
    name = threading.current_thread().name
    return as_json(start_response, {"name": name, "main": threading.current_thread() is threading.main_thread(), "ident": threading.get_ident()})


def objects(environ, start_response):
    gc.collect()
    return as_json(start_response, len(gc.get_objects()))


def loop(environ, start_response):
    import asyncio

    async def main():
        await asyncio.sleep(0)
        return "ran"

    return plain(start_response, asyncio.run(main()))


PATHS = {name.replace("_", "-").strip("-"): value for name, value in list(globals().items()) if callable(value) and not name.startswith("__")}


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").split("/")[0]
    answer = PATHS.get(name)
    if answer is None:
        return environ_(environ, start_response)
    return answer(environ, start_response)


def strict(environ, start_response):
    """The same behind the standard library's checker."""
    from wsgiref.validate import validator

    environ.pop("wsgi.early_hints")
    return validator(app)(environ, start_response)
