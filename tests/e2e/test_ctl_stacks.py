"""`rgun ctl stacks`: where each worker is, also when it is stuck."""

import os
import re
import signal

from harness.controlled import BLOCKS, control, in_flight  # fixture and helpers
from harness.waiting import eventually


def test_stacks_of_tasks_and_threads(control, app):
    server = control.start(2, text=BLOCKS)
    with server.connect() as client:
        client.request("GET", "/slow?x=1")
        eventually(lambda: in_flight(control) == 1, "the app waits")
        told = control("stacks").stdout
        assert re.search(r"^worker 0 \(pid \d+\)$", told, re.M) and re.search(r"^worker 1 \(pid \d+\)$", told, re.M)
        assert told.count("Thread MainThread") == 2 and "<rgun" not in told
        task = told.partition("(GET /slow)")[2]
        assert "await asyncio.sleep(0.005)" in task and "app.py" in task
        (app.path / "open").touch()
        assert client.response().status == 200
    assert re.search(r"^Thread MainThread .*:\n  \(idle\)$", control("stacks", 1).stdout, re.M)
    assert "no worker in slot 7" in control("stacks", 7, code=1).stderr


def test_stacks_of_a_worker_that_is_stuck(control, app):
    server = control.start(1, text=BLOCKS.replace("await asyncio.sleep(0.005)", "import time; time.sleep(0.005)"))
    with server.connect() as client:
        client.request("GET", "/slow")
        eventually(lambda: in_flight(control) == 1, "the app has the worker")
        told = control("stacks").stdout
        assert ", by signal)" in told and 'app.py", line' in told
        assert "most recent call first" not in told and "<rgun" not in told and "_hosted.py" not in told
        (app.path / "open").touch()
        assert client.response().status == 200
    server.freeze(server.ready_pids()[0])
    assert "not even to a signal" in control("stacks").stdout
    os.kill(server.ready_pids()[0], signal.SIGCONT)
    assert control.status()["state"] == "serving"


def test_stacks_of_wsgi_threads(control, app):
    server = control.start(1, "--threads", 2, text=WSGI)
    idle = control("stacks").stdout
    assert len(re.findall(r"^Thread ", idle, re.M)) == idle.count("(idle)") == 2 and "_hosted.py" not in idle
    with server.connect() as client, server.connect() as other:
        client.request("GET", "/one")
        eventually(lambda: in_flight(control) == 1, "one thread is busy")
        told = control("stacks").stdout
        assert "by signal" not in told and "time.sleep(0.005)" in told
        other.request("GET", "/two")
        eventually(lambda: in_flight(control) == 2, "both threads are busy")
        told = control("stacks").stdout
        assert ", by signal)" in told and told.count("app.py") == 2
        (app.path / "open").touch()
        assert client.response().status == other.response().status == 200


WSGI = """
import os, time

def app(environ, start_response):
    while not os.path.exists("open"):
        time.sleep(0.005)
    start_response("200 OK", [])
    return [b"done"]
"""


def test_a_worker_that_hangs_at_import_is_not_killed_by_the_question(control, app, launch):
    app.write("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    server = launch("app:app", "--control-socket", control.path)
    server.log.wait("importing")
    assert "time.sleep(60)" in open(app.path / "app.py").read() and 'app.py", line 3' in control("stacks").stdout
    assert len(server.children()) == 1
