"""HUP: new code takes over, and no client is affected."""

import signal

import pytest

from harness import processes
from harness.apps import version
from harness.load import Load, assert_one_version_at_a_time
from harness.waiting import eventually


@pytest.mark.both_artifacts
def test_twenty_reloads_lose_no_request(app, serve):
    app.write(version("0"))
    server = serve(workers=2)
    with Load(server, clients=4) as kept, Load(server, clients=2, keep_alive=False) as fresh:
        kept.flows(50)
        for generation in range(1, 21):
            app.write(version(str(generation)))
            assert "succeeded" in server.reload().string
            kept.flows(5)
        fresh.flows(5)
    kept.assert_nothing_failed(at_least=1000)
    fresh.assert_nothing_failed(at_least=200)
    assert kept.bodies()[b"20"] and fresh.bodies()[b"20"]


@pytest.mark.both_artifacts
def test_new_connections_meet_one_version(app, serve):
    app.write(version("old"))
    server = serve(workers=4)
    with Load(server, clients=4, keep_alive=False) as load:
        load.flows(50)
        app.write(version("new"))
        server.reload()
        load.flows(50)
    load.assert_nothing_failed()
    assert_one_version_at_a_time(load, b"old", b"new")


def test_the_log_tells_the_outcome(app, serve):
    app.write(version("1"))
    server = serve(workers=2)
    assert "generation=2" in server.reload().string
    assert sorted(server.wait_ready(2, generation=2)) == [0, 1]
    assert "generation=3" in server.reload().string


def test_old_workers_leave_and_nothing_leaks(app, serve):
    app.write(version("1"))
    server = serve(workers=2)
    before = processes.descriptors(server.master)
    for _ in range(10):
        old = server.ready_pids()
        server.reload()
        eventually(lambda: not any(processes.alive(pid) for pid in old), "the old workers left")
        eventually(lambda: len(server.children()) == 2, "two workers are left")
    assert not processes.zombies(server.master)
    eventually(lambda: len(processes.descriptors(server.master)) == len(before), f"the master's descriptors are as at first: {before}")


def test_a_request_in_flight_is_finished_by_the_old_worker(app, serve):
    app.copy("gate.py")
    server = serve(workers=1)
    with server.connect() as slow:
        slow.request(target="/wait")
        server.log.wait("request waits")
        app.write(version("new"))
        assert "succeeded" in server.reload().string
        assert server.get().text == "new"
        (app.path / "open").touch()
        response = slow.response()
        assert (response.status, response.text) == (200, "waited")
        assert response.closes


def test_a_request_on_an_idle_connection_is_answered_during_the_drain(app, serve):
    app.write(version("old"))
    server = serve(workers=1)
    with server.connect() as client:
        assert client.get().text == "old"
        app.write(version("new"))
        server.reload()
        # The old worker keeps it open for --keepalive-drain: a request already on the wire is answered, with Connection: close.
        response = client.get()
        assert response.status == 200 and response.closes
        assert client.ending() == "closed"


def test_a_request_that_comes_while_the_loop_is_blocked_is_told_to_close_too(app, serve):
    """The old worker has stopped accepting by then, while its event loop is blocked."""
    app.write("""
import os, time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/blocks":
        print("blocking", flush=True)
        while not os.path.exists("open"):
            time.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"old"})
""")
    server = serve(workers=1)
    with server.connect() as idle, server.connect() as blocked:
        assert idle.get().text == "old"
        blocked.request(target="/blocks")
        server.log.wait("blocking")
        app.write(version("new"))
        server.reload()
        idle.request()
        (app.path / "open").touch()
        assert blocked.response().closes
        response = idle.response()
        assert response.text == "old" and response.closes
        assert idle.ending() == "closed"


def test_reload_during_a_reload_ends_with_the_newest_code(app, serve):
    app.write(version("1"))
    server = serve(workers=2)
    with Load(server, clients=2) as load:
        for name in ("2", "3", "4"):
            app.write(version(name))
            server.signal(signal.SIGHUP)
        eventually(lambda: server.get().text == "4", "the newest code serves")
        eventually(lambda: len(server.children()) == 2, "two workers are left")
    load.assert_nothing_failed()


@pytest.mark.both_artifacts
def test_terminate_during_a_reload_acts_at_once(app, serve):
    app.write(version("1"))
    server = serve(workers=2)
    app.write("import threading\nprint('hanging', flush=True)\nthreading.Event().wait()\n")
    server.signal(signal.SIGHUP)
    server.log.wait("hanging")
    server.terminate()
    assert server.wait_exit(timeout=8) == 0


def test_worker_killed_during_a_reload(app, serve):
    app.write(version("1"))
    server = serve(workers=2)
    old = server.wait_ready(2)
    app.write(version("2", before="print('importing', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)"))
    server.signal(signal.SIGHUP)
    server.log.wait("importing", count=2)
    server.signal(signal.SIGKILL, old[0])
    with Load(server, clients=2) as load:
        load.flows(5)
        (app.path / "go").touch()
        server.log.wait("reload succeeded")
        load.flows(5)
    assert server.get().text == "2"
    eventually(lambda: len(server.children()) == 2, "two workers are left")


@pytest.mark.parametrize("surge", [1, 2])
def test_surge_replaces_some_at_a_time(app, serve, surge):
    app.write(version("1"))
    server = serve(None, "--reload-surge", surge, workers=3)
    with Load(server, clients=3) as load:
        load.flows(20)
        app.write(version("2"))
        most = len(server.children())
        server.signal(signal.SIGHUP)

        def done():
            nonlocal most
            most = max(most, len(server.children()))
            return server.log.find("reload succeeded")

        eventually(done, "the reload succeeded")
        load.flows(20)
    load.assert_nothing_failed()
    # A retired worker may still drain its connections while its successor's successor boots.
    assert most <= 6
    assert server.get().text == "2"


def test_working_directory_is_looked_up_again(app, launch):
    """A deploy that swaps a `current` symlink."""
    app.write(version("first"), "releases/1/app.py")
    app.write(version("second"), "releases/2/app.py")
    current = app.path / "current"
    current.symlink_to("releases/1")
    server = launch("app:app", "--chdir", str(current))
    server.wait_ready()
    assert server.get().text == "first"
    swap = app.path / "next"
    swap.symlink_to("releases/2")
    swap.rename(current)
    server.reload()
    assert server.get().text == "second"
