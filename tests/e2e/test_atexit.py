"""A worker that exits gracefully finalises Python: hooks, threads, buffers. Sentry, OpenTelemetry and coverage depend on it."""

import signal

import pytest

APP = """
import atexit, sys, threading
atexit.register(lambda: open("atexit-ran", "a").write("x"))
done = threading.Event()
def flushes():
    done.wait()
    open("thread-ended", "a").write("x")
threading.Thread(target=flushes).start()
atexit.register(print, "buffered words")
threading._register_atexit(done.set) if hasattr(threading, "_register_atexit") else done.set()
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.both_artifacts
@pytest.mark.both_loops
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hooks_threads_and_buffers(serve, app, number):
    app.write(APP)
    server = serve(workers=2)
    server.signal(number)
    assert server.wait_exit() == 0
    assert (app.path / "atexit-ran").read_text() == "xx"
    assert (app.path / "thread-ended").read_text() == "xx"
    assert server.log.wait_end().count("buffered words") == 2


def test_hooks_run_on_reload(serve, app):
    from harness.waiting import eventually

    app.write(APP)
    server = serve(workers=1)
    server.reload()
    eventually(lambda: (app.path / "atexit-ran").exists() and (app.path / "atexit-ran").read_text() == "x", "the old worker's hook ran")


def test_a_hook_that_hangs_is_bounded(serve, app):
    app.write("""
import atexit, threading
atexit.register(threading.Event().wait)
async def app(scope, receive, send):
    assert scope["type"] == "http"
""")
    server = serve(None, "--graceful-timeout", "1", workers=2)
    server.terminate()
    assert server.wait_exit(timeout=8) == 0


def test_a_hook_that_raises_hurts_nobody(serve, app):
    app.write("""
import atexit
def hook():
    raise RuntimeError("the hook failed")
atexit.register(hook)
async def app(scope, receive, send):
    assert scope["type"] == "http"
""")
    server = serve(workers=1)
    server.terminate()
    assert server.wait_exit() == 0
    assert "the hook failed" in server.log.wait_end()


def test_the_master_runs_no_hook_of_the_app(serve, app):
    app.write("import atexit, os\natexit.register(lambda: print('hook in', os.getpid(), flush=True))\nfrom hello import app\n")
    app.copy("hello.py", "hello.py")
    server = serve(workers=2)
    pids = sorted(server.wait_ready(2).values())
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert sorted(int(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith("hook in")) == pids
