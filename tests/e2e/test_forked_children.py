"""Children that the app forks without exec (`multiprocessing`, process pools, `os.fork`): they hold copies of the worker's sockets."""

import os
import signal

import pytest

from harness import processes
from harness.waiting import eventually

pytestmark = [pytest.mark.both_loops]

# The child sleeps until it is killed, and has every descriptor of its parent all the while.
HOLDS = """
import os, signal, time

def answer(path):
    if path == "/fork":
        child = os.fork()
        if child == 0:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            signal.pause()
            os._exit(0)
        return str(child)
    if path == "/slow":
        print("slow request waits", flush=True)
        while not os.path.exists("open"):
            time.sleep(0.01)
    return path
"""
ASGI = HOLDS + """
import asyncio
async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await asyncio.get_running_loop().run_in_executor(None, answer, scope["path"]) if scope["path"] == "/slow" else answer(scope["path"])).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = HOLDS + """
def app(environ, start_response):
    body = answer(environ["PATH_INFO"]).encode()
    start_response("200 OK", [("content-length", str(len(body)))])
    return [body]
"""
INTERFACES = pytest.mark.parametrize("text", [ASGI, WSGI], ids=["asgi", "wsgi"])


@pytest.fixture
def holding(app, launch):
    """A server, and a function that makes its worker fork a child."""
    children = []

    def start(text, *options):
        app.write(text)
        server = launch("app:app", "-w", "1", *(["--threads", "4"] if text is WSGI else []), *options)
        server.wait_ready(1)

        def fork():
            with server.connect() as client:
                children.append(int(client.get("/fork").text))
            return children[-1]

        return server, fork

    yield start
    for child in children:
        os.kill(child, signal.SIGKILL)
        eventually(lambda: not processes.alive(child), "the child is gone")


@INTERFACES
def test_the_end_of_a_connection_reaches_its_client_at_once(holding, text):
    server, fork = holding(text)
    with server.connect() as client:
        assert client.get("/").status == 200
        fork()
        assert client.get("/", headers=[("connection", "close")]).status == 200
        assert client.ending() == "closed"


@INTERFACES
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_a_late_end_of_a_closed_connection_is_not_another_ones(holding, app, text, leave):
    server, fork = holding(text)
    closed = [server.connect() for _ in range(3)]
    for client in closed:
        assert client.get("/").status == 200
    fork()
    for client in closed:
        assert client.get("/", headers=[("connection", "close")]).status == 200
    others = [server.connect() for _ in range(3)]
    for number, client in enumerate(others):
        client.request(target="/slow")
        server.log.wait("slow request waits", count=number + 1)
    for client in closed:
        getattr(client, leave)()
    with server.connect() as client:
        # Its answer shows that the worker has had a turn since.
        assert client.get("/").status == 200
    (app.path / "open").touch()
    assert [client.response().status for client in others] == [200, 200, 200]
    for client in others:
        client.close()


def test_a_cut_response_is_reset_although_a_child_holds_the_socket(holding):
    """Without a length a FIN would look like the proper end of the body."""
    server, fork = holding(ASGI.replace('    body = (await', """
    if scope["path"] == "/cut":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        print("half is sent", flush=True)
        while not os.path.exists("open"):
            await asyncio.sleep(0.01)
        raise ValueError("on purpose")
    body = (await"""))
    with server.connect() as client:
        client.request(target="/cut", version="1.0")
        assert client.head().status == 200
        assert client.read(4) == b"half"
        fork()
        (server.directory / "open").touch()
        assert client.ending() == "reset"


# What a child does after the fork, and how it then leaves: exit code, and what its standard error shows.
LEAVES = {
    "returns": ("pass", 0, None),
    "sys.exit()": ("sys.exit()", 0, None),
    "sys.exit(7)": ("sys.exit(7)", 7, None),
    "sys.exit(text)": ('sys.exit("for a reason")', 1, "for a reason"),
    "raises": ('raise ValueError("on purpose")', 1, "ValueError: on purpose"),
    "os._exit(5)": ("os._exit(5)", 5, None),
}
FORKS = """
import os, sys

def answer(path):
    if path == "/fork":
        sys.stdout.write("written by the child\\n")
        child = os.fork()
        if child == 0:
            LEAVE
            return "a second answer"
        return "exit code %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return str(os.getpid())
"""
FORKING = {
    "asgi": FORKS + ASGI[len(HOLDS):],
    "wsgi": FORKS + WSGI[len(HOLDS):],
    "wsgi-generator": FORKS + """
def app(environ, start_response):
    start_response("200 OK", [])
    yield answer(environ["PATH_INFO"]).encode()
""",
}


@pytest.mark.parametrize("leave", LEAVES)
@pytest.mark.parametrize("interface", FORKING)
def test_a_child_that_leaves_is_no_second_worker(serve, app, interface, leave):
    code, status, said = LEAVES[leave]
    app.write(FORKING[interface].replace("LEAVE", code))
    server = serve(None, *(["--threads", "2"] if interface != "asgi" else []))
    (worker,) = server.ready_pids()
    with server.connect() as client:
        assert client.get("/fork").text == f"exit code {status}"
        assert client.get("/").text == str(worker)
    if said:
        server.log.wait(said)
    assert {server.get("/").text for _ in range(10)} == {str(worker)}
    assert not server.log.find("exception in app|worker exited")


def test_a_child_that_waits_in_the_event_loop_exits(serve, app):
    app.write("""
import asyncio, os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    child = os.fork()
    if child == 0:
        await asyncio.sleep(0)
    body = b"exit code %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
""")
    server = serve()
    assert server.get("/").text == "exit code 1"
    server.log.wait("a forked child cannot wait in the event loop")


def test_a_child_of_another_task_leaves_the_loop_with_its_code(serve, app):
    app.write("""
import asyncio, os, sys
child = None
async def forks():
    global child
    child = os.fork()
    if child == 0:
        sys.exit(7)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await asyncio.ensure_future(forks())
    body = b"exit code %d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
""")
    server = serve()
    assert server.get("/").text == "exit code 7"
    assert server.get("/").text == "exit code 7"
    assert not server.log.find("lifespan|event loop has failed")


@pytest.mark.parametrize("interface", ["asgi", "wsgi"])
def test_a_pool_of_processes_that_fork(serve, app, interface):
    app.write("""
import concurrent.futures, multiprocessing
pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))
def double(number):
    return number * 2
def answer(path):
    return str(pool.submit(double, 21).result())
""" + {"asgi": ASGI, "wsgi": WSGI}[interface][len(HOLDS):])
    server = serve()
    assert [server.get("/").text for _ in range(5)] == ["42"] * 5


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["", "preload"])
@pytest.mark.parametrize("end", ["sys.exit(3)", "raise ValueError('of the child')", "pass"], ids=["exit", "raise", "return"])
def test_a_child_that_is_forked_at_import(serve, app, options, end):
    """What it does at its end is no part of the worker's boot."""
    app.write(f"""
import os, sys
child = os.fork()
if child == 0:
    {end}
else:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"exit code %d" % code}})
""")
    server = serve(None, *options)
    expected = {"sys.exit(3)": 3, "pass": 0}.get(end, 1)
    assert server.get("/").text == f"exit code {expected}"
    assert not server.log.find("could not be loaded|did not come up")
