"""The master is killed: no orphan stays, and its successor can bind at once."""

import contextlib
import os
import signal

import pytest

from harness import processes
from harness.waiting import eventually


@pytest.mark.both_artifacts
def test_no_orphan_is_left(serve):
    server = serve("hello.py", workers=3)
    server.signal(signal.SIGKILL)
    eventually(lambda: not server.leftovers() or all(not processes.alive(pid) for pid in server.leftovers()), "all workers left", timeout=10)


@pytest.mark.both_artifacts
def test_the_port_is_free_at_once(serve, launch):
    server = serve("hello.py", workers=2)
    port = server.port
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(server.refuses_connections, "nobody listens any more", timeout=3)
    successor = launch(bind=f"127.0.0.1:{port}")
    successor.wait_ready(1)
    assert successor.get().status == 200


def test_connections_that_wait_at_the_listener_are_served(serve):
    """Workers that cannot accept leave a queue behind, which they serve before they close the listener."""
    server = serve("hello.py", workers=3)
    workers = server.children()
    for pid in workers:
        server.freeze(pid)
    with contextlib.ExitStack() as clients:
        waiting = [clients.enter_context(server.connect()) for _ in range(20)]
        for client in waiting:
            client.request()
        server.signal(signal.SIGKILL)
        server.wait_exit()
        for pid in workers:
            server.signal(signal.SIGCONT, pid)
        assert [client.response().status for client in waiting] == [200] * len(waiting)
    eventually(server.refuses_connections, "nobody listens any more")


def test_a_request_in_flight_is_finished(serve, app):
    server = serve("gate.py", workers=1)
    with server.connect() as client:
        client.request(target="/wait")
        server.log.wait("request waits")
        server.signal(signal.SIGKILL)
        eventually(server.refuses_connections, "the listener is closed first", timeout=3)
        (app.path / "open").touch()
        assert client.response().text == "waited"
    eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "the worker left")


def test_a_worker_blocked_in_python_closes_the_listener_and_leaves(serve, app):
    app.write("""
import time
async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("blocking", flush=True)
    time.sleep(3600)
""")
    server = serve(None, "--graceful-timeout", "1", workers=1)
    with server.connect() as client:
        client.request()
        server.log.wait("blocking")
        server.signal(signal.SIGKILL)
        eventually(server.refuses_connections, "the listener is closed though Python is blocked", timeout=3)
        eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "the worker left", timeout=10)


@pytest.mark.parametrize("options", [(), ("--preload",)])
def test_a_stopped_worker_goes_as_well(serve, options):
    server = serve("hello.py", *options, workers=2)
    for worker in server.ready_pids():
        os.kill(worker, signal.SIGSTOP)
    server.signal(signal.SIGKILL)
    eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "the stopped workers left", timeout=10)


def test_a_stopped_worker_goes_during_its_boot(launch, app):
    app.write("import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n")
    server = launch("app:app")
    server.log.wait("hanging")
    (worker,) = server.children()
    os.kill(worker, signal.SIGSTOP)
    server.signal(signal.SIGKILL)
    eventually(lambda: not processes.alive(worker), "the booting worker left", timeout=10)


def test_killed_during_boot(launch, app):
    app.write("import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n")
    server = launch("app:app", "-w", "2")
    server.log.wait("hanging", count=2)
    server.signal(signal.SIGKILL)
    eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "the booting workers left", timeout=10)


def test_a_stale_pid_file_and_socket_do_not_stop_the_successor(serve, launch, app):
    server = serve("hello.py", "-p", "server.pid", bind="unix:here.sock")
    server.signal(signal.SIGKILL)
    server.wait_exit()
    eventually(lambda: not [pid for pid in server.leftovers() if processes.alive(pid)], "the worker left")
    assert (app.path / "server.pid").exists() and (app.path / "here.sock").exists()
    successor = launch("app:app", "-p", "server.pid", bind="unix:here.sock")
    successor.wait_ready()
    assert (app.path / "server.pid").read_text().strip() == str(successor.master)
    assert successor.get().status == 200
