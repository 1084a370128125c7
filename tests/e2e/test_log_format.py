"""The error log as JSON and logfmt: a record a line, whatever stands in it."""

import json
import os
import re

import pytest

RAISES = '''
print("not a record", flush=False)

async def app(scope, receive, send):
    if scope["type"] == "http":
        raise ValueError("two\\nlines and \\"quotes\\"")
'''


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
    assert (ready["slot"], ready["generation"]) == (0, 1)
    failed = next(record for record in found if record["message"] == "exception in app")
    assert failed["traceback"].startswith("Traceback") and failed["traceback"].endswith('ValueError: two\nlines and "quotes"')
    assert failed["request"] == "GET /fails"


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
    server.log.wait(r'level=info pid=\d+ message="worker ready" slot=0 generation=1')
    assert server.get("/fails").status == 500
    line = server.log.wait(r'level=error pid=\d+ message="exception in app".* traceback="(.*)"$').group(1)
    assert line.endswith(r"ValueError: two\nlines and \"quotes\"")


@pytest.mark.parametrize(("variables", "colours"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal(program, app, variables, colours):
    """Read from the terminal's other side."""
    import subprocess

    app.copy("hello.py")
    ours, theirs = os.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **variables}
    with subprocess.Popen([*program, "app:app", "-b", "127.0.0.1:0"], cwd=app.path, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        text = b""
        while b"worker ready" not in text:
            text += os.read(ours, 4096)
        process.terminate()
        process.wait(20)
        os.close(ours)
    assert (b"[\x1b[32mINFO\x1b[0m]" in text) == colours
