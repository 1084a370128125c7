"""Backpressure both ways, pings, and what an idle WebSocket costs."""


import pytest

from harness.waiting import eventually
from harness.websocket import CLOSE, PING, PONG, TEXT, connect, frame

pytestmark = [pytest.mark.both_loops]


def test_asgi_113_send_waits_for_a_client_that_does_not_read(serve):
    server = serve("sockets.py")
    with connect(server, "/flood", receive_buffer=4096) as socket:
        server.log.wait("send waits after")
        while not server.log.find("send goes on"):
            socket.message()
    (line,) = server.log.find("send waits after")
    assert int(line.rsplit(" ", 1)[1]) < 8_000_000


def test_asgi_113_a_waiting_send_ends_with_an_oserror_when_the_client_leaves(serve):
    server = serve("sockets.py")
    with connect(server, "/flood", receive_buffer=4096) as socket:
        server.log.wait("send waits after")
        socket.client.reset()
        server.log.wait("send goes on|flood ended by ClientDisconnected")


def test_asgi_113_the_socket_is_not_read_for_an_app_that_does_not_receive(serve, app):
    server = serve("sockets.py")
    with connect(server, "/slow", timeout=1.0) as socket:
        sent = 0
        with pytest.raises(OSError):  # timed out: nobody takes it
            while sent < 100_000_000:
                socket.raw(frame(TEXT, b"x" * 10_000))
                sent += 10_000
        assert sent < 30_000_000
    (app.path / "open").touch()
    server.log.wait("slow took .*1006")


def test_all_messages_arrive_in_order_however_slow_the_app(serve, app):
    server = serve("sockets.py")
    with connect(server, "/slow") as socket:
        socket.raw(b"".join(frame(TEXT, b"m" * 100) for _ in range(2000)) + frame(TEXT, b"count"))
        (app.path / "open").touch()
        assert socket.message() == "2001"


def test_receive_can_be_given_up(sockets):
    with connect(sockets, "/cancelled-receive") as socket:
        assert socket.message() == "ready"
        socket.text("kept")
        assert socket.message() == "kept"


def test_receiver_and_sender_at_once(sockets):
    with connect(sockets, "/both-ways") as socket:
        socket.text("x")
        assert [socket.message() for _ in range(100)] == [str(number) for number in range(100)]
        socket.close(1000)
        assert socket.frame().code == 1000


def test_pings_of_a_client_that_does_not_read_do_not_gather(serve):
    server = serve("sockets.py")
    worker = server.wait_ready()[0]
    with connect(server, "/hold", timeout=1.0, receive_buffer=4096) as socket:
        with pytest.raises(OSError):
            for _ in range(1_000_000):
                socket.raw(frame(PING, b"x" * 125) * 100)
        with open(f"/proc/{worker}/status") as file:
            assert next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) < 100_000


def test_asgi_112_pings_are_sent(serve):
    server = serve("sockets.py", "--ws-ping-interval", "0.3")
    with connect(server, "/hold") as socket:
        for _ in range(2):
            found = socket.frame()
            assert found.opcode == PING
            socket.send(PONG, found.payload)


def test_asgi_112_a_silent_client_is_closed(serve):
    server = serve("sockets.py", "--ws-ping-interval", "0.3", "--ws-ping-timeout", "0.5")
    with connect(server, "/hold") as socket:
        while (found := socket.frame()).opcode == PING:
            pass
        assert (found.opcode, found.code, found.reason) == (CLOSE, 1011, "keepalive ping timeout")
        server.log.wait('disconnect {"type": "websocket.disconnect", "code": 1006, "reason": "keepalive ping timeout"}')
        socket.ends()


def test_asgi_112_any_sign_of_life_counts(serve):
    server = serve("sockets.py", "--ws-ping-interval", "0.3", "--ws-ping-timeout", "0.5")
    with connect(server, "/echo") as socket:
        pings = 0
        while pings < 6:
            found = socket.frame()
            if found.opcode == PING:
                pings += 1
                socket.text("alive")
            else:
                assert found.payload == b"alive", found


def test_no_pings_when_off(serve):
    server = serve("sockets.py", "--ws-ping-interval", "0")
    with connect(server, "/hold") as socket:
        assert socket.client.quiet(1.0)


def memory(pid):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024


@pytest.mark.parametrize("count", [1000])
def test_an_idle_websocket_is_cheap(serve, count):
    server = serve("sockets.py")
    worker = server.wait_ready()[0]
    warm = [connect(server, "/echo") for _ in range(20)]
    for socket in warm:
        socket.text("x")
        assert socket.message() == "x"
    before = memory(worker)
    idle = [connect(server, "/echo") for _ in range(count)]
    for socket in idle:
        socket.text("once")
    for socket in idle:
        assert socket.message() == "once"
    each = (memory(worker) - before) / count
    for socket in [*warm, *idle]:
        socket.client.close()
    assert each < 20_000, f"{each:.0f} bytes each"
    eventually(lambda: len(server.log.find("disconnect")) == count + 20, "all are told")


def test_thousands_of_connections_leak_no_descriptor(serve):
    from harness import processes

    server = serve("sockets.py")
    worker = server.wait_ready()[0]
    with connect(server, "/echo"):
        pass
    before = len(processes.descriptors(worker))
    for number in range(600):
        with connect(server, "/echo") as socket:
            if number % 3 == 0:
                socket.client.reset()
            elif number % 3 == 1:
                socket.close(1000)
                assert socket.frame().code == 1000
    eventually(lambda: len(processes.descriptors(worker)) <= before + 1, "the worker's descriptors are as before")
