"""Out of descriptors: no worker spins, and it serves again as soon as it can."""

import os
import resource
import shlex
import subprocess
import time

import pytest

from harness import processes
from harness.crowd import Crowd
from harness.waiting import eventually


@pytest.fixture
def scarce(serve):
    """A server whose only worker may open some forty descriptors more."""

    def start(*options, spec="app:app"):
        server = serve("origin.py", *options, spec=spec)
        (pid,) = server.ready_pids()
        assert server.get().status == 200
        highest = max(processes.descriptors(pid))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 40, highest + 40))
        return server, pid

    return start


@pytest.mark.parametrize("spec", ["app:app", "app:application"], ids=["asgi", "wsgi"])
def test_no_spin_and_recovery(scarce, spec):
    server, pid = scarce("--first-byte-timeout", "60", "--header-timeout", "60", spec=spec)
    # In the middle of their heads: none is idle.
    with Crowd(server, 150, b"GET / HTTP/1.1\r\n") as crowd:
        server.log.wait("out of descriptors")
        before, started = processes.cpu_seconds(pid), time.monotonic()
        time.sleep(3)  # the worker's rest is what is measured
        used = processes.cpu_seconds(pid) - before
        assert used < 0.1 * (time.monotonic() - started), f"{used:.2f} s of CPU for nothing"
        assert len(server.log.find("out of descriptors")) <= 5
        crowd.leave()
    assert server.get(timeout=5).status == 200
    assert server.ready_pids() == [pid]


def test_idle_connections_make_room(scarce):
    """Clients that only keep connections open cannot keep others out until their time is over."""
    server, pid = scarce("--keep-alive", "60")
    with Crowd(server, 150, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
        started = time.monotonic()
        assert server.get(timeout=30).status == 200
        assert time.monotonic() - started < 10, "a lingering close must not keep a descriptor that is wanted"
    server.log.wait("idle connections closed for their descriptors")
    eventually(lambda: server.get(timeout=5).status == 200, "it serves on")
    assert server.ready_pids() == [pid]


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "0<&- 2>&-", "1>&-"])
def test_nothing_takes_the_number_of_a_closed_standard_stream(program, app, closed):
    app.write("async def app(scope, receive, send): pass\n")
    command = shlex.join([*program, "app:app", "--lifespan", "off", "-b", "unix:app.sock", "--error-logfile", "error.log"])
    process = subprocess.Popen(["sh", "-c", f"exec {command} {closed}"], cwd=app.path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = app.path / "error.log"
    try:
        eventually(lambda: log.exists() and "worker ready" in log.read_text(), "it serves")
        for pid in [process.pid, *processes.children(process.pid)]:
            assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
    finally:
        process.terminate()
        assert process.wait(30) == 0
