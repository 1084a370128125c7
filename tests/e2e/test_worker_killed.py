"""A worker dies: another takes its place at once, and only its own requests are lost."""

import json
import signal

import pytest

from harness import processes
from harness.load import Load
from harness.waiting import eventually


@pytest.mark.both_artifacts
def test_killed_worker_is_replaced_at_once(serve):
    server = serve("hello.py", workers=2)
    victim = server.wait_ready(2)[0]
    mark = server.log.mark()
    server.signal(signal.SIGKILL, victim)
    server.log.wait("SIGKILL", after=mark, timeout=2)
    server.wait_ready(1, after=mark, timeout=3)
    assert server.get().status == 200
    eventually(lambda: len(server.children()) == 2, "two workers are left")
    assert not processes.zombies(server.master)


def test_the_log_names_slot_pid_and_signal(serve):
    server = serve("hello.py", workers=2)
    victim = server.wait_ready(2)[1]
    mark = server.log.mark()
    server.signal(signal.SIGSEGV, victim)
    line = server.log.wait(r"worker died.*|worker .*SIGSEGV.*", after=mark).string
    assert f"pid={victim}" in line and "slot=1" in line and "SIGSEGV" in line


def test_the_others_serve_meanwhile(serve):
    server = serve("hello.py", workers=2)
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows(50)
        for _ in range(5):
            mark = server.log.mark()
            server.signal(signal.SIGKILL, server.ready_pids()[0])
            server.wait_ready(1, after=mark)
            load.flows(20)
    load.stop()
    # Only what the victim held in its hands may be lost: never the queue of the listener.
    assert sum(load.failures.values()) <= 5 * 4, load.failures
    assert "refused" not in load.failures, load.failures


def test_all_workers_killed_at_once_lose_no_connection_in_the_queue(serve):
    server = serve("hello.py", workers=2)
    pids = server.wait_ready(2).values()
    for pid in pids:
        server.freeze(pid)
    with server.connect() as waiting:
        waiting.request()
        mark = server.log.mark()
        for pid in pids:
            server.signal(signal.SIGKILL, pid)
        server.wait_ready(2, after=mark)
        assert waiting.response().status == 200


def test_hundreds_of_respawns_leak_nothing(serve):
    server = serve("hello.py", workers=2)
    before = processes.descriptors(server.master)
    memory = processes.resident(server.master)
    for _ in range(100):
        mark = server.log.mark()
        for pid in server.ready_pids():
            server.signal(signal.SIGKILL, pid)
        server.wait_ready(2, after=mark)
    eventually(lambda: len(processes.descriptors(server.master)) == len(before), f"the master's descriptors are as at first: {before}")
    assert not processes.zombies(server.master)
    assert processes.resident(server.master) - memory < 8 << 20
    assert server.get().status == 200


def test_a_worker_that_exits_is_replaced(serve, app):
    app.write("""
import os
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/exit":
        os._exit(7)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
""")
    server = serve(workers=1)
    first = server.get().body
    mark = server.log.mark()
    with server.connect() as client:
        client.request(target="/exit")
        assert client.ending() in ("closed", "reset")
    server.log.wait("code 7|code=7", after=mark)
    server.wait_ready(1, after=mark)
    assert server.get().body != first


@pytest.mark.both_artifacts
def test_a_stopped_worker_is_found_and_replaced(serve):
    server = serve("hello.py", "--timeout", "2", workers=2)
    victim = server.wait_ready(2)[0]
    mark = server.log.mark()
    server.signal(signal.SIGSTOP, victim)
    server.log.wait("worker hung", after=mark, timeout=10)
    server.wait_ready(1, after=mark)
    eventually(lambda: not processes.alive(victim), "the stopped worker is gone")


def test_a_blocked_loop_is_killed_and_its_stack_and_request_are_told(serve, app):
    app.write("""
import time
def forgotten_await():
    time.sleep(3600)
async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/blocks":
        forgotten_await()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})
""")
    server = serve(None, "--timeout", "1", workers=1)
    mark = server.log.mark()
    with server.connect() as client:
        client.request(target="/blocks?secret=1")
        server.log.wait("forgotten_await", after=mark, timeout=10)
        line = server.log.wait("worker hung.*", after=mark).string
        assert "/blocks" in line and "secret" not in line
        server.wait_ready(1, after=mark)
    assert server.get().text == "fine"


def test_an_idle_worker_is_not_hung(serve):
    server = serve("hello.py", "--timeout", "1", workers=2)
    pids = set(server.wait_ready(2).values())
    with server.connect() as client:
        # Longer than the timeout, without any request: an open connection is not work.
        assert client.quiet(2.5)
    assert set(server.ready_pids()) == pids


def test_memory_of_the_scoreboard_is_consistent_after_deaths(serve):
    """A replacement starts with a page of its own: it is not taken for hung because of its predecessor's heartbeat."""
    server = serve("process.py", "--timeout", "2", workers=1)
    for _ in range(3):
        mark = server.log.mark()
        server.signal(signal.SIGKILL, server.ready_pids()[0])
        server.wait_ready(1, after=mark)
    survivor = server.ready_pids()[0]
    with server.connect() as client:
        assert client.quiet(2.5)
        assert json.loads(client.get().body)["pid"] == survivor
