"""--preload: workers are forked from a process that has the app; deaths of either, and reloads."""

import json
import re
import signal

import pytest

from harness import processes
from harness.apps import BOOT_FAILED, IMPORT_ERROR, LOAD_FAILED, SYNTAX_ERROR, version
from harness.load import Load, assert_one_version_at_a_time
from harness.log import fields
from harness.waiting import eventually

# Its import takes a second: a respawn that imports it again is seen.
SLOW = "time.sleep(1)"

WHO = """
import json, os, sys, random, signal, threading
BORN = os.getpid()
random.seed(1)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    answer = {
        "born": BORN, "pid": os.getpid(), "parent": os.getppid(), "random": random.random(),
        "threads": [thread.name for thread in threading.enumerate()], "term": str(signal.getsignal(signal.SIGTERM)),
        "stdin": sys.flags.no_site, "site": "site" in sys.modules,
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
"""


def mold(server, besides=()):
    """The pid of the one mold that is not among `besides`."""
    def found():
        return [pid for pid in server.children() if pid not in server.ready_pids() and pid not in besides and processes.alive(pid)]

    eventually(lambda: len(found()) == 1, "there is one mold")
    return found()[0]


def boot_ms(server, after):
    return int(fields(server.log.wait(r"worker ready.*", after=after).string)["after_ms"])


@pytest.mark.both_artifacts
def test_workers_are_forked_from_the_process_that_has_loaded_the_app(serve, app):
    app.write(WHO)
    server = serve(None, "--preload", workers=2)
    answers = [json.loads(server.get().body) for _ in range(20)]
    assert {answer["born"] for answer in answers} == {mold(server)}
    assert {answer["pid"] for answer in answers} <= set(server.ready_pids())
    assert all(answer["parent"] == server.master and answer["site"] and not answer["stdin"] for answer in answers)
    # Python's own at-fork hooks have run: each worker has random numbers of its own.
    assert len({answer["random"] for answer in answers}) == len(answers)


@pytest.mark.both_artifacts
def test_a_dead_worker_is_replaced_without_another_import(serve, app):
    app.write(version("1", before=SLOW))
    server = serve(None, "--preload", workers=2)
    assert len(server.log.find("mold ready")) == 1
    for _ in range(5):
        mark = server.log.mark()
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        assert boot_ms(server, mark) < 900
    assert len(server.log.find("mold ready")) == 1


def test_a_dead_worker_is_replaced_with_the_code_of_its_generation(serve, app):
    app.write("VERSION = '1'\n", "part.py")
    app.write("import part\n" + version("1"))
    server = serve(None, "--preload", workers=2)
    with Load(server, clients=2, keep_alive=False) as load:
        for broken in (SYNTAX_ERROR, IMPORT_ERROR, "import half\n" + version("2")):
            app.write(broken)
            app.write("raise SystemError\n", "part.py")
            for pid in server.ready_pids():
                mark = server.log.mark()
                server.signal(signal.SIGKILL, pid)
                server.wait_ready(1, after=mark)
            load.flows(20)
    assert set(load.bodies()) == {b"1"} and "refused" not in load.failures


@pytest.mark.both_artifacts
def test_a_reload_brings_new_code_and_loses_no_request(serve, app):
    app.write(version("0"))
    server = serve(None, "--preload", workers=2)
    first = mold(server)
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(50)
        for generation in range(1, 11):
            app.write(version(str(generation)))
            assert "succeeded" in server.reload().string
            kept.flows(5)
        fresh.flows(5)
    kept.assert_nothing_failed(at_least=500)
    fresh.assert_nothing_failed(at_least=100)
    assert kept.bodies()[b"10"] and fresh.bodies()[b"10"]
    eventually(lambda: not processes.alive(first), "the first mold has left with its workers")
    eventually(lambda: len(server.children()) == 3, "two workers and their mold are left")
    assert not processes.zombies(server.master)


def test_new_connections_meet_one_version(serve, app):
    app.write(version("old"))
    server = serve(None, "--preload", workers=4)
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows(50)
        app.write(version("new"))
        server.reload()
        load.flows(50)
    load.assert_nothing_failed()
    assert_one_version_at_a_time(load, b"old", b"new")


@pytest.mark.both_artifacts
@pytest.mark.parametrize("code", [SYNTAX_ERROR, IMPORT_ERROR, "app = 1\n", "import os\nos._exit(7)\n", "import time\ntime.sleep(600)\n"])
def test_bad_code_changes_nothing(serve, app, code):
    app.write(version("old"))
    server = serve(None, "--preload", "--boot-timeout", "3", workers=2)
    with Load(server, clients=2) as load:
        app.write(code)
        line = server.reload(timeout=20).string
        assert "rolled back" in line and "reason=" in line, line
        load.flows(20)
        # A worker that dies now is still of the old code.
        mark = server.log.mark()
        server.signal(signal.SIGTERM, server.ready_pids()[0])
        server.wait_ready(1, after=mark)
        load.flows(20)
        app.write(version("new"))
        assert "succeeded" in server.reload().string
        load.flows(20)
    load.assert_nothing_failed()
    assert load.bodies()[b"new"]
    eventually(lambda: len(server.children()) == 3, "nothing of the bad generation is left")


def test_the_ready_path_counts(serve, app):
    app.write(version("old"))
    server = serve(None, "--preload", "--ready-path", "/healthz", workers=2)
    app.write(version("new", health=500))
    assert "rolled back" in server.reload().string
    assert server.get().text == "old"


def test_the_traceback_is_the_users(launch, app):
    app.write("def load():\n    raise ValueError('no such thing')\nload()\n")
    server = launch("app:app", "--preload")
    assert server.wait_exit() == BOOT_FAILED
    text = server.log.wait_end()
    assert text.count("ValueError: no such thing") == 2 and 'app.py", line 3' in text, text
    assert "<rgun" not in text and "the server did not come up" in text


@pytest.mark.parametrize(("text", "code"), [(IMPORT_ERROR, BOOT_FAILED), ("x = 1\n", LOAD_FAILED), ("import os\nos._exit(4)\n", LOAD_FAILED)])
def test_a_first_boot_that_fails_ends_with_gunicorns_code(launch, app, text, code):
    app.write(text)
    server = launch("app:app", "--preload", "-w", "2")
    assert server.wait_exit() == code


@pytest.mark.both_artifacts
def test_a_mold_that_is_killed_is_built_anew_while_its_workers_serve(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    with Load(server, clients=4) as load:
        for _ in range(3):
            old = mold(server)
            mark = server.log.mark()
            server.signal(signal.SIGKILL, old)
            server.log.wait("mold died", after=mark)
            server.log.wait("mold ready", after=mark)
            assert mold(server, besides=[old]) != old
            load.flows(20)
        mark = server.log.mark()
        server.signal(signal.SIGTERM, server.ready_pids()[0])
        server.wait_ready(1, after=mark)
    load.assert_nothing_failed()


def test_a_worker_and_its_mold_die_together(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    for _ in range(5):
        victims = [mold(server), server.ready_pids()[0]]
        mark = server.log.mark()
        for pid in victims:
            server.signal(signal.SIGKILL, pid)
        server.wait_ready(1, after=mark)
        eventually(lambda: len(server.ready_pids()) == 2, "two workers serve")


def test_a_mold_that_does_not_fork_is_killed(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", "--boot-timeout", "2", workers=1)
    stuck = mold(server)
    server.freeze(stuck)
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.log.wait("mold died", after=mark, timeout=10)
    server.wait_ready(1, after=mark, timeout=20)
    assert not processes.alive(stuck)
    assert server.get().text == "1"


@pytest.mark.both_artifacts
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_leaves_nothing_behind(serve, app, number):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    # As from a terminal: to the whole group.
    for pid in [mold(server), *server.ready_pids(), server.master]:
        server.signal(number, pid)
    assert server.wait_exit() == 0
    eventually(lambda: not server.leftovers(), "nothing is left")


@pytest.mark.parametrize("before", ["", "time.sleep(600)"])
def test_a_stop_while_the_app_is_imported(launch, app, before):
    app.write("import pathlib\npathlib.Path('imports').touch()\n" + version("1", before=before))
    server = launch("app:app", "--preload", "-w", "2")
    eventually((app.path / "imports").exists, "the import has begun")
    server.terminate()
    assert server.wait_exit() == 0


def test_a_stop_during_a_reload(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    app.write("import pathlib\npathlib.Path('imports').touch()\n" + version("2", before="time.sleep(600)"))
    with Load(server, clients=2) as load:
        load.flows(20)
        server.signal(signal.SIGHUP)
        eventually((app.path / "imports").exists, "the import has begun")
        load.stop()
        server.terminate()
    assert server.wait_exit() == 0
    load.assert_nothing_failed()


def test_the_master_is_killed_and_the_mold_leaves(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    server.signal(signal.SIGKILL)
    server.process.wait()
    eventually(lambda: not server.leftovers(), "nothing is left")


def test_signals_for_the_master_do_not_end_the_mold(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload")
    pid = mold(server)
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
        server.signal(number, pid)
    mark = server.log.mark()
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.wait_ready(1, after=mark)
    assert mold(server) == pid


def test_an_app_that_starts_threads_when_it_is_imported_is_refused(launch, app):
    app.write(version("1", before="import threading\nthreading.Thread(target=time.sleep, args=(600,), name='ticker', daemon=True).start()"))
    server = launch("app:app", "--preload")
    assert server.wait_exit() == BOOT_FAILED
    line = server.log.wait("the server did not come up.*").string
    assert "ticker (started by time)" in line, line
    assert "hint: start them in the workers" in server.log.text()


def test_threads_that_have_ended_do_not_count(serve, app):
    app.write(version("1", before="from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool: list(pool.map(str, range(9)))"))
    assert serve(None, "--preload").get().text == "1"


def test_connections_that_the_app_opens_when_it_is_imported_are_named(serve, app):
    app.write(version("1", before="import asyncio, socket\nloop = asyncio.new_event_loop()\nlistener = socket.create_server(('127.0.0.1', 0))\nclient = socket.create_connection(listener.getsockname())"))
    server = serve(None, "--preload", workers=2)
    (line,) = server.log.find("all workers share them")
    assert len(re.findall(r"127\.0\.0\.1:\d+", line)) == 2 and "hint=" in line, line


def test_log_files_are_reopened_for_workers_to_come(serve, app, tmp_path):
    app.write(version("1"))
    log = tmp_path / "access.log"
    server = serve(None, "--preload", "--access-logfile", str(log))
    server.get("/before")
    eventually(lambda: "/before" in log.read_text(), "the request is logged")
    log.rename(tmp_path / "access.log.1")
    mark = server.log.mark()
    server.signal(signal.SIGUSR1)
    server.log.wait("log files reopened", after=mark)
    server.signal(signal.SIGKILL, server.ready_pids()[0])
    server.wait_ready(1, after=mark)
    server.get("/after")
    eventually(lambda: "/after" in log.read_text(), "the request is logged in the new file")


def test_scaling_forks_from_the_mold(serve, app):
    app.write(version("1", before=SLOW))
    server = serve(None, "--preload")
    mark = server.log.mark()
    server.signal(signal.SIGTTIN)
    assert boot_ms(server, mark) < 900
    assert len(server.log.find("mold ready")) == 1


def test_the_master_keeps_no_descriptors(serve, app):
    app.write(version("1"))
    server = serve(None, "--preload", workers=2)
    before = processes.descriptors(server.master)
    for _ in range(5):
        mark = server.log.mark()
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        server.wait_ready(1, after=mark)
        server.reload()
        eventually(lambda: len(server.children()) == 3, "two workers and their mold are left")
    eventually(lambda: len(processes.descriptors(server.master)) == len(before), f"the master's descriptors are as at first: {before}")


def test_a_booted_worker_shares_the_parts_of_a_large_app(serve, app):
    """What describes and warms up the app looks at each part of it: in the mold, once."""
    part = "class Part:\n    def __init__(self):\n        self.ballast = bytes(400)\n    def __call__(self):\n        pass\n"
    parts = "parts = [Part() for _ in range(8000)]\nclass App:\n    def __init__(self):\n        self.routes = parts\n"
    app.write(part + parts + "    async def __call__(self, scope, receive, send):\n        assert scope['type'] == 'http'\napp = App()\n")
    server = serve(None, "--preload", workers=2)
    own = [processes.unshared(pid) for pid in server.ready_pids()]
    whole = processes.private(mold(server))
    assert whole > 8 * 2**20 and max(own) < whole / 4, (own, whole)
