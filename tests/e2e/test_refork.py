"""--refork-after: a worker that has served becomes the mold, and the others are forked anew from it."""

import json
import signal
import socket

import pytest

from harness import processes
from harness.load import Load
from harness.log import fields
from harness.waiting import eventually

# Says which processes have filled the cache of the one that answers, and gone through its lifespan.
CACHE = """
import json, os, random
CACHE, LIFE = [], []

def answer():
    if len(CACHE) < 3:
        CACHE.append(os.getpid())
    return json.dumps({"pid": os.getpid(), "cache": CACHE, "life": LIFE, "random": random.random(), "parent": os.getppid()}).encode()
"""

ASGI = CACHE + """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"]
            LIFE.append([event[9:], os.getpid()])
            await send({"type": event + ".complete"})
            if event == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": answer()})
"""

WSGI = CACHE + """
def app(environ, start_response):
    start_response("200 OK", [])
    return [answer()]
"""

OPTIONS = ("--preload", "--refork-after", 30, "--keepalive-drain", "200ms")


def reforked(server, workers=2):
    """The pid of the new mold, once all workers are forked from it."""
    line = server.log.wait(r"worker retires.*reason=\"--refork-after: it becomes the mold\"").string
    mold = int(fields(line)["pid"])
    server.log.wait("worker has become the mold")
    server.log.wait("workers are forked from the new mold")
    # Its own replacement, and then all of them.
    eventually(lambda: len(server.log.find("worker replaced")) == workers + 1, "the older workers are replaced")
    eventually(lambda: len(server.children()) == workers + 1, "the workers and their mold are left")
    return mold


def workers(server, mold):
    """The log says of all of them that they were ready, and of the mold, too."""
    return [pid for pid in server.ready_pids() if pid != mold]


def answers(server, count=20):
    return [json.loads(server.get().body) for _ in range(count)]


@pytest.fixture
def listener():
    """The port of something like a database, which answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield one.getsockname()[1]


@pytest.mark.both_artifacts
@pytest.mark.both_loops
def test_the_workers_share_what_one_of_them_has_loaded(serve, app):
    app.write(ASGI)
    server = serve(None, *OPTIONS, workers=2)
    with Load(server, clients=2, keep_alive=True) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        mold = reforked(server)
        kept.assert_nothing_failed(at_least=30)
        fresh.assert_nothing_failed(at_least=30)
    assert mold in server.children() and len(workers(server, mold)) == 2
    for answer in answers(server):
        assert answer["cache"] == [mold] * 3 and answer["parent"] == server.master, answer
        # The lifespan of the mold has ended before the fork; each worker has its own.
        assert answer["life"] == [["startup", mold], ["shutdown", mold], ["startup", answer["pid"]]]
    assert len({answer["random"] for answer in answers(server)}) == 20
    assert not server.log.find(r"ERROR|WARNING|CRITICAL"), server.log.text()


@pytest.mark.both_artifacts
@pytest.mark.parametrize("threads", [1, 4])
def test_the_threads_of_wsgi_end_and_begin_again(serve, app, threads):
    app.write(WSGI)
    server = serve(None, *OPTIONS, "--threads", threads, workers=2)
    with Load(server, clients=4, keep_alive=False) as load:
        mold = reforked(server)
        load.assert_nothing_failed(at_least=30)
    assert all(answer["cache"] == [mold] * 3 for answer in answers(server))
    assert processes.threads(mold) == 1
    assert not server.log.find(r"ERROR|WARNING|CRITICAL"), server.log.text()


def test_the_new_mold_is_a_mold_as_any_other(serve, app):
    """It forks workers that die, says nothing to signals for the master, and leaves with its generation."""
    app.write(ASGI)
    server = serve(None, *OPTIONS, workers=2)
    with Load(server, clients=2, keep_alive=False):
        mold = reforked(server)
    for _ in range(3):
        mark = server.log.mark()
        server.signal(signal.SIGKILL, workers(server, mold)[0])
        server.wait_ready(1, after=mark)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        server.signal(number, mold)
    assert all(answer["cache"] == [mold] * 3 for answer in answers(server))
    # A signal that is sent to a worker of it ends that one in order.
    mark = server.log.mark()
    server.signal(signal.SIGTERM, workers(server, mold)[0])
    server.wait_ready(1, after=mark)
    server.reload()
    eventually(lambda: not processes.alive(mold), "the mold leaves with its generation")
    assert {tuple(answer["cache"]) for answer in answers(server)} & {(mold,) * 3} == set()
    assert len(server.log.find(r"ERROR")) == len(server.log.find("worker died")) == 3, server.log.text()


def test_a_new_mold_that_is_killed_is_followed_by_one_that_imports_the_app(serve, app):
    app.write(ASGI)
    server = serve(None, *OPTIONS, workers=2)
    with Load(server, clients=2, keep_alive=False) as load:
        mold = reforked(server)
        mark = server.log.mark()
        server.signal(signal.SIGKILL, mold)
        server.log.wait("mold ready", after=mark)
        server.log.wait("workers are forked from the new mold", after=mark)
        load.assert_nothing_failed(at_least=30)


THREAD = """
import threading
def before():
    if not any(one.name == "reporter" for one in threading.enumerate()):
        threading.Thread(target=threading.Event().wait, name="reporter", daemon=True).start()
"""
SOCKET = """
import socket, os
FOUND = []
def before():
    if not FOUND:
        FOUND.append(socket.create_connection(("127.0.0.1", int(os.environ["DATABASE"]))))
"""


def of(before):
    return before + WSGI.replace("    start_response", "    before()\n    start_response")


def test_a_worker_with_threads_or_connections_is_refused(serve, app, listener):
    for code, reason in ((THREAD, "threads of the app are left in it: reporter"), (SOCKET, f"connections of the app are open in it: 127.0.0.1:{listener}")):
        app.write(of(code))
        server = serve(None, *OPTIONS, workers=2, env={"DATABASE": str(listener)})
        with Load(server, clients=2, keep_alive=False) as load:
            found = server.log.wait(r"the worker cannot become the mold.*").string
            assert reason in found, found
            before = len(load.exchanges)
            eventually(lambda: len(load.exchanges) > before + 200, "both workers have served enough since")
            load.assert_nothing_failed(at_least=200)
        assert len(server.log.find("cannot become the mold")) == 1
        assert len(server.log.find("it becomes the mold")) == 1
        server.terminate()


def test_what_the_app_closes_before_a_fork_does_not_count(serve, app, listener):
    app.write(of(SOCKET) + "\nos.register_at_fork(before=lambda: FOUND and FOUND.pop().close())\n")
    server = serve(None, *OPTIONS, workers=2, env={"DATABASE": str(listener)})
    with Load(server, clients=2, keep_alive=False) as load:
        reforked(server)
        load.assert_nothing_failed(at_least=30)


def test_workers_that_cannot_start_again_bring_the_mold_before_back(serve, app):
    """The app closes in its lifespan what it has made at import."""
    app.write(ASGI.replace("            LIFE.append", "            assert event != 'lifespan.startup' or ['shutdown'] not in [one[:1] for one in LIFE]\n            LIFE.append"))
    server = serve(None, *OPTIONS, "--lifespan", "on", workers=2)
    with Load(server, clients=2, keep_alive=False) as load:
        mold = int(fields(server.log.wait(r"worker retires.*it becomes the mold").string)["pid"])
        server.log.wait("no worker becomes the mold of this generation")
        mark = server.log.mark()
        server.signal(signal.SIGKILL, workers(server, mold)[0])
        server.wait_ready(1, after=mark)
        before = len(load.exchanges)
        eventually(lambda: len(load.exchanges) > before + 200, "all goes on")
    assert len(server.log.find("it becomes the mold")) == 1
    # One of the requests may have been in the worker that was killed.
    assert len(load.lost) <= 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_or_a_reload_in_the_middle_of_it(serve, app, number):
    app.write(ASGI)
    server = serve(None, *OPTIONS, workers=3)
    with Load(server, clients=3, keep_alive=False) as load:
        server.log.wait("it becomes the mold")
        if number == signal.SIGHUP:
            server.reload()
            load.assert_nothing_failed(at_least=30)
            eventually(lambda: len(server.children()) == 4, "three workers and a mold are left")
            return
        server.signal(number)
        assert server.wait_exit() == 0
    assert server.leftovers() == []


def test_the_option_needs_preload(launch, app):
    app.write(WSGI)
    server = launch("app:app", "--refork-after", 30)
    assert server.wait_exit() == 2
    assert "needs --preload" in server.log.wait_end()
