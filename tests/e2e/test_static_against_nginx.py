"""The same tree and the same requests to nginx (`alias`) and to rgun (`--static`): what differs is listed, with the reason."""

import gzip
import os
import re
from email.utils import formatdate

import pytest

from harness.nginx import USER, Nginx, listen

MODIFIED = 1_700_000_000
STYLE = b"body { color: red }\n" * 100
LARGE = bytes(range(256)) * 1000

CONFIGURATION = """
{user}
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    types {{ text/css css; text/plain txt; text/html html; application/octet-stream bin; image/svg+xml svg; }}
    default_type application/octet-stream;
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    scgi_temp_path {directory}/scgi;
    uwsgi_temp_path {directory}/uwsgi;
    server {{
        listen 127.0.0.1:{port};
        location /static/ {{ alias {tree}/; gzip_static on; gzip_vary on; }}
    }}
}}
"""

PATHS = [
    "style.css", "css/deep.css", "large.bin", "empty.txt", "a%20b.txt", "%73tyle.css", "style%2Ecss", "%C3%A9.txt", "inner", "//style.css", "css//deep.css",
    "nothing", "css/nothing.css", "style.css/", "style.css/x", "css", "css/", "", ".hidden", "css/../style.css", "css/%2e%2e/style.css", "css%2fdeep.css",
    "out", "..%2f..%2fsecret", "a+b.txt", "style.css?query", "fifo", "%", "%zz", "style.css%00",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
RANGES = [
    "bytes=0-0", "bytes=0-99", "bytes=100-", "bytes=-1", "bytes=-100", "bytes=-999999", "bytes=0-999999", "bytes=999999-", "bytes=999999-9999999", "bytes=-0",
    "bytes=0-9,20-29", "bytes=0-9, 20-29, -5", "bytes=20-29,0-9", "bytes=0-0,999999-", "bytes=0-9,5-14", "bytes=0-,0-", "bytes=5-2", "bytes=a-b", "bytes=", "bytes",
    "items=0-5", "bytes=0-9,,20-29", "BYTES=0-9", "bytes=1-1,3-3,5-5,7-7", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 80, 4)),
]
DATES = [formatdate(MODIFIED + change, usegmt=True) for change in (-1, 0, 1)] + ["Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023", "yesterday", ""]
TAGS = ["*", "{tag}", 'W/{tag}', '"x"', '"x", {tag}', '"x" , , {tag}', "x", ""]

# What differs, and why rgun does otherwise.
REASONS = {
    "media type": "text is UTF-8, and says so",
    "dot segments": "no path with a dot segment is served, wherever it leads",
    "encoded slash": "a percent-encoded slash is not a separator (RFC 3986 section 2.2)",
    "dotfile": "files with a leading dot are not served",
    "link out": "symbolic links do not lead out of the tree",
    "directory": "a directory is a 404: nginx says whether it exists (301, 403)",
    "malformed escape": "a path that cannot be decoded names no file (404 for nginx's 400)",
    "range of HEAD": "Range is defined for GET alone (RFC 9110 section 14.2)",
    "malformed range": "an invalid Range is ignored (RFC 9110 section 14.2); nginx says 416",
    "unit": "range units are compared without regard to case (RFC 9110 section 14.1)",
    "overlap": "overlapping ranges are coalesced (RFC 9110 section 14.2)",
    "many ranges": "more than 16 ranges are answered with the whole",
    "later date": "If-Modified-Since is a bound (RFC 9110 section 13.1.3), not a version",
    "weak If-Match": "If-Match compares strongly (RFC 9110 section 13.1.1)",
    "If-Range date": "a date in each of its forms is a date (RFC 9110 section 5.6.7)",
    "empty condition": "an empty list of tags matches nothing",
    "method": "other methods are refused before the file is looked for",
    "malformed date": "an If-Unmodified-Since that is no date is ignored (RFC 9110 section 13.1.4)",
    "precedence": "If-Match takes the place of If-Unmodified-Since (RFC 9110 section 13.2.2)",
    "range of a sidecar": "a range is one of the representation that was chosen; nginx answers the whole",
    "any coding": "* is any coding, and the sidecar is one",
    "not a file": "what is no regular file is not there",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole")
    root = whole / "tree"
    (root / "css").mkdir(parents=True)
    (whole / "secret").write_bytes(b"secret")
    for name, content in {
        "style.css": STYLE, "css/deep.css": STYLE[:500], "large.bin": LARGE, "empty.txt": b"", "a b.txt": b"a b", "é.txt": b"accent", ".hidden": b"hidden", "a+b.txt": b"plus",
        "coded.css": STYLE, "coded.css.gz": gzip.compress(STYLE, mtime=0),
    }.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (root / "inner").symlink_to("style.css")
    (root / "out").symlink_to("../secret")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def both(serve, tree, tmp_path):
    server = serve("hello.py", "--static", f"/static={tree}")
    listener = listen()
    directory = tmp_path / "nginx"
    directory.mkdir()
    port = listener.getsockname()[1]
    with Nginx.of(directory, CONFIGURATION.format(user=USER, directory=directory, port=port, tree=tree), [listener]) as front:
        yield front, server


def ask(server, method, path, headers):
    with server.connect() as client:
        client.request(method, path, [("Connection", "close"), *headers])
        return client.response(method)


def seen(response):
    """What counts of an answer: of an error, its status alone."""
    if response.status >= 400:
        return {"status": response.status, "content-range": response.header("content-range")}
    facts = {"status": response.status, "body": response.body}
    for name in ("content-length", "content-range", "content-encoding", "last-modified", "location"):
        facts[name] = response.header(name)
    kind = response.header("content-type") or ""
    if match := re.fullmatch(r"multipart/byteranges; boundary=(\S+)", kind):
        parts = response.body.strip(b"\r\n").split(b"--" + match.group(1).encode())
        heads = [part.strip(b"\r\n").split(b"\r\n\r\n", 1) for part in parts[1:-1]]
        facts["body"] = [(re.search(rb"(?i)content-range: ([^\r]+)", head).group(1), body) for head, body in heads]
        facts["content-length"], kind = None, "multipart"
    facts["content-type"] = kind
    return facts


def requests():
    """Method, path, and fields; `{tag}` is the server's own tag."""
    for method in METHODS:
        yield from ((method, path, []) for path in PATHS)
    for path in ("style.css", "large.bin", "empty.txt"):
        for value in RANGES:
            yield "GET", path, [("Range", value)]
        yield "HEAD", path, [("Range", "bytes=0-9")]
    for name in ("If-Modified-Since", "If-Unmodified-Since"):
        yield from (("GET", "style.css", [(name, date)]) for date in DATES)
    for name in ("If-Match", "If-None-Match"):
        yield from (("GET", "style.css", [(name, tags)]) for tags in TAGS)
    for value in (*TAGS, *DATES):
        yield "GET", "large.bin", [("Range", "bytes=10-19"), ("If-Range", value)]
    for date in DATES[:3]:
        yield "GET", "style.css", [("If-None-Match", '"x"'), ("If-Modified-Since", date)]
        yield "GET", "style.css", [("If-Match", "{tag}"), ("If-Unmodified-Since", date)]
    for accept in ("gzip", "gzip, br", "GZIP", "identity", "br", "", "gzip;q=0", "*"):
        yield "GET", "coded.css", [("Accept-Encoding", accept)]
        yield "HEAD", "coded.css", [("Accept-Encoding", accept)]
        yield "GET", "coded.css", [("Accept-Encoding", accept), ("Range", "bytes=0-9")]


def reason(method, path, headers, theirs, ours):
    """Why the two may differ, by request."""
    fields = dict(headers)
    asked = fields.get("Range", "")
    bare = path.split("?")[0]
    if "/.." in f"/{bare}" or "%2e%2e" in bare:
        return "dot segments"
    if "%2f" in bare:
        return "encoded slash"
    if bare == ".hidden":
        return "dotfile"
    if bare == "out":
        return "link out"
    if bare in ("css", "css/", ""):
        return "directory"
    if bare in ("%", "%zz", "style.css%00"):
        return "malformed escape"
    if method == "POST":
        return "method"
    if fields.get("If-Unmodified-Since") in DATES[5:]:
        return "malformed date"
    if "If-Match" in fields and "If-Unmodified-Since" in fields:
        return "precedence"
    if fields.get("Accept-Encoding") == "*":
        return "any coding"
    if asked and theirs["status"] == 200 and ours.get("content-encoding"):
        return "range of a sidecar"
    if bare == "fifo":
        return "not a file"
    if method == "HEAD" and asked:
        return "range of HEAD"
    if asked.startswith("BYTES"):
        return "unit"
    if asked in ("bytes=5-2", "bytes=a-b", "bytes=", "bytes", "items=0-5", "bytes=0-9,,20-29", "bytes=-0") or (bare == "empty.txt" and asked):
        return "malformed range"
    if asked in ("bytes=0-9,5-14", "bytes=0-,0-"):
        return "overlap"
    if asked.count(",") >= 16:
        return "many ranges"
    if fields.get("If-Modified-Since") in DATES[2:5]:
        return "later date"
    if fields.get("If-Match", "").startswith("W/"):
        return "weak If-Match"
    if fields.get("If-Range") in DATES[3:]:
        return "If-Range date"
    if "" in (fields.get("If-Match"), fields.get("If-None-Match")):
        return "empty condition"
    only_type = {name: value for name, value in theirs.items() if name != "content-type"} == {name: value for name, value in ours.items() if name != "content-type"}
    if only_type and ours["content-type"] == theirs["content-type"] + "; charset=utf-8":
        return "media type"
    return None


def test_the_same_answers(both):
    front, server = both
    tags = {}
    for path in ("style.css", "large.bin"):
        tags[path] = [ask(one, "GET", f"/static/{path}", []).header("etag") for one in both]
    used, unexplained, count = set(), [], 0
    for method, path, headers in requests():
        count += 1
        answers = []
        for index, one in enumerate(both):
            own = [(name, value.replace("{tag}", tags.get(path, ["", ""])[index])) for name, value in headers]
            answers.append(seen(ask(one, method, f"/static/{path}", own)))
        theirs, ours = answers
        if theirs == ours:
            continue
        why = reason(method, path, headers, theirs, ours)
        if why is None:
            unexplained.append((method, path, headers, {key: (theirs.get(key), ours.get(key)) for key in {*theirs, *ours} if theirs.get(key) != ours.get(key)}))
        else:
            used.add(why)
    assert count >= 300
    assert not unexplained, "\n".join(str(one)[:400] for one in unexplained)
    assert used <= set(REASONS)
