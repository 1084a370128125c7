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


@pytest.mark.both_loops
def test_a_busy_thread_of_the_executor_does_not_hold_up_the_end(serve, app):
    """It is waited for as long as the grace period allows; then the rest of the shutdown happens without it."""
    app.write("""
import asyncio, atexit, time
atexit.register(print, "hook ran", flush=True)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, *([print, "idle"] if scope["path"] == "/idle" else [time.sleep, 3600]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
""")
    server = serve(None, "--graceful-timeout", "2", workers=1)
    for path in ("/", "/idle"):
        assert server.get(path).status == 200
    server.terminate()
    assert server.wait_exit(timeout=8) == 0
    text = server.log.wait_end()
    assert text.count("hook ran") == 1
    assert "threads still busy after the graceful timeout, exiting threads=1" in text
    assert "timed out" not in text and "Traceback" not in text and "destroyed" not in text, text


@pytest.mark.both_loops
def test_a_thread_of_the_executor_that_ends_in_time_is_waited_for(serve, app):
    app.write("""
import asyncio, time
def works():
    print("begun", flush=True)
    time.sleep(2.5)
    print("done", flush=True)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    asyncio.get_running_loop().run_in_executor(None, works)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
""")
    server = serve(workers=1)
    assert server.get().status == 200
    server.log.wait("begun")
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert "done" in text.splitlines() and "still busy" not in text
