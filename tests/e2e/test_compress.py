"""`--compress`: responses of the app in gzip and zstd, for clients that take them."""

import hashlib
import json
import zlib
from urllib.parse import quote

import pytest
import zstandard

from harness import processes
from harness.response import Cut
from harness.waiting import eventually, settled

pytestmark = [pytest.mark.both_loops]

TEXT = b"The quick brown fox jumps over the lazy dog. " * 400

# The query selects the response: status, fields, and pieces as numbers of bytes of the text, or of noise, which halves at best.
ASGI = """
import json, os
from urllib.parse import unquote

TEXT = b"The quick brown fox jumps over the lazy dog. " * 400_000
NOISE = os.urandom(9_000_000).hex().encode()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    query = json.loads(unquote(scope["query_string"].decode()))
    headers = [(name.encode(), value.encode()) for name, value in query["fields"]]
    await send({"type": "http.response.start", "status": query["status"], "headers": headers})
    text = NOISE if query.get("noise") else TEXT
    last = len(query["pieces"]) - 1
    at = 0
    for number, length in enumerate(query["pieces"]):
        await send({"type": "http.response.body", "body": text[at : at + length], "more_body": number < last})
        at += length
"""

WSGI = """
import json, os
from urllib.parse import unquote

TEXT = b"The quick brown fox jumps over the lazy dog. " * 400_000
NOISE = os.urandom(9_000_000).hex().encode()

def app(environ, start_response):
    query = json.loads(unquote(environ["QUERY_STRING"]))
    start_response(f"{query['status']} Some Reason", [tuple(pair) for pair in query["fields"]])

    text = NOISE if query.get("noise") else TEXT

    def pieces(at=0):
        for length in query["pieces"]:
            yield text[at : at + length]
            at += length

    return [*pieces()] if len(query["pieces"]) == 1 else pieces()
"""

HTML = [("Content-Type", "text/html")]


@pytest.fixture(params=["asgi", "wsgi"])
def start(request, launch, app):
    def start(*options):
        app.path.joinpath("app.py").write_text(ASGI if request.param == "asgi" else WSGI)
        server = launch("app:app", *options)
        server.wait_ready()
        return server

    return start


@pytest.fixture
def server(start):
    return start("--compress", "gzip,zstd")


def ask(server, accept="gzip", fields=None, pieces=(len(TEXT),), status=200, headers=(), method="GET", **options):
    query = {"status": status, "fields": HTML if fields is None else fields, "pieces": pieces}
    accepts = [] if accept is None else [("Accept-Encoding", accept)]
    with server.connect() as client:
        client.request(method, "/?" + quote(json.dumps(query)), [*accepts, *headers], **options)
        return client.response(method)


def decoded(response):
    coding = response.header("content-encoding")
    if coding == "gzip":
        decoder = zlib.decompressobj(31)
        content = decoder.decompress(response.body) + decoder.flush()
        assert decoder.eof and not decoder.unused_data
        return content
    if coding == "zstd":
        decoder = zstandard.ZstdDecompressor().decompressobj()
        content = decoder.decompress(response.body)
        assert decoder.eof and not decoder.unused_data
        return content
    assert coding is None
    return response.body


def is_plain(response):
    return response.header("content-encoding") is None and response.body == TEXT[: len(response.body)] and len(response.body) > 0


@pytest.mark.both_artifacts
def test_a_response_in_the_coding_that_the_client_likes_best(server):
    for accept, coding in (
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("zstd;q=0.001, gzip;q=0", "zstd"),
        ("*", "zstd"),
        ("br", None),
        ("identity", None),
        ("gzip;q=0", None),
        ("gzip;q=0.5, identity", None),
        ("identity;q=0", None),
        (None, None),
    ):
        found = ask(server, accept)
        assert (found.status, found.header("content-encoding")) == (200, coding), accept
        assert decoded(found) == TEXT and found.header("vary") == "Accept-Encoding"
        # What is whole has a length.
        assert found.header("content-length") == str(len(found.body)) and found.framing == "length"
        assert (len(found.body) < 500) == (coding is not None)


def test_only_the_codings_that_were_named(start):
    server = start("--compress", "gzip")
    assert ask(server, "zstd").header("content-encoding") is None
    assert ask(server, "zstd, gzip;q=0.1").header("content-encoding") == "gzip"


def test_without_the_option_nothing_is_touched(start):
    found = ask(start(), fields=[*HTML, ("ETag", '"a"')])
    assert is_plain(found) and found.header("vary") is None and found.header("etag") == '"a"'


def test_head_fields_of_a_compressed_response(server):
    length = ("Content-Length", str(len(TEXT)))
    found = ask(server, fields=[*HTML, length, ("ETag", '"abc"'), ("Vary", "Cookie"), ("Accept-Ranges", "bytes"), ("X-Own", "kept")])
    assert decoded(found) == TEXT
    assert found.header("etag") == 'W/"abc"' and found.header("vary") == "Cookie, Accept-Encoding"
    assert found.header("accept-ranges") is None and found.header("x-own") == "kept"
    assert found.header("content-length") == str(len(found.body))
    for vary in ("*", "accept-encoding", "Origin, Accept-Encoding"):
        assert ask(server, fields=[*HTML, ("Vary", vary)]).header("vary") == vary
    assert ask(server, fields=[*HTML, ("ETag", 'W/"abc"')]).header("etag") == 'W/"abc"'


def test_a_head_has_the_fields_of_its_get(server):
    def fields(response):
        return sorted((name.lower(), value) for name, value in response.headers if name.lower() not in ("date", "content-length", "transfer-encoding"))

    tagged = [*HTML, ("ETag", '"abc"')]
    sized = [*tagged, ("Content-Length", str(len(TEXT)))]
    for accept in ("gzip", "zstd", None):
        for own, pieces in ((tagged, [len(TEXT)]), (tagged, [2000, len(TEXT) - 2000]), (sized, [len(TEXT)]), (tagged, [500])):
            get, head = ask(server, accept, own, pieces), ask(server, accept, own, pieces, method="HEAD")
            assert (head.status, fields(head)) == (200, fields(get)), (accept, own, pieces)
            is_plain = get.header("content-encoding") is None
            length = str(sum(pieces)) if is_plain and (own is sized or len(pieces) == 1) else None
            assert head.header("content-length") == length, (accept, own, pieces)
    # An app that leaves out the body of a HEAD, as most frameworks do.
    for own in (tagged, sized):
        head = ask(server, "gzip", own, [0], method="HEAD")
        assert fields(head) == fields(ask(server, "gzip", own)) and head.header("content-length") is None
    head = ask(server, None, sized, [0], method="HEAD")
    assert head.header("content-length") == str(len(TEXT))
    with server.connect() as client:
        # Nothing follows the head.
        for _ in range(2):
            query = {"status": 200, "fields": sized, "pieces": [len(TEXT)]}
            client.request("HEAD", "/?" + quote(json.dumps(query)), [("Accept-Encoding", "gzip")])
            assert client.response("HEAD").header("content-encoding") == "gzip"


def test_responses_that_are_left_alone(server):
    for fields in (
        [],
        [("Content-Type", "image/png")],
        [*HTML, ("Content-Encoding", "br")],
        [*HTML, ("Cache-Control", "public, no-transform")],
        [*HTML, ("Set-Cookie", "a=b")],
        [*HTML, ("Content-Range", "bytes 0-1/2")],
        [*HTML, ("Content-Digest", "sha-256=:AA==:")],
    ):
        found = ask(server, fields=[*fields, ("ETag", '"abc"')])
        assert found.body == TEXT and found.header("etag") == '"abc"' and found.header("vary") is None, fields
        assert found.all("content-encoding") == [value for name, value in fields if name == "Content-Encoding"]
    assert is_plain(ask(server, status=206))
    found = ask(server, status=304, pieces=[0], fields=[*HTML, ("ETag", '"abc"')])
    assert (found.header("content-encoding"), found.header("etag")) == (None, '"abc"')
    found = ask(server, status=204, pieces=[0])
    assert found.header("content-encoding") is None


def test_errors_of_the_app_are_compressed_too(server):
    for status in (404, 500):
        found = ask(server, status=status)
        assert (found.status, found.header("content-encoding")) == (status, "gzip") and decoded(found) == TEXT


def test_requests_that_are_left_alone(server):
    for name, value in (("Range", "bytes=0-9"), ("Cookie", "a=b"), ("Authorization", "Basic YTpi"), ("Cache-Control", "no-transform")):
        found = ask(server, headers=[(name, value)])
        assert is_plain(found) and found.header("vary") == "Accept-Encoding", name


def test_a_client_that_has_the_compressed_one_finds_it_again(server):
    found = ask(server, status=304, pieces=[0], fields=[("ETag", '"abc"')], headers=[("If-None-Match", 'W/"abc"')])
    assert (found.status, found.header("etag"), found.header("vary")) == (304, 'W/"abc"', "Accept-Encoding")


def test_a_304_has_the_vary_of_its_200(server):
    found = ask(server, status=304, pieces=[0], fields=[("ETag", '"abc"')], headers=[("If-None-Match", '"abc"')])
    assert (found.status, found.header("etag"), found.header("vary")) == (304, '"abc"', "Accept-Encoding")
    found = ask(server, status=304, pieces=[0], fields=[("ETag", '"abc"'), ("Cache-Control", "no-transform")])
    assert (found.status, found.header("vary")) == (304, None)


def test_a_weak_tag_in_a_second_field(server):
    found = ask(server, status=304, pieces=[0], fields=[("ETag", '"abc"')], headers=[("If-None-Match", '"x"'), ("If-None-Match", 'W/"abc"')])
    assert found.header("etag") == 'W/"abc"'


def test_short_responses(server):
    for fields in (HTML, [*HTML, ("Content-Length", "1023")]):
        found = ask(server, fields=fields, pieces=[1023])
        assert is_plain(found) and found.header("content-length") == "1023" and found.header("vary") is None
    assert ask(server, pieces=[1024]).header("content-encoding") == "gzip"
    # The length of a stream is not known.
    found = ask(server, pieces=[10, 10])
    assert found.header("content-encoding") == "gzip" and decoded(found) == TEXT[:20]


def test_sizes_types_and_level(start):
    server = start("--compress", "gzip", "--compress-min-size", "10", "--compress-types", "application/*", "--compress-level", "9")
    assert ask(server, pieces=[10], fields=[("Content-Type", "application/own; charset=x")]).header("content-encoding") == "gzip"
    assert is_plain(ask(server))


def test_a_stream_is_live(server):
    """Each piece can be read when it has been sent, before the next one is made."""
    pieces = [5_000, 1, 20_000, 3]
    for accept, decoder in (("gzip", zlib.decompressobj(31)), ("zstd", zstandard.ZstdDecompressor().decompressobj())):
        query = {"status": 200, "fields": HTML, "pieces": pieces}
        with server.connect() as client:
            client.request("GET", "/?" + quote(json.dumps(query)), [("Accept-Encoding", accept)])
            head = client.head()
            assert head.header("content-encoding") == accept and head.header("transfer-encoding") == "chunked"
            content = b""
            while chunk := client.chunk():
                content += decoder.decompress(chunk)
            assert content == (TEXT * 2)[: sum(pieces)]


EVENTS = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    more = True
    while more:
        event = await receive()
        more = event["more_body"]
        await send({"type": "http.response.body", "body": b"data: " + event["body"] + b"\\n\\n", "more_body": more})
"""


def test_events_arrive_one_by_one(launch, app):
    """The app waits for the client's word between two events: a server that collects them never gets to the second."""
    app.path.joinpath("app.py").write_text(EVENTS)
    server = launch("app:app", "--compress", "gzip,zstd")
    server.wait_ready()
    for accept, decoder in (("gzip", zlib.decompressobj(31)), ("zstd", zstandard.ZstdDecompressor().decompressobj())):
        with server.connect() as client:
            client.request("POST", "/", [("Transfer-Encoding", "chunked"), ("Accept-Encoding", accept)])
            client.send(b"3\r\none\r\n")
            head = client.head()
            assert head.header("content-encoding") == accept
            assert decoder.decompress(client.chunk()) == b"data: one\n\n"
            client.send(b"3\r\ntwo\r\n")
            assert decoder.decompress(client.chunk()) == b"data: two\n\n"
            client.send(b"0\r\n\r\n")
            assert decoder.decompress(client.chunk()) == b"data: \n\n"
            assert client.chunk() == b"" and decoder.eof


def test_large_bodies_in_one_and_in_many_pieces(server):
    size = 6_000_000
    for pieces in ([size], [100_000] * 60, [size // 2, size // 2], [1, size - 1]):
        for fields in (HTML, [*HTML, ("Content-Length", str(size))]):
            for accept in ("gzip", "zstd"):
                found = ask(server, accept, pieces=pieces, fields=fields)
                content = decoded(found)
                assert len(content) == size and content == (TEXT * 400)[:size], (pieces[:2], accept)


def test_a_length_that_the_app_declared_and_does_not_keep_to(server):
    declared = [*HTML, ("Content-Length", "3000")]
    mark = server.log.mark()
    assert decoded(ask(server, fields=declared, pieces=[2000, 2000])) == TEXT[:3000]
    server.log.wait("1000", after=mark)
    # Nothing has left: a clean answer.
    assert ask(server, fields=declared, pieces=[2000]).status == 500
    with pytest.raises(Cut):
        ask(server, fields=declared, pieces=[1000, 1000])


def test_http_10(server):
    found = ask(server, version="1.0")
    assert decoded(found) == TEXT and found.header("content-length") == str(len(found.body))
    found = ask(server, version="1.0", pieces=[2000, 2000])
    assert decoded(found) == TEXT[:4000] and found.framing == "close"


def test_requests_with_credentials_on_demand_and_padded(start):
    server = start("--compress", "gzip,zstd", "--compress-credentials")
    for accept in ("gzip", "zstd"):
        assert len({len(ask(server, accept).body) for _ in range(3)}) == 1
        lengths = set()
        for _ in range(12):
            found = ask(server, accept, headers=[("Cookie", "session=1")])
            assert found.header("content-encoding") == accept and decoded(found) == TEXT
            lengths.add(len(found.body))
        assert len(lengths) > 4, "the length tells the same each time"


def test_a_client_that_does_not_read(server):
    """It does not delay others, and gets everything when it reads."""
    query = {"status": 200, "fields": HTML, "pieces": [17_000_000], "noise": True}
    with server.connect(receive_buffer=4096) as slow:
        slow.request("GET", "/?" + quote(json.dumps(query)), [("Accept-Encoding", "gzip"), ("Connection", "close")])
        for _ in range(3):
            assert decoded(ask(server)) == TEXT
        found = slow.response()
        assert len(decoded(found)) == 17_000_000
    assert decoded(ask(server)) == TEXT


def test_keep_alive_and_pipelining_over_compressed_responses(server):
    query = quote(json.dumps({"status": 200, "fields": HTML, "pieces": [50_000, 200_000]}))
    with server.connect() as client:
        for _ in range(3):
            client.request("GET", f"/?{query}", [("Accept-Encoding", "gzip")])
        for _ in range(3):
            assert len(decoded(client.response())) == 250_000


MIXED = """
import os
from pathlib import Path

Path("some.txt").write_bytes(b"in a file " * 1000)

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")], "trailers": scope["path"] == "/trailers"})
    if scope["path"] != "/file":
        await send({"type": "http.response.body", "body": b"before " * 100, "more_body": scope["path"] == "/mixed"})
    if scope["path"] != "/trailers":
        with open("some.txt", "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file})
    else:
        await send({"type": "http.response.trailers", "headers": [(b"x-end", b"here")]})
"""


def test_files_and_trailers_of_an_asgi_app(launch, app):
    app.path.joinpath("app.py").write_text(MIXED)
    server = launch("app:app", "--compress", "gzip", "--compress-min-size", "10")
    server.wait_ready()
    with server.connect() as client:
        found = client.get("/file", [("Accept-Encoding", "gzip")])
        assert found.header("content-encoding") is None and found.body == b"in a file " * 1000
        found = client.get("/mixed", [("Accept-Encoding", "gzip")])
        assert decoded(found) == b"before " * 100 + b"in a file " * 1000
        found = client.get("/trailers", [("Accept-Encoding", "gzip"), ("TE", "trailers")])
        assert decoded(found) == b"before " * 100 and found.trailers == [("x-end", "here")]


def test_other_requests_are_served_while_a_large_body_is_compressed(launch, app):
    """A body of 18 MB in one `send`: the event loop is not blocked."""
    app.path.joinpath("app.py").write_text(ASGI)
    server = launch("app:app", "--compress", "gzip", "--compress-level", "9")
    server.wait_ready()
    query = {"status": 200, "fields": HTML, "pieces": [18_000_000]}
    with server.connect() as large:
        large.request("GET", "/?" + quote(json.dumps(query)), [("Accept-Encoding", "gzip")])
        assert decoded(ask(server)) == TEXT
        assert len(decoded(large.response())) == 18_000_000


@pytest.mark.parametrize("leave", ["close", "reset"])
def test_clients_that_leave_while_their_body_is_compressed(server, leave):
    """The app has ended by then: the connections are closed all the same, and do not hold up the worker's end."""
    worker = server.wait_ready()[0]
    assert decoded(ask(server)) == TEXT
    before = len(processes.descriptors(worker))
    query = quote(json.dumps({"status": 200, "fields": HTML, "pieces": [17_000_000], "noise": True}))
    for _ in range(5):
        client = server.connect(receive_buffer=4096)
        client.request("GET", f"/?{query}", [("Accept-Encoding", "gzip")])
        client.read(1)
        getattr(client, leave)()
    eventually(lambda: len(processes.descriptors(worker)) <= before, "the worker's descriptors are as before")
    assert decoded(ask(server)) == TEXT


PIECE_AND_FILE = """
import os
from pathlib import Path

if not Path("large.txt").exists():
    with open("large.txt", "wb") as large:
        for _ in range(64):
            large.write(os.urandom(1 << 20).hex().encode())

async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"before", "more_body": True})
    if scope["path"] == "/file":
        with open("large.txt", "rb") as file:
            await send({"type": "http.response.zerocopysend", "file": file, "more_body": True})
    await send({"type": "http.response.body", "body": b" and after"})
"""


def test_a_large_file_for_a_client_that_does_not_read(launch, app):
    """128 MB behind a piece that was compressed: it is read and compressed as the client takes it."""
    app.path.joinpath("app.py").write_text(PIECE_AND_FILE)
    server = launch("app:app", "--compress", "gzip", "--compress-level", "1")
    worker = server.wait_ready()[0]
    with server.connect() as client:
        assert decoded(client.get("/", [("Accept-Encoding", "gzip")])) == b"before and after"
    before = processes.private(worker)
    with server.connect(receive_buffer=65536, timeout=30) as client:
        client.request("GET", "/file", [("Accept-Encoding", "gzip")])
        assert client.head().header("content-encoding") == "gzip"
        assert settled(lambda: processes.private(worker)) - before < 16 << 20
        decoder = zlib.decompressobj(31)
        content = hashlib.sha256()
        while chunk := client.chunk():
            content.update(decoder.decompress(chunk))
        assert decoder.eof
    whole = hashlib.sha256(b"before" + (app.path / "large.txt").read_bytes() + b" and after")
    assert content.digest() == whole.digest()


@pytest.mark.parametrize(
    "options, problem",
    [
        (["--compress", "br"], "neither gzip nor zstd"),
        (["--compress", "gzip", "--compress-level", "10"], "is more than 9"),
        (["--compress-types", "html"], "is not a media type"),
    ],
)
def test_settings_that_cannot_be(launch, app, options, problem):
    app.path.joinpath("app.py").write_text(ASGI)
    server = launch("app:app", *options)
    assert server.wait_exit() in (1, 2) and problem in server.log.wait_end()
