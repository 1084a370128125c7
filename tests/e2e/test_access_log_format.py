"""Formats of the access log: gunicorn's own beside gunicorn itself, JSON, what is left out."""

import json
import re
import subprocess
import sys
import time

import pytest
from harness.client import Client
from harness.load import Load
from harness.waiting import eventually

WSGI = '''
def app(environ, start_response):
    environ["my.mark"] = "from the app"
    body = b"hello " * 3
    start_response("201 Created", [("Content-Length", str(len(body))), ("X-Made", 'by "me"')])
    return [body]
'''

# What does not vary between two runs.
ATOMS = [
    "%(h)s", "%(l)s", "%(u)s", '"%(r)s"', "%(s)s", "%(m)s", "%(U)s", "%(q)s", "%(H)s", "%(b)s", "%(B)d", "%(f)s", "%(a)s", "%(nonsense)s",
    "%(T)s", "%(T)d", "%(m)-8s|", "%(m)8s|", "%(U).3s", "100%%",
    "%({x-forwarded-proto}i)s", "%({X-Token}i)s", "%({x-missing}i)s", "%({x-made}o)s", "%({Content-Length}o)s", "%({x-missing}o)s",
    "%({REQUEST_METHOD}e)s", "%({path_info}e)s", "%({QUERY_STRING}e)s", "%({http_x_token}e)s", "%({wsgi.url_scheme}e)s", "%({my.mark}e)s", "%({none}e)s",
]
FORMAT = "\t".join(ATOMS)
HEADERS = [
    ("User-Agent", 'say "hi"/1.0'), ("Referer", "http://example.org/a?b"), ("X-Token", "first"), ("X-Token", "second"),
    ("X-Forwarded-Proto", "http"), ("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
]


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def logged(path, count=1):
    return eventually(lambda: len(lines(path)) >= count and lines(path), f"{count} lines")


def ask(client, path="/a%20b/c?q=1&r=%22", headers=HEADERS):
    return client.get(path, headers)


@pytest.mark.parametrize("target", ["pipe", "file"])
def test_a_format_that_is_json_stays_json(launch, app, target):
    """Whatever a client sends: bytes that are not ASCII or not UTF-8, quotes, controls; and however much of it."""
    app.path.joinpath("app.py").write_text(WSGI)
    form = json.dumps({"path": "%(U)s", "request": "%(r)s", "status": "%(s)s", "agent": "%(a)s", "referer": "%(f)s", "mark": "%({my.mark}e)s"})
    path = app.path / "access.log"
    server = launch("app:app", "-k", "sync", "--access-logfile", "-" if target == "pipe" else str(path), "--access-logformat", form)
    server.wait_ready()
    agents = [b"caf\xc3\xa9", b"\xff\xfe", b'"quoted\\"', b"\\", b"\t", b"x" * 6000, b"\xc3\xa9" * 3000, b'"' * 5000]
    for agent in agents:
        with server.connect() as client:
            client.send(b"GET /%C3%A9%22%0a%1b%5c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nReferer: " + agent + b"\r\nUser-Agent: " + agent + b"\r\n\r\n")
            assert client.response().status == 201
    shaped = lambda: [line for line in (server.log.lines if target == "pipe" else lines(path)) if line.startswith('{"path"')]  # noqa: E731
    found = [json.loads(line) for line in eventually(lambda: len(shaped()) == len(agents) and shaped(), "a line for each request")]
    assert all(record["path"] == "/\xe9\"\n\x1b\\" and record["mark"] == "from the app" and record["status"] == "201" for record in found)
    assert [record["agent"] for record in found[:4]] == ["caf\xe9", "\ufffd\ufffd", '"quoted\\"', "\\"]
    assert target == "file" or all(len(line.encode()) < 4096 for line in shaped())
    assert target == "pipe" or len(found[5]["agent"]) == 6000


def test_every_atom_is_what_gunicorn_makes_of_it(launch, app):
    pytest.importorskip("gunicorn")
    app.path.joinpath("app.py").write_text(WSGI)
    options = ["--access-logformat", FORMAT]
    server = launch("app:app", "-k", "sync", "--access-logfile", "ours.log", *options)
    server.wait_ready()
    with server.connect() as client:
        assert ask(client).status == 201
    gunicorn = [sys.executable, "-m", "gunicorn", "--no-control-socket", "app:app", "-b", "unix:gunicorn.sock", "--access-logfile", "theirs.log", *options]
    with subprocess.Popen(gunicorn, cwd=app.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            eventually(lambda: (app.path / "gunicorn.sock").exists() and can_connect(app.path / "gunicorn.sock"), "gunicorn listens", timeout=20)
            with Client.unix(str(app.path / "gunicorn.sock"), timeout=10) as client:
                assert ask(client).status == 201
            theirs = logged(app.path / "theirs.log")[0]
        finally:
            process.terminate()
            process.communicate(timeout=20)
    ours = logged(app.path / "ours.log")[0]
    assert len(ours.split("\t")) == len(ATOMS)
    # A client of a unix socket has no address, which gunicorn writes as nothing.
    found = dict(zip(ATOMS[1:], ours.split("\t")[1:]))
    assert found == dict(zip(ATOMS[1:], theirs.split("\t")[1:]))


def can_connect(path):
    try:
        Client.unix(str(path), timeout=5).close()
    except OSError:
        return False
    return True


def test_what_varies_is_there(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-logformat", "%(t)s %(D)s %(M)s %(L)s %(p)s")
    server.get("/")
    when, micros, millis, seconds, pid = re.match(r"\[([^]]*)\] (\d+) (\d+) (\d+\.\d{6}) <(\d+)>$", logged(app.path / "access.log")[0]).groups()
    assert time.strptime(when, "%d/%b/%Y:%H:%M:%S %z")
    assert int(micros) // 1000 == int(millis) and abs(float(seconds) * 1e6 - int(micros)) < 1
    assert int(pid) in server.ready_pids()


def test_a_value_of_the_environ_without_a_text(launch, app):
    """Its line has none; the request is no 500. `str` may also change the environ that is looked at."""
    app.write("""
class Fails:
    def __str__(self):
        raise ValueError("no text")

class Adds(dict):
    def __str__(self):
        self["environ"].update((f"more{number}", 1) for number in range(1000))
        return "adds"

def app(environ, start_response):
    environ["fails"], environ["long"], environ["adds"] = Fails(), 10 ** 5000, Adds(environ=environ)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
""")
    server = launch("app:app", "--access-logfile", "access.log", "--access-logformat", "%(s)s|%({fails}e)s|%({long}e)s|%({adds}e)s")
    server.wait_ready()
    assert server.get("/").text == "ok"
    # Python before 3.11 writes numbers of any length.
    assert re.fullmatch(r"200\|-\|(-|10*)\|adds", logged(app.path / "access.log")[0])


def test_fields_and_environ_without_wsgi(serve, app):
    """What can be had where there is no environ."""
    server = serve("hello.py", "--access-logfile", "access.log", "--access-logformat", "%({x-a}i)s %({content-type}o)s %({REQUEST_METHOD}e)s %({HTTP_X_A}e)s %({PATH_INFO}e)s %({REMOTE_ADDR}e)s")
    with server.connect() as client:
        client.get("/p%20q?x", [("X-A", "1")])
    assert logged(app.path / "access.log")[0] == "1 text/plain GET 1 /p q 127.0.0.1"


def test_control_bytes_of_fields_forge_no_line(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-logformat", '"%({x-a}i)s" %(U)s %(q)s')
    with server.connect() as client:
        client.send(b'GET /%0a%1b[2J?%0d HTTP/1.1\r\nHost: a\r\nX-A: "\t\\\x80\r\n\r\n')
        client.response()
    assert logged(app.path / "access.log") == ['"\\"\\x09\\\\\\x80" /\\x0a\\x1b[2J %0d']


def test_json(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-logformat", "json")
    with server.connect() as client:
        client.get('/a%22b?q="', [("User-Agent", 'x"\\y\x80'), ("X-Request-ID", "id-1"), ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    record = json.loads(logged(app.path / "access.log")[0])
    assert (record["remote_addr"], record["method"], record["path"], record["query"]) == ("127.0.0.1", "GET", '/a"b', 'q="')
    assert (record["protocol"], record["status"], record["bytes"], record["referer"], record["user"]) == ("HTTP/1.1", 200, 13, None, None)
    assert record["user_agent"] == 'x"\\y\ufffd' and record["request_id"] == "id-1" and record["traceparent"].startswith("00-0af7")
    assert record["pid"] in server.ready_pids() and 0 <= record["duration_ms"] < 10_000
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$", record["time"])


def test_json_of_what_was_not_understood(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-log-format", "json")
    with server.connect() as client:
        client.send(b"NONSENSE\r\n\r\n")
        assert client.response().status == 400
    record = json.loads(logged(app.path / "access.log")[0])
    assert (record["status"], record["method"], record["path"]) == (400, None, None)


def test_excluded_paths(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-log-exclude", "/healthz,/static/*", "--access-log-exclude", "/ping")
    with server.connect() as client:
        for path in ("/healthz", "/healthz?x=1", "/static/a.css", "/ping", "/static", "/healthz/deep", "/last"):
            client.get(path)
    found = logged(app.path / "access.log", 3)
    assert [line.split()[6] for line in found] == ["/static", "/healthz/deep", "/last"]


def test_a_sample(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-log-sample", "0.5")
    with Load(server, clients=4, pause=0) as load:
        load.flows(800)
    load.assert_nothing_failed()
    server.terminate()
    assert server.wait_exit() == 0
    # Six standard deviations.
    assert 0.35 < len(lines(app.path / "access.log")) / load.answered < 0.65


def test_no_sample_still_has_the_failures(serve, app):
    server = serve("hello.py", "--access-logfile", "access.log", "--access-log-sample", "0")
    app.write(RAISES)
    server.reload()
    with server.connect() as client:
        assert client.get("/fails").status == 500
    server.get("/")
    assert " 500 " in logged(app.path / "access.log")[0]


RAISES = '''
async def app(scope, receive, send):
    if scope["type"] == "http":
        raise ValueError("on purpose")
'''


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--access-log-format", "%(h)d", "is no number"),
    ("--access-log-format", "50% done", "without a name in parentheses"),
    ("--access-log-sample", "2", "more than 100%"),
    ("--access-log-exclude", "healthz", "begin with a slash"),
])
def test_a_wrong_value_is_told_before_anything_starts(launch, app, option, value, said):
    app.copy("hello.py")
    server = launch("app:app", option, value)
    assert server.wait_exit() == 1
    assert option in server.log.wait_end() and said in server.log.text()
