"""Files that the app has opened itself, `wsgi.file_wrapper`, pathsend and zerocopysend: ranges and conditions where the response has `Accept-Ranges: bytes`."""

import json
import os
from urllib.parse import quote

import pytest

CONTENT = os.urandom(200_000)

WSGI = """
import json
from urllib.parse import unquote

def app(environ, start_response):
    asked = json.loads(unquote(environ["QUERY_STRING"]))
    file = open(asked.get("file", "data"), "rb")
    file.seek(asked.get("offset", 0))
    start_response(asked.get("status", "200 OK"), [tuple(pair) for pair in asked["headers"]])
    return environ["wsgi.file_wrapper"](file)
"""

ASGI = """
import json, os
from urllib.parse import unquote

async def app(scope, receive, send):
    asked = json.loads(unquote(scope["query_string"].decode()))
    headers = [(name.lower().encode(), value.encode()) for name, value in asked["headers"]]
    name = asked.get("file", "data")
    await send({"type": "http.response.start", "status": int(asked.get("status", "200").split()[0]), "headers": headers})
    if MESSAGE == "pathsend" and "offset" not in asked:
        await send({"type": "http.response.pathsend", "path": os.path.abspath(name)})
        return
    with open(name, "rb") as file:
        file.seek(asked.get("offset", 0))
        await send({"type": "http.response.zerocopysend", "file": file})
"""

RANGES = ("Accept-Ranges", "bytes")


@pytest.fixture(params=["file_wrapper", "pathsend", "zerocopysend"])
def server(request, launch, app):
    (app.path / "data").write_bytes(CONTENT)
    (app.path / "empty").write_bytes(b"")
    app.write(WSGI if request.param == "file_wrapper" else f"MESSAGE = {request.param!r}\n" + ASGI)
    server = launch("app:app", "--pathsend", "--compress", "gzip", "--compress-min-size", "1")
    server.wait_ready()
    return server


def ask(server, fields, headers=(), method="GET", **asked):
    with server.connect() as client:
        query = quote(json.dumps({"headers": fields, **asked}))
        client.request(method, "/?" + query, [("connection", "close"), *headers])
        return client.response(method)


def test_ranges(server):
    fields = [RANGES, ("Content-Type", "text/plain"), ("Content-Disposition", "attachment"), ("Content-Length", str(len(CONTENT)))]
    whole = ask(server, fields)
    assert (whole.status, whole.body, whole.header("content-length")) == (200, CONTENT, str(len(CONTENT)))
    assert whole.header("etag") and whole.header("last-modified")
    part = ask(server, fields, [("Range", "bytes=1000-1999"), ("Accept-Encoding", "gzip")])
    assert (part.status, part.body, part.header("content-range")) == (206, CONTENT[1000:2000], f"bytes 1000-1999/{len(CONTENT)}")
    assert (part.header("content-length"), part.header("content-encoding"), part.header("content-disposition")) == ("1000", None, "attachment")
    assert part.headers.count(("date", part.header("date"))) == 1
    assert ask(server, fields, [("Range", "bytes=-10")]).body == CONTENT[-10:]
    assert ask(server, fields, [("Range", "bytes=199990-")]).body == CONTENT[199990:]
    several = ask(server, fields, [("Range", "bytes=0-1,10-19")])
    assert several.status == 206 and several.header("content-type").startswith("multipart/byteranges")
    assert CONTENT[10:20] in several.body and b"content-type: text/plain" in several.body
    beyond = ask(server, fields, [("Range", f"bytes={len(CONTENT)}-")])
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{len(CONTENT)}")
    head = ask(server, fields, [("Range", "bytes=0-9")], method="HEAD")
    assert (head.status, head.header("content-length")) == (200, str(len(CONTENT)))


def test_conditions(server):
    whole = ask(server, [RANGES])
    tag, modified = whole.header("etag"), whole.header("last-modified")
    unchanged = ask(server, [RANGES, ("Cache-Control", "private")], [("If-None-Match", tag)])
    assert (unchanged.status, unchanged.body, unchanged.header("etag"), unchanged.header("cache-control")) == (304, b"", tag, "private")
    assert ask(server, [RANGES], [("If-Modified-Since", modified)]).status == 304
    located = ask(server, [RANGES, ("Content-Location", "/x"), ("Content-Security-Policy", "a"), ("Content-Language", "de")], [("If-None-Match", tag)])
    assert [located.header(name) for name in ("content-location", "content-security-policy", "content-language")] == ["/x", "a", None]
    assert ask(server, [RANGES], [("If-Match", '"other"')]).status == 412
    assert ask(server, [RANGES], [("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")]).status == 412
    assert ask(server, [RANGES], [("Range", "bytes=0-9"), ("If-Range", tag)]).status == 206
    assert ask(server, [RANGES], [("Range", "bytes=0-9"), ("If-Range", '"other"')]).body == CONTENT


def test_what_the_app_says_of_its_file_counts(server):
    own = [RANGES, ("ETag", '"own"'), ("Last-Modified", "Sat, 01 Jan 2000 00:00:00 GMT")]
    whole = ask(server, own)
    assert whole.headers.count(("etag", '"own"')) == 1 and whole.header("last-modified") == own[2][1]
    assert ask(server, own, [("If-None-Match", '"own"')]).status == 304
    assert ask(server, own[::2], [("If-Modified-Since", own[2][1])]).status == 304
    assert ask(server, own, [("Range", "bytes=0-9"), ("If-Range", '"own"')]).status == 206
    weak = [RANGES, ("ETag", 'W/"own"')]
    assert ask(server, weak, [("If-None-Match", '"own"')]).status == 304
    assert ask(server, weak, [("Range", "bytes=0-9"), ("If-Range", 'W/"own"')]).status == 200
    assert ask(server, weak, [("If-Match", 'W/"own"')]).status == 412


def test_the_whole_where_the_app_does_not_ask(server):
    wanted = [("Range", "bytes=0-9"), ("If-None-Match", "*")]
    for fields, asked in (([], {}), ([("Accept-Ranges", "none")], {}), ([RANGES], {"status": "203 Non-Authoritative Information"})):
        found = ask(server, fields, wanted, **asked)
        assert (found.status, found.body, found.header("etag")) == (int(asked.get("status", "200")[:3]), CONTENT, None)
    # What the app has answered with a part itself, and a rest of a file.
    fields = [RANGES, ("Content-Range", f"bytes 100-199999/{len(CONTENT)}")]
    assert ask(server, fields, wanted, status="206 Partial Content", offset=100).body == CONTENT[100:]
    assert ask(server, [RANGES], wanted, offset=100).body == CONTENT[100:]
    assert ask(server, [RANGES], [("Range", "bytes=0-9")], file="empty").status in (200, 416)


def test_a_kept_connection_goes_on_behind_a_part(server):
    query = "/?" + quote(json.dumps({"headers": [RANGES]}))
    with server.connect() as client:
        for first in range(0, 3000, 1000):
            client.request("GET", query, [("Range", f"bytes={first}-{first + 999}")])
            found = client.response("GET")
            assert (found.status, found.body) == (206, CONTENT[first : first + 1000])
