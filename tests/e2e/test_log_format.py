"""The error log as JSON and logfmt: a record a line, whatever it contains."""

import json
import os
import re
import subprocess

import pytest
from harness.client import Client
from harness.waiting import eventually

RAISES = '''
print("not a record", flush=False)

async def app(scope, receive, send):
    if scope["type"] == "http":
        raise ValueError("two\\nlines and \\"quotes\\"")
'''


def can_connect(path):
    try:
        Client.unix(str(path), timeout=5).close()
    except OSError:
        return False
    return True


def records(server):
    return [json.loads(line) for line in server.log.lines if line.startswith("{")]


def test_json(launch, app):
    app.write(RAISES)
    server = launch("app:app", "--log-format", "json")
    address = server.log.wait(r'"message":"listening".*"address":"([^"]*)"').group(1)
    server._port = int(address.rpartition(":")[2])
    server.log.wait(r'"message":"worker ready"')
    assert server.get("/fails?x").status == 500
    server.log.wait(r'"message":"exception in app"')
    server.terminate()
    assert server.wait_exit() == 0
    server.log.wait_end()
    found = records(server)
    assert all(line.startswith("{") for line in server.log.lines if line != "not a record")
    for record in found:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$", record["time"])
        assert record["level"] in ("debug", "info", "warning", "error", "critical") and isinstance(record["pid"], int)
    ready = next(record for record in found if record["message"] == "worker ready")
    assert (ready["slot"], ready["generation"], ready["pid"]) == (0, 1, server.master) and ready["worker_pid"] != server.master
    failed = next(record for record in found if record["message"] == "exception in app")
    assert failed["traceback"].startswith("Traceback") and failed["traceback"].endswith('ValueError: two\nlines and "quotes"')
    assert failed["request"] == "GET /fails"


OTHER_ZONE = """
import os, time

os.environ["TZ"] = "America/St_Johns"
time.tzset()

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError
    if scope["path"] == "/fails":
        raise ValueError
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize("options, expected", [
    (("--access-logfile", "-"), "+0545"),
    (("--log-format", "json", "--access-logfile", "-", "--access-logformat", "json"), "+00:00"),
    (("--log-format", "logfmt", "--access-logfile", "-", "--access-logformat", "json"), "+00:00"),
])
def test_all_records_are_in_one_zone(launch, app, options, expected):
    """Django sets TZ in its workers: the log keeps the zone that the server was started in, and UTC for programs."""
    app.write(OTHER_ZONE)
    server = launch("app:app", *options, env={"TZ": "Asia/Kathmandu"})
    server._port = int(server.log.wait(r"listening.*127\.0\.0\.1:(\d+)").group(1))
    server.log.wait("worker ready")
    assert server.get("/").status == 200 and server.get("/fails").status == 500
    server.log.wait("exception in app")
    server.terminate()
    assert server.wait_exit() == 0
    server.log.wait_end()
    times = [match.group(0) for line in server.log.lines if (match := re.search(r"\d\d:\d\d:\d\d(\.\d+)? ?([+-]\d\d:?\d\d)", line))]
    assert len(times) >= 7 and all(time.endswith(expected) for time in times), times
    assert len([line for line in server.log.lines if "/fails" in line]) == 2, "also of requests"


@pytest.mark.parametrize("option", ["--error-logfile", "--access-logfile"])
def test_a_log_that_cannot_be_opened_names_its_option(launch, app, tmp_path, option):
    app.copy("hello.py")
    path = tmp_path / "missing" / "x.log"
    server = launch("app:app", option, path)
    assert server.wait_exit() == 1
    server.log.wait_end()
    assert server.log.text() == f"error: {option} {path}: no such file or directory\nhint: the directory {path.parent} does not exist"


def test_a_boot_that_fails_is_one_record(launch, app):
    app.write("raise RuntimeError('at import')\n")
    server = launch("app:app", "--log-format", "json")
    assert server.wait_exit() in (3, 4)
    server.log.wait_end()
    failed = [record for record in records(server) if "traceback" in record]
    assert len(failed) == 1 and failed[0]["traceback"].endswith("RuntimeError: at import")


def test_logfmt(launch, app):
    app.write(RAISES)
    server = launch("app:app", "--log-format", "logfmt")
    server.log.wait(r"message=listening .*address=")
    server._port = int(server.log.find(r"message=listening")[0].rpartition(":")[2].strip('"'))
    server.log.wait(r'level=info pid=\d+ message="worker ready" slot=0 generation=1 worker_pid=\d+ ')
    assert server.get("/fails").status == 500
    line = server.log.wait(r'level=error pid=\d+ message="exception in app".* traceback="(.*)"$').group(1)
    assert line.endswith(r"ValueError: two\nlines and \"quotes\"")


FLASK = """
import sys
def app(environ, start_response):
    environ["wsgi.errors"].write("[2026] ERROR in app\\nTraceback\\n  frame\\n")
    start_response("200 OK", [])
    return [b"ok"]
"""


def test_what_wsgi_apps_write_is_one_record(launch, app):
    app.path.joinpath("app.py").write_text(FLASK)
    server = launch("app:app", "--log-format", "json")
    address = server.log.wait(r'"message":"listening".*"address":"([^"]*)"').group(1)
    server._port = int(address.rpartition(":")[2])
    server.get("/")
    record = json.loads(server.log.wait(r"^.*ERROR in app.*$").group(0))
    assert (record["level"], record["message"]) == ("error", "[2026] ERROR in app\nTraceback\n  frame")


NOISY = """
import sys
def app(environ, start_response):
    for number in range(200):
        environ["wsgi.errors"].write("%04d %s\\n" % (number, "x" * 1000))
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_a_reader_that_does_not_read_holds_no_request_up(program, app):
    """Its pipe is full, and stays so while requests are answered; then everything comes, and how much did not."""
    app.path.joinpath("app.py").write_text(NOISY)
    command = [*program, "app:app", "-b", "unix:app.sock"]
    with subprocess.Popen(command, cwd=app.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: can_connect(app.path / "app.sock"), "it listens")
            with Client.unix(str(app.path / "app.sock"), timeout=20) as client:
                for _ in range(20):
                    assert client.get("/").status == 200
            text = b""
            while b"log lines dropped" not in text:
                text += os.read(process.stderr.fileno(), 65536)
            process.terminate()
            text += process.stderr.read()
        finally:
            process.kill()
            process.wait(20)
    written = [line for line in text.decode().splitlines() if line.endswith("x" * 1000)]
    dropped = sum(int(number) for number in re.findall(rb"(\d+) log lines dropped", text))
    assert len(written) + dropped == 20 * 200 and all(len(line) == 1005 for line in written)


class Terminal:
    """A program on a terminal, read from the terminal's other side."""

    def __init__(self, words, cwd, **variables):
        self.ours, theirs = os.openpty()
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **variables}
        self.process = subprocess.Popen(words, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.text = b""

    def read_until(self, wanted):
        while wanted not in self.text:
            self.text += os.read(self.ours, 4096)

    def read_to_the_end(self):
        try:
            while data := os.read(self.ours, 4096):
                self.text += data
        except OSError:  # EIO: no process has the terminal any more
            pass
        return self.process.wait(20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(20)
        os.close(self.ours)


@pytest.mark.parametrize(("variables", "colours"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal(program, app, variables, colours):
    app.copy("hello.py")
    with Terminal([*program, "app:app", "-b", "127.0.0.1:0"], app.path, **variables) as terminal:
        terminal.read_until(b"Ctrl-C stops")
        terminal.process.terminate()
        assert terminal.read_to_the_end() == 0
    assert (b"\x1b[1mrgun" in terminal.text) == colours
    assert (b"[\x1b[32mINFO\x1b[0m]" in terminal.text) == colours


def test_a_start_on_a_terminal_shows_what_serves_and_where(program, app):
    app.copy("hello.py")
    app.write("workers = 2\n", name="rgun.toml")
    with Terminal([*program, "app:app", "-b", "127.0.0.1:0"], app.path, NO_COLOR="1") as terminal:
        terminal.read_until(b"Ctrl-C stops")
        terminal.read_until(b"\n")
        banner = terminal.text.decode().replace("\r", "")
        lines = banner.splitlines()
        assert len(lines) <= 6 and "INFO" not in banner
        assert lines[0].split() == ["rgun", lines[0].split()[1], "app:app"]
        assert re.search(r"(ASGI, (asyncio|uvloop)|WSGI, 1 thread), Python 3\.\d+\.\d+ \xb7 2 workers \xb7 rgun\.toml$", lines[1]), lines
        assert re.fullmatch(r"  http://127\.0\.0\.1:\d+", lines[2])
        terminal.process.terminate()
        assert terminal.read_to_the_end() == 0
    assert b"stopping" in terminal.text, "from then on the log is as elsewhere"
    assert b"ready" not in terminal.text


def test_a_start_that_fails_on_a_terminal_ends_with_the_error(program, app):
    app.write("raise RuntimeError('no database')\n")
    with Terminal([*program, "app:app", "-b", "127.0.0.1:0"], app.path, NO_COLOR="1") as terminal:
        assert terminal.read_to_the_end() == 3
    text = terminal.text.decode()
    assert "INFO" not in text and text.rstrip().endswith("RuntimeError: no database"), text


def test_the_log_on_a_terminal_is_whole_when_it_is_asked_for(program, app):
    app.copy("hello.py")
    with Terminal([*program, "app:app", "-b", "127.0.0.1:0", "--log-level", "debug"], app.path, NO_COLOR="1") as terminal:
        terminal.read_until(b"all workers ready")
        terminal.process.terminate()
        terminal.read_to_the_end()
    assert b"listening" in terminal.text and b"Ctrl-C stops" not in terminal.text
