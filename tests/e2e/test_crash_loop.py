"""Workers that die again and again: respawns are paced and logged, and stop failing as soon as the cause is removed."""

import contextlib
import os
import signal
import time

from harness.apps import version
from harness.response import NoResponse
from harness.waiting import eventually


def test_deaths_soon_after_ready_are_paced(serve, app):
    app.write("""
import asyncio, os
print("boot", flush=True)
async def dies():
    await asyncio.sleep(0.05)
    os._exit(1)
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    asyncio.ensure_future(dies())
    await send({"type": "lifespan.startup.complete"})
    await receive()
""")
    server = serve(workers=1)
    server.log.wait("boot", count=4, timeout=20)
    times = [when for line, when in zip(server.log.lines, server.log.times) if line == "boot"]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert gaps[0] < 1, f"the first replacement comes at once: {gaps}"
    assert gaps[2] > 1.5, f"0, 1, 2, 4 ... seconds: {gaps}"
    assert server.process.poll() is None


def test_requests_that_kill_their_worker_keep_the_others_out_for_seconds_at_most(serve, app):
    app.write("""
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/poison":
        os._exit(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
""")
    server = serve(workers=1)
    for _ in range(5):
        with contextlib.suppress(OSError, NoResponse), server.connect() as client:
            client.get("/poison")
    started = time.monotonic()
    assert server.get(timeout=20).status == 200
    assert time.monotonic() - started < 6, "not 8 seconds, and 30 in the end"


def test_a_ready_worker_that_is_killed_is_not_paced(serve):
    """A signal is not the app's fault: OOM kills must not lead to minutes without a worker."""
    server = serve("hello.py", workers=1)
    started = time.monotonic()
    for _ in range(5):
        mark = server.log.mark()
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        server.wait_ready(1, after=mark)
    assert time.monotonic() - started < 6


def test_the_master_uses_no_cpu_while_it_waits(serve, app):
    from harness import processes

    app.write(version("good"))
    server = serve(workers=2)
    app.write("raise RuntimeError('broken')\n")
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("RuntimeError", after=mark)
    # Two failures are followed by waits of seconds.
    before = processes.cpu_seconds(server.master)
    server.log.wait("worker failed to boot", after=mark, count=2, timeout=20)
    assert processes.cpu_seconds(server.master) - before < 0.5


def test_terminate_while_it_waits_is_at_once(serve, app):
    app.write(version("good"))
    server = serve(workers=2)
    app.write("raise RuntimeError('broken')\n")
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("RuntimeError", after=mark)
    started = time.monotonic()
    server.terminate()
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 3


def test_the_same_traceback_is_not_printed_for_ever(serve, app):
    app.write(version("good"))
    server = serve(workers=2)
    app.write("raise RuntimeError('broken')\n")
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("worker failed to boot", after=mark, count=2, timeout=20)
    assert len(server.log.find(r"Traceback \(most recent", after=mark)) == 1


def test_reload_ends_the_waiting(serve, app):
    """A repaired deploy must not wait for the pacing of the broken one."""
    app.write(version("good"))
    server = serve(workers=2)
    app.write("raise RuntimeError('broken')\n")
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("worker failed to boot", after=mark, count=2, timeout=20)
    app.write(version("repaired"))
    assert "succeeded" in server.reload(timeout=3).string
    eventually(lambda: len(server.children()) == 2, "two workers are left")
    assert server.get().text == "repaired"
    assert os.path.exists(f"/proc/{server.master}")
