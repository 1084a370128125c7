"""As the first process of a container: nothing above it reaps or forwards."""

import json
import os
import signal
import subprocess

import pytest
from harness import processes
from harness.server import Server
from harness.waiting import eventually

ISOLATE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]

ORPHANS = """
import json, os, subprocess

async def app(scope, receive, send):
    if scope["path"] == "/orphans":
        for _ in range(20):
            subprocess.run(["sh", "-c", "sleep 0.05 & exit 0"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps([os.getpid(), os.getppid()]).encode()})
"""


def isolated():
    try:
        return subprocess.run([*ISOLATE, "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not isolated(), reason="no PID namespace can be made here")


@pytest.fixture
def contained(program, app):
    """`rgun` as PID 1; the server, and the master's pid as the outside sees it."""
    started = []

    def start(*options):
        server = Server([*ISOLATE, *program], app.path, "app:app", "--loop", "asyncio", *map(str, options))
        started.append(server)
        server.log.wait("starting pid=1")
        (master,) = processes.children(server.master)
        return server, master

    yield start
    for server in started:
        server.end()


def test_it_hears_term_while_a_configuration_file_is_read(program, app):
    app.copy("hello.py")
    app.write("import time\nprint('reading', flush=True)\ntime.sleep(600)\n", "gunicorn.conf.py")
    server = Server([*ISOLATE, *program], app.path, "app:app", "-c", "gunicorn.conf.py", "--loop", "asyncio")
    try:
        server.log.wait("reading")
        (first,) = processes.children(server.master)
        os.kill(first, signal.SIGTERM)
        assert server.wait_exit() == 0
    finally:
        server.end()


def test_it_reaps_orphans_and_hears_term(contained, app):
    app.write(ORPHANS)
    server, master = contained("-w", 2, "--log-level", "debug")
    server.wait_ready(2)
    pid, parent = json.loads(server.get("/").body)
    assert parent == 1 < pid
    assert server.get("/orphans", timeout=30).status == 200
    server.log.wait("orphan reaped", count=20)
    eventually(lambda: not processes.zombies(master), "no zombies")
    assert len(processes.children(master)) == 2
    os.kill(master, signal.SIGTERM)
    assert server.wait_exit() == 0


@pytest.mark.parametrize(("script", "warned"), [('"$@"; exit $?', True), ("trap 'kill $!' TERM; \"$@\" & wait; wait", False), ('exec "$@"', False)])
def test_a_shell_that_is_pid_1_and_passes_no_term_on(program, app, script, warned):
    app.copy("hello.py")
    with Server([*ISOLATE, "sh", "-c", script, "sh", *program], app.path, "app:app", "--loop", "asyncio") as server:
        server.wait_ready()
        found = server.log.find("process 1 is a shell that does not pass SIGTERM on.*exec")
        assert bool(found) == warned
        (first,) = processes.children(server.master)
        # A warning where, and only where, TERM does nothing.
        os.kill(first, signal.SIGTERM)
        if warned:
            assert server.get().status == 200
            os.kill(first, signal.SIGKILL)
        server.wait_exit()


def test_term_during_a_migration_reaches_it(contained, app):
    app.copy("hello.py")
    server, master = contained("--run-before", "sh -c 'trap \"echo stopped; exit 3\" TERM; echo migrating; while :; do sleep 0.05; done'")
    server.log.wait("migrating")
    os.kill(master, signal.SIGTERM)
    server.log.wait("stopped")
    assert server.wait_exit() == 0


def test_a_worker_killed_in_a_container_is_replaced(contained, app):
    app.copy("hello.py")
    server, master = contained("-w", 1)
    server.wait_ready()
    (worker,) = processes.children(master)
    mark = server.log.mark()
    os.kill(worker, signal.SIGKILL)
    server.wait_ready(after=mark)
    assert server.get("/").status == 200
    os.kill(master, signal.SIGTERM)
    assert server.wait_exit() == 0
