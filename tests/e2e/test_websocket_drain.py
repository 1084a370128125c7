"""Reload and stop: every client gets a close frame with the reason, and no connection is cut."""

import signal
import time

import pytest

from harness.waiting import eventually
from harness.websocket import CLOSE, connect, handshake

pytestmark = [pytest.mark.both_loops]


@pytest.mark.both_artifacts
def test_asgi_114_a_reload_closes_with_1012(serve):
    server = serve("sockets.py", "--keepalive-drain", "1")
    with connect(server, "/echo") as old:
        assert "succeeded" in server.reload().group(0)
        old.expect_close(1012)
        server.log.wait('disconnect {"type": "websocket.disconnect", "code": 1012')
        with connect(server, "/echo") as new:
            new.text("x")
            assert new.message() == "x"


def test_asgi_114_messages_flow_until_the_close(serve):
    server = serve("sockets.py", "--keepalive-drain", "2")
    with connect(server, "/echo") as socket:
        server.signal(signal.SIGHUP)
        server.log.wait("reload succeeded")
        count = 0
        while True:
            try:
                socket.text(str(count))
            except OSError:
                break
            found = socket.frame()
            if found.opcode == CLOSE:
                assert found.code == 1012
                break
            assert found.payload == str(count).encode()
            count += 1
        socket.close(1012)
        socket.ends()


@pytest.mark.both_artifacts
def test_asgi_114_a_stop_closes_with_1001(serve):
    server = serve("sockets.py")
    sockets = [connect(server, "/echo") for _ in range(10)]
    started = time.monotonic()
    server.terminate()
    for socket in sockets:
        with socket:
            socket.expect_close(1001)
    assert server.wait_exit() == 0
    assert time.monotonic() - started < 4
    assert server.log.wait_end().count('"code": 1001') == 10


def test_asgi_114_the_closes_are_spread(serve):
    server = serve("sockets.py", "--keepalive-drain", "2")
    sockets = [connect(server, "/hold") for _ in range(60)]
    server.log.wait("holding", count=60)
    server.signal(signal.SIGHUP)
    # The app notes each disconnect when its close frame is sent.
    server.log.wait("disconnect .*1012", count=60)
    times = sorted(server.log.times[number] for number, line in enumerate(server.log.lines) if "disconnect" in line)
    for socket in sockets:
        socket.client.close()
    assert times[-1] - times[0] > 1.0, "all at once"
    steps = [sum(1 for moment in times if times[0] + step / 2 <= moment < times[0] + (step + 1) / 2) for step in range(4)]
    assert max(steps) <= 30, steps


def test_clients_that_do_not_answer_the_close_do_not_hold_up_the_stop(serve):
    server = serve("sockets.py", "--graceful-timeout", "3")
    with connect(server, "/hold"):
        server.log.wait("holding")
        started = time.monotonic()
        server.terminate()
        assert server.wait_exit(timeout=10) == 0
        assert time.monotonic() - started < 7


def test_an_app_that_ignores_the_close_does_not_hold_up_the_stop(serve):
    server = serve("sockets.py", "--graceful-timeout", "2")
    with connect(server, "/ignores") as socket:
        server.log.wait("ignoring")
        server.terminate()
        socket.expect_close(1001)
        assert server.wait_exit(timeout=10) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_a_fast_stop_still_says_1001(serve, number):
    server = serve("sockets.py")
    with connect(server, "/hold") as socket:
        server.log.wait("holding")
        server.signal(number)
        assert socket.frame().code == 1001
        assert server.wait_exit() == 0


def test_a_handshake_that_waits_during_the_drain_is_answered(serve, app):
    server = serve("sockets.py")
    with server.connect() as client:
        client.send(handshake("/waits-before-accept"))
        server.log.wait("first")
        server.terminate()
        eventually(server.refuses_connections, "the drain began")
        (app.path / "open").touch()
        assert client.head().status == 101
        assert client.read(2)[0] == 0x88
    assert server.wait_exit() == 0


def test_a_killed_workers_clients_come_back(serve):
    server = serve("sockets.py")
    pid = server.wait_ready()[0]
    with connect(server, "/echo") as socket:
        server.signal(signal.SIGKILL, pid)
        assert socket.client.ending() in ("closed", "reset")
    server.wait_ready(2)
    with connect(server, "/echo") as socket:
        socket.text("x")
        assert socket.message() == "x"
