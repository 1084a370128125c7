"""Lifespan: once per worker, before the first request and after the last (ASGI-130 to -137)."""

import json
import signal

import pytest

from harness.apps import BOOT_FAILED

pytestmark = [pytest.mark.both_loops]

TELLS = """
import asyncio, json, os
LOOPS = []
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        LOOPS.append(id(asyncio.get_running_loop()))
        scope["state"]["pid"] = os.getpid()
        while True:
            event = (await receive())["type"]
            print(event, "in", os.getpid(), flush=True)
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    same = LOOPS == [id(asyncio.get_running_loop())]
    if scope["path"] == "/slow":
        print("request waits", flush=True)
        while not os.path.exists("open"):
            await asyncio.sleep(0.01)
        print("request ends", flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps([same, scope["state"]["pid"]]).encode()})
"""


@pytest.mark.both_artifacts
def test_asgi_134_startup_and_shutdown_run_once_per_worker(serve, app):
    app.write(TELLS)
    server = serve(workers=2)
    pids = server.wait_ready(2).values()
    same_loop, pid = json.loads(server.get().body)
    assert same_loop and pid in pids
    server.terminate()
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    for pid in pids:
        assert text.count(f"lifespan.startup in {pid}") == 1
        assert text.count(f"lifespan.shutdown in {pid}") == 1


def test_asgi_131_failed_startup_is_told_and_ends_the_server(launch, app):
    app.write("""
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
    await receive()
""")
    server = launch("app:app", "-w", "2")
    assert server.wait_exit() == BOOT_FAILED
    assert "no database" in server.log.wait_end()


def test_asgi_135_state_is_an_empty_dict_that_startup_fills(serve, app):
    app.write("""
import json
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        empty = type(scope["state"]) is dict and not scope["state"]
        scope["state"]["empty"] = empty
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": json.dumps(scope["state"]).encode()})
""")
    assert json.loads(serve(workers=1).get().body) == {"empty": True}


def test_asgi_133_shutdown_comes_after_the_last_request(serve, app):
    app.write(TELLS)
    server = serve(workers=1)
    with server.connect() as client:
        client.request(target="/slow")
        server.log.wait("request waits")
        server.terminate()
        (app.path / "open").touch()
        assert client.response().status == 200
    server.wait_exit()
    text = server.log.wait_end()
    assert text.index("request ends") < text.index("lifespan.shutdown in")


def test_asgi_137_shutdown_runs_on_reload(serve, app):
    app.write(TELLS)
    server = serve(workers=1)
    old = server.wait_ready()[0]
    server.reload()
    server.log.wait(f"lifespan.shutdown in {old}")


def test_asgi_137_shutdown_runs_when_a_worker_has_served_enough(serve, app):
    app.write(TELLS)
    server = serve(None, "--max-requests", "3", workers=1)
    old = server.wait_ready()[0]
    for _ in range(4):
        server.get()
    server.log.wait(f"lifespan.shutdown in {old}")


def test_asgi_132_exception_means_no_lifespan_and_is_not_told(serve):
    """Django raises ValueError: nothing to see at the default log level (ASGI-132)."""
    server = serve("hello.py", workers=1)
    assert server.get().status == 200
    assert not server.log.find("Traceback|AssertionError")


def test_an_error_in_a_startup_that_had_begun_is_told(serve, app):
    """The server goes on, as the specification requires. But this is not an app without lifespan support."""
    app.write("""
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        raise RuntimeError("no database")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"no state" if "state" not in scope else b"state"})
""")
    server = serve(workers=1)
    assert server.get().text == "no state"
    server.log.wait("served without lifespan")
    server.log.wait("RuntimeError: no database")


def test_an_error_in_the_lifespan_between_startup_and_shutdown_is_told(serve, app):
    app.write("""
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise RuntimeError("the listener of the queue is gone")
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"still served"})
""")
    server = serve(workers=1)
    assert server.get().text == "still served"
    server.log.wait("RuntimeError: the listener of the queue is gone")
    server.terminate()
    assert server.wait_exit() == 0
    assert server.log.wait_end().count("the listener of the queue is gone\n") == 1


def test_asgi_132_exception_is_fatal_when_lifespan_is_on(launch, app):
    app.copy("hello.py")
    server = launch("app:app", "--lifespan", "on")
    assert server.wait_exit() == BOOT_FAILED
    assert "lifespan" in server.log.wait_end()


def test_asgi_132_off_means_never_called(launch, app):
    app.write(TELLS.replace('scope["state"]["pid"]]', 'scope.get("state")]'))
    server = launch("app:app", "--lifespan", "off")
    server.wait_ready()
    assert json.loads(server.get().body) in ([False, None], [False, {}])
    assert not server.log.find("lifespan.startup in")


def test_app_that_ignores_lifespan_serves(serve, app):
    app.write("""
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"no lifespan" if "state" not in scope else b"state"})
""")
    assert serve(workers=1).get().text in ("no lifespan", "state")


def test_asgi_136_startup_that_hangs_ends_at_the_boot_timeout(launch, app):
    app.write("""
import asyncio
async def app(scope, receive, send):
    await receive()
    print("hanging", flush=True)
    await asyncio.sleep(3600)
""")
    server = launch("app:app", "--boot-timeout", "1")
    server.log.wait("hanging")
    assert server.wait_exit() == BOOT_FAILED
    server.log.wait("not ready within --boot-timeout: the app's lifespan startup had not ended")


def test_asgi_133_shutdown_that_hangs_is_bounded(serve, app):
    app.write("""
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("hanging", flush=True)
    await asyncio.sleep(3600)
""")
    server = serve(None, "--graceful-timeout", "1", workers=1)
    server.terminate()
    server.log.wait("hanging")
    assert server.wait_exit(timeout=8) == 0


def test_asgi_133_failed_shutdown_is_told(serve, app):
    app.write("""
async def app(scope, receive, send):
    assert scope["type"] == "lifespan"
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "queue was not empty"})
""")
    server = serve(workers=1)
    server.terminate()
    server.wait_exit()
    assert "queue was not empty" in server.log.wait_end()


def test_terminate_during_startup_is_at_once(launch, app):
    app.write("""
import asyncio
async def app(scope, receive, send):
    await receive()
    print("starting", flush=True)
    await asyncio.sleep(3600)
""")
    server = launch("app:app", "-w", "2")
    server.log.wait("starting", count=2)
    server.signal(signal.SIGTERM)
    assert server.wait_exit(timeout=5) == 0


def test_tasks_of_the_lifespan_live_as_long_as_the_worker(serve, app):
    """Background tasks that an app starts in its startup."""
    app.write("""
import asyncio
COUNT = 0
async def counts():
    global COUNT
    while True:
        COUNT += 1
        await asyncio.sleep(0.01)
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        task = asyncio.ensure_future(counts())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        task.cancel()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(COUNT).encode()})
""")
    server = serve(workers=1)
    from harness.waiting import eventually

    first = int(server.get().body)
    eventually(lambda: int(server.get().body) > first + 5, "the task runs while the worker serves")


CANCELS_ALL = """
import asyncio
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        print("all others have ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/cancel":
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""


@pytest.mark.parametrize("path", ["/", "/cancel"])
def test_an_app_that_cancels_every_task_of_the_loop_cancels_none_of_the_servers(serve, app, path):
    app.write(CANCELS_ALL)
    server = serve(workers=1)
    server.wait_ready(1)
    assert server.get(path).status == 200
    assert server.get().status == 200
    server.terminate()
    assert server.wait_exit(10) == 0
    text = server.log.wait_end()
    assert "the event loop has failed" not in text
    assert 'exit="code 0"' in text
    # Its own lifespan is a task, too: an app that cancels it has not requested a shutdown.
    assert ("all others have ended" in text) == (path == "/")
