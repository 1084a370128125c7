"""Apps that start threads, take locks or open connections when they are imported."""

import json

import pytest

from harness import processes

THREADS = """
import asyncio, json, logging, os, signal, threading, time
TICKS = 0
def ticks():
    global TICKS
    while True:
        TICKS += 1
        time.sleep(0.005)
thread = threading.Thread(target=ticks, daemon=True, name="ticker")
thread.start()
logging.basicConfig(level="INFO")
async def app(scope, receive, send):
    assert scope["type"] == "http"
    before = TICKS
    while TICKS < before + 3:
        await asyncio.sleep(0.005)
    answer = {"pid": os.getpid(), "alive": thread.is_alive(), "threads": sorted(t.name for t in threading.enumerate())}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
"""


@pytest.mark.both_artifacts
@pytest.mark.both_loops
def test_the_threads_run_in_the_worker_that_serves(serve, app):
    app.write(THREADS)
    server = serve(workers=2)
    answer = json.loads(server.get().body)
    assert answer["alive"] and "ticker" in answer["threads"]
    assert answer["pid"] in server.wait_ready(2).values()


def test_reloads_and_deaths_do_not_mind(serve, app):
    app.write(THREADS)
    server = serve(workers=2)
    for _ in range(5):
        assert "succeeded" in server.reload().string
        assert json.loads(server.get().body)["alive"]
    assert processes.threads(server.master) == 1


def test_a_daemon_thread_does_not_hold_up_the_end(serve, app):
    app.write(THREADS)
    server = serve(workers=1)
    server.terminate()
    assert server.wait_exit(timeout=5) == 0


def test_a_thread_that_is_no_daemon_is_joined_within_the_graceful_timeout(serve, app):
    app.write("""
import threading
threading.Thread(target=threading.Event().wait).start()
async def app(scope, receive, send):
    assert scope["type"] == "http"
""")
    server = serve(None, "--graceful-timeout", "1", workers=1)
    server.terminate()
    assert server.wait_exit(timeout=8) == 0


def test_a_busy_python_thread_does_not_starve_the_loop(serve, app):
    app.write("""
import threading
def burns():
    while True:
        sum(range(1000))
threading.Thread(target=burns, daemon=True).start()
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
""")
    server = serve(workers=1)
    with server.connect() as client:
        for _ in range(20):
            assert client.get().text == "served"


@pytest.mark.both_loops
def test_signal_handlers_of_the_app_run(serve, app):
    app.write("""
import os, signal
def handler(number, frame):
    print("handler ran in the app", flush=True)
signal.signal(signal.SIGUSR2, handler)
async def app(scope, receive, send):
    assert scope["type"] == "http"
""")
    server = serve(workers=1)
    import signal

    server.signal(signal.SIGUSR2, server.wait_ready()[0])
    server.log.wait("handler ran in the app", timeout=3)


def test_children_of_the_app_hold_no_listener(serve, app):
    app.write("""
import subprocess, sys
async def app(scope, receive, send):
    assert scope["type"] == "http"
    child = subprocess.Popen([sys.executable, "-c", "import time; print('child runs', flush=True); time.sleep(3600)"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(child.pid).encode()})
""")
    import os
    import signal

    from harness.waiting import eventually

    server = serve(workers=1)
    child = int(server.get().body)
    server.log.wait("child runs")
    try:
        sockets = [link for link in processes.descriptors(child).values() if link.startswith("socket:")]
        assert not sockets, "the child of the app inherited sockets"
        assert not processes.signal_mask(child)
        server.terminate()
        assert server.wait_exit() == 0
        eventually(server.refuses_connections, "the port is free though the child lives")
    finally:
        os.kill(child, signal.SIGKILL)
