"""Files that are served without the app: `--static PREFIX=DIR`."""

import gzip
import hashlib
import json
import os
import re
import socket
from urllib.parse import urljoin

import pytest

from harness.place import SITE
from harness.response import Cut, NoResponse
from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops, pytest.mark.both_artifacts]

STYLE = b"body { color: red }\n" * 200
LARGE = os.urandom(1 << 20) * 3


@pytest.fixture
def tree(tmp_path):
    """A tree to serve; its parent holds what must never come out."""
    root = tmp_path / "tree"
    (root / "css").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (root / "style.css").write_bytes(STYLE)
    (root / "css" / "app.0123456789ab.css").write_bytes(b"a{}")
    (root / "large.bin").write_bytes(LARGE)
    (root / "empty.txt").write_bytes(b"")
    (root / ".env").write_text("secret")
    (root / "link").symlink_to("../secret")
    (root / "inner").symlink_to("style.css")
    os.mkfifo(root / "fifo")
    return root


@pytest.fixture
def static(serve, tree):
    return lambda *options, **keywords: serve("hello.py", "--static", f"/static={tree}", *options, **keywords)


def ask(server, path, method="GET", headers=()):
    with server.connect() as client:
        client.request(method, path, [("connection", "close"), *headers])
        return client.response(method)


def test_a_file_with_everything_that_belongs_to_it(static):
    server = static()
    found = ask(server, "/static/style.css")
    assert (found.status, found.body, found.framing) == (200, STYLE, "length")
    assert found.header("content-type") == "text/css; charset=utf-8"
    assert re.fullmatch(r'"[0-9a-f]{16,}"', found.header("etag"))
    assert found.header("last-modified").endswith("GMT")
    assert found.header("accept-ranges") == "bytes"
    assert found.header("cache-control") == "max-age=60"
    assert found.header("x-content-type-options") == "nosniff"
    assert found.header("content-encoding") is None and found.header("vary") is None
    assert ask(server, "/static/css/app.0123456789ab.css").header("cache-control") == "max-age=31536000, immutable"
    assert ask(server, "/static/empty.txt").body == b""
    assert ask(server, "/static/inner").body == STYLE
    head = ask(server, "/static/style.css", "HEAD")
    assert head.header("content-length") == str(len(STYLE)) and head.header("etag") == found.header("etag")
    # What is not below the prefix is the app's.
    for path in ("/", "/statics", "/static.css"):
        assert ask(server, path).body == b"Hello, world!"


def test_large_files_are_whole(static):
    server = static()
    with server.connect() as client:
        for _ in range(3):
            found = client.get("/static/large.bin")
            assert hashlib.sha256(found.body).digest() == hashlib.sha256(LARGE).digest()


def test_conditions_and_ranges(static):
    server = static()
    tag = ask(server, "/static/style.css").header("etag")
    same = ask(server, "/static/style.css", headers=[("If-None-Match", f'"x", W/{tag}')])
    assert (same.status, same.body, same.header("etag"), same.header("content-type")) == (304, b"", tag, None)
    assert ask(server, "/static/style.css", headers=[("If-None-Match", '"x"'), ("If-None-Match", tag)]).status == 304
    assert ask(server, "/static/style.css", headers=[("If-Match", '"x"')]).status == 412
    part = ask(server, "/static/style.css", headers=[("Range", "bytes=5-9")])
    assert (part.status, part.body, part.header("content-range")) == (206, STYLE[5:10], f"bytes 5-9/{len(STYLE)}")
    assert ask(server, "/static/large.bin", headers=[("Range", "bytes=-100")]).body == LARGE[-100:]
    assert ask(server, "/static/large.bin", headers=[("Range", "bytes=1000000-2500000")]).body == LARGE[1000000:2500001]
    beyond = ask(server, "/static/style.css", headers=[("Range", "bytes=999999-")])
    assert (beyond.status, beyond.header("content-range")) == (416, f"bytes */{len(STYLE)}")
    assert ask(server, "/static/style.css", headers=[("Range", "bytes=0-1"), ("If-Range", '"x"')]).status == 200
    assert ask(server, "/static/style.css", headers=[("Range", "bytes=0-1"), ("If-Range", tag)]).status == 206


@pytest.mark.parametrize(("name", "content"), [("style.css", STYLE), ("large.bin", LARGE)], ids=["in memory", "from the file"])
def test_several_ranges(static, name, content):
    server = static()
    with server.connect() as client:
        for _ in range(2):
            found = client.get(f"/static/{name}", headers=[("Range", "bytes=0-9, 20-1999, -7")])
            assert found.status == 206
            boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", found.header("content-type")).group(1)
            parts = found.body.split(f"--{boundary}".encode())
            assert parts[0] == b"" and parts[-1] == b"--\r\n"
            bodies = [part.split(b"\r\n\r\n", 1)[1][:-2] for part in parts[1:-1]]
            assert bodies == [content[:10], content[20:2000], content[-7:]]
            assert f"content-range: bytes 0-9/{len(content)}".encode() in parts[1]


def test_sidecars(static, tree):
    (tree / "style.css.gz").write_bytes(gzip.compress(STYLE))
    (tree / "style.css.br").write_bytes(b"brotli")
    (tree / "old.js").write_text("new")
    (tree / "old.js.gz").write_bytes(gzip.compress(b"old"))
    os.utime(tree / "old.js.gz", (1, 1))
    server = static()

    def coded(accept, path="/static/style.css"):
        found = ask(server, path, headers=[("Accept-Encoding", accept)] if accept is not None else [])
        return found.header("content-encoding"), found

    assert coded(None)[0] is None
    assert coded("gzip")[0] == "gzip" and gzip.decompress(coded("gzip")[1].body) == STYLE
    assert coded("gzip, br")[0] == "br"
    assert coded("gzip;q=1, br;q=0.5, zstd")[0] == "gzip"
    assert coded("br;q=0")[0] is None
    assert coded("gzip;q=0, identity;q=0")[1].status == 406
    tags = {coded(accept)[1].header("etag") for accept in ("identity", "gzip", "br")}
    assert len(tags) == 3
    for accept in (None, "gzip"):
        assert coded(accept)[1].header("vary") == "accept-encoding"
        assert coded(accept)[1].header("content-type") == "text/css; charset=utf-8"
    # A sidecar of an older state of the file.
    assert coded("gzip", "/static/old.js")[0] is None


def test_accepted_codings_in_several_fields(static, tree):
    (tree / "style.css.gz").write_bytes(b"gzip")
    server = static()
    assert ask(server, "/static/style.css", headers=[("Accept-Encoding", "deflate"), ("Accept-Encoding", "gzip")]).header("content-encoding") == "gzip"
    assert ask(server, "/static/style.css", headers=[("Accept-Encoding", "gzip;q=0"), ("Accept-Encoding", "identity;q=0, br")]).status == 406


def test_a_time_in_the_future(static, tree):
    os.utime(tree / "style.css", (4_000_000_000, 4_000_000_000))
    server = static()
    found = ask(server, "/static/style.css")
    assert found.header("last-modified") == found.header("date")
    assert ask(server, "/static/style.css", headers=[("If-Modified-Since", found.header("last-modified"))]).status == 200
    assert ask(server, "/static/style.css", headers=[("If-None-Match", found.header("etag"))]).status == 304


def test_names_of_words_are_not_kept_for_a_year(static, tree):
    (tree / "assets").mkdir()
    for name in ("ui-DataGrid.js", "index-B9xQ2kLm.js"):
        (tree / "assets" / name).write_bytes(b"1")
    server = static()
    assert "immutable" not in ask(server, "/static/assets/ui-DataGrid.js").header("cache-control")
    assert "immutable" in ask(server, "/static/assets/index-B9xQ2kLm.js").header("cache-control")


def test_nothing_leads_out(static):
    server = static()
    for path in (
        "/static/../secret", "/static/%2e%2e/secret", "/static/..%2fsecret", "/static/%2e%2e%2fsecret", "/static/..\\secret", "/static/..%5csecret",
        "/static/link", "/static/.env", "/static/%2eenv", "/static/css", "/static/css/", "/static/", "/static", "/static/fifo", "/static/style.css/",
        "/static/%00", "/static/style.css%00", "/static/%c0%ae%c0%ae/secret", "/static/%252e%252e/secret", "/static/nothing", "/static/" + "a" * 300,
        "/static/%", "/%73tatic/../secret",
    ):
        found = ask(server, path)
        assert found.status == 404 and b"secret" not in found.body, path


def test_other_methods(static):
    server = static()
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        found = ask(server, "/static/style.css", method)
        assert (found.status, found.header("allow")) == (405, "GET, HEAD"), method
    # The connection is kept, and the body of such a request is no request.
    with server.connect() as client:
        assert client.post("/static/style.css", b"GET / HTTP/1.1\r\n\r\n").status == 405
        assert client.get("/static/style.css").status == 200


def test_pipelined_requests_are_answered_in_order(static):
    server = static()
    paths = ["/static/style.css", "/", "/static/large.bin", "/static/nothing", "/static/style.css"] * 20
    with server.connect() as client:
        client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths))
        got = [client.response() for _ in paths]
    wanted = {"/static/style.css": STYLE, "/": b"Hello, world!", "/static/large.bin": LARGE}
    for path, found in zip(paths, got):
        assert found.body == wanted.get(path, b"Not Found\n"), path


def test_changes_are_seen_within_a_second(static, tree):
    server = static()
    assert ask(server, "/static/style.css").body == STYLE
    assert ask(server, "/static/late.txt").status == 404
    (tree / "late.txt").write_text("there")
    scratch = tree / "scratch"
    scratch.write_bytes(b"new")
    scratch.rename(tree / "style.css")
    eventually(lambda: ask(server, "/static/style.css").body == b"new", "the new file is served", timeout=3)
    eventually(lambda: ask(server, "/static/late.txt").body == b"there", "the late file is served", timeout=3)


def test_a_deploy_that_swaps_a_link(serve, tmp_path):
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "a.txt").write_text(release)
    (tmp_path / "current").symlink_to("one")
    server = serve("hello.py", "--static", f"/static={tmp_path}/current")
    assert ask(server, "/static/a.txt").text == "one"
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "current")
    eventually(lambda: ask(server, "/static/a.txt").text == "two", "the new release is served", timeout=3)


def test_a_file_that_is_truncated_while_it_is_sent(static, tree):
    """The connection is cut: what is missing is never made up."""
    huge = tree / "huge.bin"
    with open(huge, "wb") as file:
        file.truncate(64 << 20)
    server = static()
    with server.connect(receive_buffer=4096) as client:
        client.request(target="/static/huge.bin")
        head = client.head()
        assert head.header("content-length") == str(64 << 20)
        client.read(1000)
        os.truncate(huge, 1 << 20)
        with pytest.raises((Cut, ConnectionResetError)):
            client.read((64 << 20) - 1000)


def test_a_sparse_file_of_four_gigabytes(static, tree):
    size = (4 << 30) + 10
    with open(tree / "sparse.bin", "wb") as file:
        file.truncate(size)
        file.seek(size - 5)
        file.write(b"hello")
    server = static()
    for asked, content in ((f"bytes={size - 5}-", b"hello"), ("bytes=-3", b"llo"), ("bytes=4294967296-4294967299", b"\0" * 4), ("bytes=0-0", b"\0")):
        found = ask(server, "/static/sparse.bin", headers=[("Range", asked)])
        assert (found.status, found.body) == (206, content), asked
        assert found.header("content-range").endswith(f"/{size}")
    assert ask(server, "/static/sparse.bin", "HEAD").header("content-length") == str(size)


def test_slow_readers_hold_nothing_up(static):
    server = static()
    slow = [server.connect(receive_buffer=4096) for _ in range(50)]
    try:
        for client in slow:
            client.request(target="/static/large.bin")
        for _ in range(20):
            assert ask(server, "/static/style.css").body == STYLE
        for client in slow[:5]:
            assert client.response().body == LARGE
    finally:
        for client in slow:
            client.close()


def test_log_metrics_and_request_ids(static):
    server = static("--access-logfile", "-", "--access-log-exclude", "/static/css/*", "--request-id", "--admin-bind", "127.0.0.1:0")
    found = ask(server, "/static/style.css", headers=[("X-Request-Id", "abc")])
    assert found.header("x-request-id") == "abc"
    ask(server, "/static/css/app.0123456789ab.css")
    ask(server, "/static/nothing")
    server.log.wait(rf'"GET /static/style\.css HTTP/1\.1" 200 {len(STYLE)}')
    server.log.wait(r'"GET /static/nothing HTTP/1\.1" 404')
    assert not server.log.find(r"app\.0123456789ab")
    port = int(server.log.wait(r"probes and metrics address=\"?http://127\.0\.0\.1:(\d+)").group(1))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as admin:
        admin.sendall(b"GET /-/metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: admin.recv(65536), b"")).decode()
    assert re.search(r'rgun_static_requests_total\{[^}]*encoding="identity",status="200"\} 2', text), text
    assert re.search(r'rgun_static_requests_total\{[^}]*encoding="identity",status="404"\} 1', text)


def test_below_a_root_path(static):
    server = static("--root-path", "/app")
    for path in ("/static/style.css", "/app/static/style.css"):
        assert ask(server, path).body == STYLE, path


def test_at_the_root_the_app_has_the_rest(serve, tree):
    server = serve("hello.py", "--static", f"/={tree}")
    assert ask(server, "/style.css").body == STYLE
    for path, method in (("/", "GET"), ("/api/1", "GET"), ("/style.css", "POST"), ("/.env", "GET"), ("/link", "GET")):
        assert ask(server, path, method).body == b"Hello, world!", path
    with server.connect() as client:
        for number in range(50):
            assert client.get(f"/api/{number}").body == b"Hello, world!"
            assert client.get("/style.css").body == STYLE


def test_tables_of_a_configuration_file(launch, app, tree):
    app.copy("hello.py")
    (tree / "css" / "index.html").write_text("<p>index")
    app.write(f"""
[[static]]
prefix = "/a"
directory = "{tree}"
max_age = 5
immutable = false
index = true
headers = {{ "X-Own" = "yes" }}

[[static]]
prefix = "/a/b"
directory = "{tree}"
fallthrough = true
immutable = true
""", "rgun.toml")
    server = launch("app:app")
    server.wait_ready()
    found = ask(server, "/a/css/app.0123456789ab.css")
    assert (found.header("cache-control"), found.header("x-own")) == ("max-age=5", "yes")
    assert ask(server, "/a/css/").text == "<p>index"
    moved = ask(server, "/a/css?q=1")
    assert (moved.status, moved.header("location")) == (301, "/a/css/?q=1")
    itself = ask(server, "/a?q=1")
    assert (itself.status, itself.header("location")) == (301, "/a/?q=1")
    assert ask(server, "/a/b/style.css").header("cache-control") == "max-age=31536000, immutable"
    assert ask(server, "/a/b/nothing").body == b"Hello, world!"


@pytest.mark.parametrize(("options", "headers"), [(["--root-path", "/app"], []), (["--forwarded-headers", "x-forwarded-prefix"], [("X-Forwarded-Prefix", "/app")])])
def test_a_redirect_stays_below_the_path_that_the_client_sees(launch, app, tree, options, headers):
    """Whether the proxy removes the prefix of the app's path or leaves it."""
    app.copy("hello.py")
    (tree / "css" / "index.html").write_text("<p>index")
    app.write(f'[[static]]\nprefix = "/static"\ndirectory = "{tree}"\nindex = true\n', "rgun.toml")
    server = launch("app:app", *options)
    server.wait_ready()
    for seen, received in (("/app/static/css", "/static/css"), ("/app/static/css", "/app/static/css"), ("/static/css", "/static/css")):
        moved = ask(server, f"{received}?q=1", headers=headers)
        assert moved.status == 301
        assert urljoin(f"http://site.example{seen}?q=1", moved.header("location")) == f"http://site.example{seen}/?q=1"


@pytest.mark.parametrize(("option", "message"), [
    ("/static=nowhere", "does not exist"), ("static=.", "begin with a slash"), ("/static", "PREFIX=DIR"),
])
def test_what_cannot_be_mounted_ends_the_start(launch, app, option, message):
    app.copy("hello.py")
    server = launch("app:app", "--static", option)
    assert server.wait_exit() == 1
    server.log.wait(message)


def test_while_every_thread_is_busy(launch, app, tree):
    """WSGI: files need no thread of the app."""
    app.path.joinpath("app.py").write_text("""
import os, time

def application(environ, start_response):
    while environ["PATH_INFO"] == "/block" and not os.path.exists("open"):
        time.sleep(0.005)
    start_response("200 OK", [("content-length", "2")])
    return [b"ok"]
""")
    server = launch("app:application", "--static", f"/static={tree}", "--threads", "2")
    server.wait_ready()
    blocked = [server.connect() for _ in range(4)]
    for client in blocked:
        client.request(target="/block")
    for _ in range(5):
        assert ask(server, "/static/style.css").body == STYLE
        assert ask(server, "/static/large.bin").body == LARGE
    (app.path / "open").touch()
    for client in blocked:
        assert client.response().body == b"ok"
        client.close()


@pytest.mark.parametrize("spec", ["config.asgi:application", "config.wsgi:application"], ids=["asgi", "wsgi"])
def test_django_names_its_directories(launch, site, spec, program, tmp_path):
    import subprocess

    control = str(tmp_path / "c.sock")
    server = launch(spec, "--static", "django", "--control-socket", control, directory=SITE, env=site)
    server.wait_ready(timeout=30)
    server.log.wait(r"static files: STATIC_URL and STATIC_ROOT.*prefix=\"?/static")
    for name in ("admin/css/base.css", "pages/site.css"):
        with open(os.path.join(site["STATIC_ROOT"], name), "rb") as file:
            assert ask(server, f"/static/{name}").body == file.read(), name
    manifest = os.path.join(site["STATIC_ROOT"], "staticfiles.json")
    if os.path.exists(manifest):
        with open(manifest) as file:
            hashed = json.load(file)["paths"]["admin/css/base.css"]
        assert "immutable" in ask(server, f"/static/{hashed}").header("cache-control")
    shown = subprocess.run([*program, "ctl", "--socket", control, "status"], capture_output=True, text=True, timeout=20)
    assert f"static: /static -> {site['STATIC_ROOT']}\n" in shown.stdout, shown


def test_django_that_names_none(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--static", "django")
    assert server.wait_exit() == 1
    server.log.wait("the app has not loaded Django's settings")


def test_the_mounts_are_in_the_status(static, tree, program, tmp_path):
    import subprocess

    server = static("--control-socket", str(tmp_path / "c.sock"))
    shown = subprocess.run([*program, "ctl", "--socket", str(tmp_path / "c.sock"), "status"], capture_output=True, text=True, timeout=20)
    assert f"static: /static -> {tree}" in shown.stdout, shown
    assert server.get().status == 200


def test_a_client_that_leaves_before_its_answer(static):
    server = static()
    for _ in range(20):
        with server.connect() as client:
            client.request(target="/static/large.bin")
            client.reset()
    with pytest.raises((NoResponse, Cut, ConnectionResetError)), server.connect() as client:
        client.send(b"GET /static/large.bin HTTP/1.1\r\n\r\n")
        client.half_close()
        assert client.response().status == 400
        raise NoResponse
    assert ask(server, "/static/style.css").status == 200
