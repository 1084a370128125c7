"""TERM, INT and QUIT: in-flight requests finish, waiting ones are answered, no client sees a reset."""

import os
import signal
import threading
import time

import pytest

from harness import processes
from harness.load import Load
from harness.response import NoResponse
from harness.waiting import eventually


@pytest.mark.both_artifacts
@pytest.mark.both_loops
def test_terminate_finishes_the_request_in_flight(serve, app):
    server = serve("gate.py", workers=2)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        server.terminate()
        eventually(server.refuses_connections, "no new connection is taken")
        assert server.process.poll() is None
        (app.path / "open").touch()
        response = client.response()
        assert response.text == "waited" and response.closes
        assert client.ending() == "closed"
    assert server.wait_exit() == 0


@pytest.mark.both_artifacts
def test_terminate_when_idle_is_quick(serve):
    server = serve("hello.py", workers=4)
    assert server.get().status == 200
    started = time.monotonic()
    server.terminate()
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 2


def test_terminate_with_idle_connections_takes_at_most_a_second(serve):
    server = serve("hello.py", workers=2)
    clients = [server.connect() for _ in range(5)]
    for client in clients:
        assert client.get().status == 200
    started = time.monotonic()
    server.terminate()
    for client in clients:
        assert client.ending() == "closed"
        client.close()
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 3


def test_a_request_sent_on_an_idle_connection_during_the_drain_is_answered(serve, app):
    server = serve("gate.py", workers=1)
    with server.connect() as idle, server.connect() as busy:
        assert idle.get().status == 200
        busy.request(target="/wait")
        server.log.wait("request waits")
        server.terminate()
        eventually(server.refuses_connections, "the drain began")
        try:
            response = idle.get()
            assert response.status == 200 and response.closes
        except NoResponse:
            pass  # its second was over before the request came
        (app.path / "open").touch()
        assert busy.response().text == "waited"
    assert server.wait_exit() == 0


def test_connections_in_the_queue_are_answered(serve):
    """Accepted by the kernel, not yet by a worker: they are not reset by the last close."""
    server = serve("hello.py", workers=1)
    worker = server.wait_ready()[0]
    server.freeze(worker)
    clients = [server.connect() for _ in range(8)]
    for client in clients:
        client.request()
    server.terminate()
    server.signal(signal.SIGCONT, worker)
    for client in clients:
        assert client.response().status == 200
        client.close()
    assert server.wait_exit() == 0


def test_an_upload_in_flight_is_not_reset(serve, app):
    app.copy("probe.py")
    server = serve(workers=1)
    with server.connect() as client:
        client.request("POST", "/first-event", [("Content-Length", "200000")])
        client.send(b"x" * 1000)
        server.log.wait("first event")
        server.terminate()
        eventually(server.refuses_connections, "the drain began")
        client.send(b"x" * 199_000)
        assert client.response().body == b"200000"
    assert server.wait_exit() == 0


def test_the_load_sees_no_reset_on_terminate(serve):
    server = serve("hello.py", workers=2)
    with Load(server, clients=4) as load:
        load.flows(100)
        server.terminate()
        assert server.wait_exit() == 0
        eventually(lambda: load.failures["refused"], "the clients notice")
    load.stop()
    assert set(load.failures) == {"refused"}, f"{dict(load.failures)}: {load.details[:5]}"


@pytest.mark.both_artifacts
def test_graceful_timeout_ends_what_does_not_end(serve):
    server = serve("gate.py", "--graceful-timeout", "1", workers=1)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        started = time.monotonic()
        server.terminate()
        assert server.wait_exit(timeout=8) == 0
        assert 0.9 < time.monotonic() - started < 5


def test_graceful_timeout_ends_a_blocked_worker(serve, app):
    app.write("""
import time
async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("blocking", flush=True)
    time.sleep(3600)
""")
    server = serve(None, "--graceful-timeout", "1", workers=2)
    with server.connect() as client:
        client.request()
        server.log.wait("blocking")
        server.terminate()
        assert server.wait_exit(timeout=8) == 0


@pytest.mark.both_artifacts
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_signal_makes_it_fast(serve, second):
    server = serve("gate.py", workers=1)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        server.terminate()
        eventually(server.refuses_connections, "the drain began")
        started = time.monotonic()
        server.signal(second)
        assert server.wait_exit() == 0
        assert time.monotonic() - started < 3


@pytest.mark.both_artifacts
@pytest.mark.both_loops
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_fast_stop_cancels_what_runs(serve, app, number):
    app.write("""
import asyncio
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            print("lifespan:", event, flush=True)
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    try:
        print("waiting", flush=True)
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
""")
    server = serve(workers=1)
    with server.connect() as client:
        client.request()
        server.log.wait("waiting")
        started = time.monotonic()
        server.signal(number)
        assert server.wait_exit() == 0
        assert time.monotonic() - started < 4
    text = server.log.wait_end()
    assert "cancelled" in text and "lifespan: lifespan.shutdown" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_during_the_first_boot_acts_at_once(launch, app, number):
    app.write("import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n")
    server = launch("app:app", "-w", "2")
    server.log.wait("hanging", count=2)
    started = time.monotonic()
    server.signal(number)
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 3


def test_ctrl_c_reaches_master_and_workers_alike(serve):
    """A terminal sends SIGINT to the whole group: the workers leave it to the master."""
    server = serve("hello.py", workers=2)
    os.killpg(server.master, signal.SIGINT)
    assert server.wait_exit() == 0
    assert "KeyboardInterrupt" not in server.log.wait_end()


def test_terminate_to_every_process_of_the_group(serve, app):
    """`docker stop` behind an init that signals its group, systemd's KillMode=control-group: the workers get TERM too."""
    server = serve("gate.py", workers=2)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        os.killpg(server.master, signal.SIGTERM)
        eventually(server.refuses_connections, "the drain began")
        (app.path / "open").touch()
        assert client.response().text == "waited"
    assert server.wait_exit() == 0


def test_keep_alive_connections_are_told_to_close_while_draining(serve):
    server = serve("hello.py", workers=1)
    stop = threading.Event()
    told = []

    def client():
        with server.connect() as connection:
            while not stop.is_set():
                try:
                    response = connection.get()
                except (NoResponse, OSError):
                    return
                if response.closes:
                    told.append(connection.ending())
                    return

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually(lambda: server.get().status == 200, "it serves")
    server.terminate()
    assert server.wait_exit() == 0
    stop.set()
    for thread in threads:
        thread.join(10)
    assert told == ["closed"] * 4, told


def test_no_process_survives(serve):
    server = serve("hello.py", workers=3)
    server.terminate()
    server.wait_exit()
    assert not [pid for pid in server.leftovers() if processes.alive(pid)]


@pytest.mark.both_loops
@pytest.mark.parametrize("what", ["a thread that never ends", "a request that never ends", "a hook that never ends"])
def test_the_whole_stop_fits_into_the_graceful_timeout(serve, app, what):
    app.write(f"""
import asyncio, atexit, threading
if {what!r} == "a thread that never ends":
    threading.Thread(target=threading.Event().wait).start()
if {what!r} == "a hook that never ends":
    atexit.register(threading.Event().wait)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("request waits", flush=True)
    await asyncio.sleep(600)
""")
    server = serve(None, "--graceful-timeout", "3", workers=2)
    with server.connect() as client:
        if what == "a request that never ends":
            client.request()
            server.log.wait("request waits")
        started = time.monotonic()
        server.terminate()
        assert server.wait_exit(timeout=8) == 0
        # The master's own end on a loaded machine.
        assert time.monotonic() - started < 3.9


WORKS_AFTER_ITS_RESPONSE = """
import asyncio, sys, time
from pathlib import Path

def eager(loop, coroutine, **options):
    # As tasks begin from Python 3.12 on: within the dispatch of their request.
    if not str(getattr(coroutine, "request", "")).endswith("/works"):
        return asyncio.Task(coroutine, loop=loop, **options)
    try:
        coroutine.send(None)
    except StopIteration as end:
        future = loop.create_future()
        future.set_result(end.value)
        return future
    raise RuntimeError("it waits")

async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        if sys.version_info < (3, 12):
            asyncio.get_running_loop().set_task_factory(eager)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan ends", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["path"] == "/works":
        await answer(send, b"works")
        print("works", flush=True)
        while not Path("open").exists():
            time.sleep(0.01)
    else:
        await asyncio.sleep(0.1)
        await answer(send, b"next")
"""


@pytest.mark.both_loops
def test_what_was_accepted_during_the_last_step_of_the_app_is_served(serve, app):
    """The last response is complete, and the drain is obeyed in the step that sent it: connections may have come meanwhile."""
    app.write(WORKS_AFTER_ITS_RESPONSE)
    server = serve(None, "--graceful-timeout", "20", workers=1)
    with server.connect() as client:
        client.request(target="/works", headers=[("connection", "close")])
        assert client.response().text == "works"
        server.log.wait("works")
        waiting = [server.connect() for _ in range(5)]
        for one in waiting:
            one.request(target="/next")
        server.terminate()
        eventually(server.refuses_connections, "the drain began")
        (app.path / "open").touch()
        assert [one.response().status for one in waiting] == [200] * 5
        for one in waiting:
            one.close()
    assert server.wait_exit() == 0
