"""Signals that reach workers themselves: from an operator, from a terminal, from a process that signals the whole group."""

import json
import os
import re
import signal
import time

import pytest

from harness import processes
from harness.apps import version
from harness.load import Load
from harness.waiting import eventually

pytestmark = [pytest.mark.both_artifacts, pytest.mark.both_loops]

WAITS = """
import asyncio, os, signal, sys, threading, time
{before}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        {startup}
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        print("lifespan ended", flush=True)
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    if scope["path"] == "/wait":
        print("request waits", flush=True)
        try:
            while not os.path.exists("open"):
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            print("request cancelled", flush=True)
            raise
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"answer"}})
"""


def waiting(before="", startup="pass"):
    return WAITS.format(before=before, startup=startup)


def group(server, number):
    """As a terminal sends it."""
    os.killpg(server.master, number)


def assert_quiet(text):
    """Nothing in the log that looks like an accident."""
    assert not re.search(r"Traceback|KeyboardInterrupt|CancelledError|\[ERROR\]|\[WARNING\]|[Ee]xception", text), text


def test_a_worker_that_is_terminated_finishes_its_requests_and_is_replaced(serve, app):
    app.write(waiting())
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        server.signal(signal.SIGTERM, pid)
        server.log.wait("SIGTERM received, draining")
        (app.path / "open").touch()
        assert client.response().text == "answer"
    server.log.wait("worker ready", count=2)
    assert server.get().text == "answer"
    assert not processes.alive(pid) and "lifespan ended" in server.log.text()
    assert 'exit="code 0"' in server.log.text()


def test_terminated_workers_cost_no_request(serve):
    server = serve("hello.py", workers=2)
    with Load(server, clients=3) as kept, Load(server, clients=2, keep_alive=False) as new:
        for n in range(4):
            kept.flows()
            new.flows()
            victim = server.ready_pids()[0]
            server.signal(signal.SIGTERM, victim)
            server.log.wait("worker ready", count=3 + n)
            eventually(lambda: not processes.alive(victim), "it ended")
        kept.assert_nothing_failed(50)
        new.assert_nothing_failed(20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_worker_that_is_interrupted_cancels_and_ends_its_lifespan(serve, app, number):
    app.write(waiting())
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        server.signal(number, pid)
        server.log.wait("request cancelled")
        server.log.wait("lifespan ended")
    server.log.wait("worker ready", count=2)
    assert server.get().status == 200
    assert "KeyboardInterrupt" not in server.log.text() and "Traceback" not in server.log.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_booting_worker_dies_at_once(launch, app, number):
    app.write("import time\nprint('importing', flush=True)\ntime.sleep(3600)\n")
    server = launch()
    server.log.wait("importing")
    (pid,) = server.children()
    server.signal(number, pid)
    assert server.wait_exit(timeout=5) == 3
    text = server.log.wait_end()
    assert number.name in text and "KeyboardInterrupt" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT], ids=lambda number: number.name)
def test_control_c_is_one_clean_stop(serve, app, number):
    app.write(waiting())
    server = serve(workers=3)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        group(server, number)
        assert server.wait_exit(timeout=5) == 0
    text = server.log.wait_end()
    assert_quiet(text)
    assert text.count("lifespan ended") == 3 and text.count("worker exited") == 3
    assert text.count("stopping mode=fast") == 1


def test_control_c_during_the_boot_is_quiet(launch, app):
    app.write("import os, threading\nos.write(1, b'importing\\n')\nthreading.Event().wait()\n")
    server = launch("app:app", "-w", "2")
    server.log.wait("importing", count=2)
    group(server, signal.SIGINT)
    server.wait_exit(timeout=5)
    assert_quiet(server.log.wait_end())


def test_the_whole_group_is_terminated(serve, app):
    """systemd's KillMode=control-group."""
    app.write(waiting())
    server = serve(workers=2)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        group(server, signal.SIGTERM)
        server.log.wait("stopping mode=graceful")
        (app.path / "open").touch()
        assert client.response().text == "answer"
    assert server.wait_exit() == 0
    text = server.log.wait_end()
    assert_quiet(text)
    assert text.count("lifespan ended") == 2


FOR_THE_MASTER = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH]


def test_what_is_for_the_master_does_not_touch_a_worker(serve, app):
    app.write(waiting())
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    for number in FOR_THE_MASTER:
        server.signal(number, pid)
        assert server.get().status == 200
    assert server.ready_pids() == [pid]
    assert processes.state(pid) in "SR"


def test_what_is_for_the_master_does_not_touch_a_booting_worker(launch, app):
    app.write(waiting(before="""
print("importing", signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, flush=True)
while not os.path.exists("import"):
    time.sleep(0.01)
"""))
    server = launch()
    server.log.wait("importing True")
    (pid,) = server.children()
    for number in FOR_THE_MASTER:
        server.signal(number, pid)
    (app.path / "import").touch()
    assert server.wait_ready() == {0: pid}


def test_children_of_the_app_start_with_ordinary_signals(serve, app):
    app.write(version("app", before="""
import json, subprocess, signal
def masks(pid="self", **options):
    text = subprocess.run(["cat", f"/proc/{pid}/status"], stdout=subprocess.PIPE, **options).stdout.decode()
    lines = dict(line.split(":", 1) for line in text.splitlines())
    return {name: int(lines[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")}
def spawned():
    read, write = os.pipe()
    os.waitpid(os.posix_spawn("/bin/cat", ["cat", "/proc/self/status"], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)]), 0)
    os.close(write)
    lines = dict(line.split(":", 1) for line in os.fdopen(read).read().splitlines())
    return {name: int(lines[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")}
""").replace("'app'.encode()", 'json.dumps([masks(), masks(restore_signals=False), spawned()]).encode()'))
    server = serve(workers=1)
    restored, plain, spawned = json.loads(server.get().body)
    # 32 and 33 are glibc's own, and ignored by its posix_spawn: also by that of the program that started the tests (make does).
    glibcs = 1 << 31 | 1 << 32
    assert (restored["SigBlk"], restored["SigIgn"] & ~glibcs, restored["SigCgt"]) == (0, 0, 0)
    usual = {signal.SIGPIPE, signal.SIGXFSZ}  # what CPython ignores
    for masks in (plain, spawned):
        assert masks["SigBlk"] == 0 and masks["SigCgt"] == 0
        assert {number for number in range(1, 65) if masks["SigIgn"] >> (number - 1) & 1} - {32, 33} == usual


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_a_forked_child_is_the_childs(serve, app, number):
    """`multiprocessing` forks: its terminate() is not to end the server (with handlers of an event loop it does)."""
    app.write(version("app", before=f"""
import multiprocessing
def child_ends():
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(3600,))
    child.start()
    os.kill(child.pid, {int(number)})
    child.join(10)
    return str(child.exitcode)
""").replace("'app'.encode()", "child_ends().encode()"))
    server = serve(workers=1)
    pids = server.ready_pids()
    for _ in range(2):
        assert server.get().text == str(-number)
    assert server.ready_pids() == pids and "draining" not in server.log.text()


HANDLER = r"""
def handler(number, frame):
    os.write(1, b"handled %d\n" % number)  # may come while another print is under way
signal.signal(signal.{name}, handler)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP"])
def test_a_handler_of_the_app_stays(serve, app, name):
    app.write(waiting(before=HANDLER.format(name=name)))
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    number = getattr(signal, name)
    server.signal(number, pid)
    server.log.wait(rf"handled {int(number)}$")
    assert server.get().status == 200 and server.ready_pids() == [pid]


def test_a_handler_of_the_app_runs_at_once(serve, app):
    """The loop sleeps in the reactor, which a signal must wake."""
    app.write(waiting(before=HANDLER.format(name="SIGUSR1")))
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    assert server.get().status == 200
    delays = []
    for n in range(10):
        started = time.monotonic()
        server.signal(signal.SIGUSR1, pid)
        server.log.wait("handled", count=n + 1)
        delays.append(time.monotonic() - started)
    # The median: asleep until its next tick the loop would need half a second.
    assert sorted(delays)[4] < 0.15, delays


def test_a_handler_of_the_event_loop_stays(serve, app):
    app.write(waiting(startup="asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print, 'handled by the loop')"))
    server = serve(workers=1, env={"PYTHONUNBUFFERED": "1"})
    (pid,) = server.ready_pids()
    server.signal(signal.SIGTERM, pid)
    server.log.wait("handled by the loop")
    assert server.get().status == 200 and server.ready_pids() == [pid]


def test_a_program_of_the_app_can_be_run_and_waited_for(serve, app):
    """SIGCHLD has its default action."""
    app.write(waiting(before="import subprocess\nassert subprocess.run(['false']).returncode == 1", startup="""
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 7")
        print("it said", await process.wait(), flush=True)
"""))
    server = serve(workers=1)
    server.log.wait("it said 7")


def test_a_handler_that_raises_is_told_and_the_service_goes_on(serve, app):
    """Where Python runs it decides: within a callback the loop goes on, between two of them it fails, and the worker is replaced."""
    app.write(waiting(before="def handler(number, frame):\n    raise RuntimeError('no idea')\nsignal.signal(signal.SIGUSR1, handler)\n"))
    server = serve(workers=1)
    (pid,) = server.ready_pids()
    server.signal(signal.SIGUSR1, pid)
    server.log.wait("RuntimeError: no idea")
    server.log.wait(r"raise RuntimeError\('no idea'\)")
    if "the event loop has failed" in server.log.text():
        server.log.wait("worker ready", count=2)
    assert server.get("/").body == b"answer"
